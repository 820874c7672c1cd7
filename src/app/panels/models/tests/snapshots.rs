//! Images of the pages.

use std::collections::BTreeMap;
use std::path::Path;

use eframe::egui::{Vec2, vec2};

use super::fixture::{described, listed_loras, runtime};
use crate::app::panels::models::{
    AvailableModel, FetchStatus, LorasView, ModelsPanel, ModelsView, RoleChoice,
};
use crate::core::{Bytes, ComponentFiles, Error, Kind, LoraChoice, Mode};
use crate::models::Installed;
use crate::models::fetch::SizeFit;
use crate::plan::{FittingLora, MemoryFit, ModelFit};

/// The toys, as if they lay in a folder that is the same on every machine.
fn placed_models() -> Vec<Installed> {
    let dir = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut models = crate::models::installed(dir.path(), Some(&root));
    for model in &mut models {
        model.path = Path::new("/models").join(&model.id);
    }
    let error = Error::new(Kind::CorruptModel, "The file ends early").remedy("Download it again");
    models.push(Installed::new("t2v-A14B-fp8_scaled".into(), "/models/t2v".into(), Err(error)));
    models
}

#[test]
fn snapshot_of_the_models() {
    snapshot("models", vec2(1400.0, 720.0), ModelsPanel::default());
}

#[test]
fn snapshot_of_the_download_page() {
    snapshot("download", vec2(900.0, 420.0), ModelsPanel::at_download());
}

#[test]
fn snapshot_of_the_loras() {
    snapshot("loras", vec2(900.0, 420.0), ModelsPanel::at_loras());
}

#[test]
fn snapshot_of_the_runtime_page() {
    snapshot("runtime", vec2(900.0, 420.0), ModelsPanel::at_runtime());
}

fn snapshot(name: &str, size: Vec2, mut panel: ModelsPanel) {
    let models = placed_models();
    let mut details = described(&models);
    for detail in details.values_mut() {
        let files = vec!["/models/loras/ink.safetensors".into()];
        let ink = FittingLora { name: "ink".to_owned(), files, matched: 400, skipped: 2 };
        detail.loras = Some(Ok(vec![ink]));
    }
    let fit = |id: &str, fit, needed| ModelFit { model: id.to_owned(), fit, needed: Some(Bytes(needed)) };
    let fits = [
        fit("toy-t2v-A14B", MemoryFit::Fits, 90 << 20),
        fit("toy-i2v-A14B", MemoryFit::Tight, 96 << 20),
        fit("toy-ti2v-5B", MemoryFit::TooLarge, 64 << 30),
    ];
    let available = [AvailableModel {
        name: "ti2v-5B-bf16".to_owned(),
        modes: vec![Mode::T2V, Mode::I2V],
        precision: "bf16".to_owned(),
        purpose: "Text and image to video".to_owned(),
        licence: "Apache-2.0".to_owned(),
        size: "about 32 GiB".to_owned(),
        fit: SizeFit::InTurn,
        folder: "/models/ti2v-5B-bf16".into(),
        is_here: false,
    }];
    let (verified, status) = (BTreeMap::new(), runtime(false));
    let (components, roles) = (ComponentFiles::default(), RoleChoice::default());
    let (loras, used) = (listed_loras(), [LoraChoice::new("/models/loras/ink.safetensors")]);
    let view = ModelsView {
        models: &models,
        fits: &fits,
        verified: &verified,
        chosen: "toy-t2v-A14B",
        components: &components,
        roles: &roles,
        details: &details,
        is_scanning: false,
        task: None,
        removed: None,
        available: &available,
        fetch: &FetchStatus::Idle,
        queue: &[],
        presets: &[],
        runtime: Some(&status),
        others: &[],
        loras: LorasView { loras: &loras, checked: Some(&loras[0]), used: &used },
    };
    crate::app::snapshots::compare(name, size, |ui| drop(panel.ui(ui, &view)));
}
