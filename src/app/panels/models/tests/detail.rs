//! The selected model.

use std::collections::BTreeMap;

use eframe::egui::accesskit::Role;
use eframe::egui::vec2;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use super::fixture::{Page, described, listed_loras, page, page_of, report};
use crate::app::panels::models::{ModelDetail, ModelsAction, RoleChoice};
use crate::app::widgets::chosen_files::ComponentRole;
use crate::core::{Bytes, ComponentFiles, Error, Kind};
use crate::models::Installed;
use crate::models::convert::{ConversionReport, ConversionTarget, ConvertedSize, LayerError};
use crate::plan::{FittingLora, MemoryFit};

#[test]
fn the_detail_lists_the_loras_that_fit_and_counts_the_others() {
    let ink = FittingLora { name: "ink".into(), files: vec!["/l/ink".into()], matched: 20, skipped: 1 };
    let detail = ModelDetail { loras: Some(Ok(vec![ink])), ..ModelDetail::new(Ok(report(MemoryFit::Fits))) };
    let details = BTreeMap::from([("toy-t2v-A14B".to_owned(), detail)]);
    let state = Page { details, loras: listed_loras().to_vec(), ..Page::default() };
    let mut harness = page_of(state, vec2(1300.0, 1200.0));
    harness.run();
    harness.get_by_label("20 modules, 1 skipped key");
    harness.get_by_label("2 others do not");
    harness.get_by_role_and_label(Role::Button, "Add").click();
    harness.run();
    assert_eq!(harness.state().actions, [ModelsAction::UseLora(vec!["/l/ink".into()])]);
    let detail = harness.state_mut().details.get_mut("toy-t2v-A14B").unwrap();
    detail.loras = Some(Ok(Vec::new()));
    harness.run();
    harness.get_by_label("None of the 3 on this machine");
}

#[test]
fn the_layers_of_a_conversion_are_listed_worst_first() {
    let layer = |name: &str, relative_l2| LayerError {
        component: "transformer".to_owned(),
        name: name.to_owned(),
        relative_l2,
    };
    let size =
        ConvertedSize { component: "transformer".into(), before: Bytes(4 << 20), after: Bytes(1 << 20) };
    let conversion = ConversionReport {
        wandeck: "0.1.0".to_owned(),
        precision: ConversionTarget::Int8,
        remark: "Computes faster".to_owned(),
        source: "toy".to_owned(),
        source_path: "/m/toy".into(),
        source_fingerprint: String::new(),
        components: vec![size],
        mean_relative_l2: 0.01,
        layers: vec![layer("small", 0.005), layer("large", 0.015)],
    };
    let report = ModelDetail::new(Ok(report(MemoryFit::Fits)));
    let detail = ModelDetail { conversion: Some(Box::new(conversion)), ..report };
    let details = BTreeMap::from([("toy-t2v-A14B".to_owned(), detail)]);
    let mut harness = page_of(Page { details, ..Page::default() }, vec2(1300.0, 1200.0));
    harness.run();
    harness.get_by_label("Made from toy: 4.0 MiB became 1.0 MiB. Computes faster");
    harness.get_by_label("2 layers, mean relative error 1.0e-2").click();
    harness.run();
    let top = |label: &str| harness.get_by_label(label).rect().top();
    assert!(top("large") < top("small"));
}

#[test]
fn the_detail_answers_what_the_model_can_do_and_needs() {
    let detail = ModelDetail::new(Ok(report(MemoryFit::TooLarge)));
    let details = BTreeMap::from([("toy-t2v-A14B".to_owned(), detail)]);
    let mut harness = page_of(Page { details, ..Page::default() }, vec2(1300.0, 900.0));
    harness.run();
    for text in [
        "With its own defaults it fits this machine only with: fewer frames: 33",
        "480p (832x480), 720p (1280x720); others in multiples of 16",
        "4n + 1, by default 81",
        "by default 40",
        "LoRAs can be applied; two experts",
        "Wan-AI",
        "brings none",
        "2.0 GiB",
    ] {
        harness.get_by_label(text);
    }
    assert_eq!(harness.state().actions, []);
}

#[test]
fn a_model_is_described_once_and_again_when_the_answer_is_gone() {
    let details = BTreeMap::from([("another".to_owned(), ModelDetail::new(Ok(report(MemoryFit::Fits))))]);
    let mut harness = page_of(Page { details, ..Page::default() }, vec2(1300.0, 900.0));
    harness.run_steps(3);
    let ask = ModelsAction::Describe("toy-t2v-A14B".to_owned());
    assert_eq!(harness.state().actions, std::slice::from_ref(&ask));
    harness.get_by_label("Estimating memory…");
    let models = harness.state().models.clone();
    harness.state_mut().details = described(&models);
    harness.run_steps(2);
    harness.state_mut().details.clear();
    harness.run_steps(3);
    assert_eq!(harness.state().actions, [ask.clone(), ask]);
}

#[test]
fn files_are_chosen_for_roles_and_used_together() {
    // after every path of the other models in the order of names: the file beside the model comes first all the same
    let vae = "/~/vae/other.safetensors";
    let detail = ModelDetail { files: vec![vae.into()], ..ModelDetail::new(Ok(report(MemoryFit::Fits))) };
    let details = BTreeMap::from([("toy-t2v-A14B".to_owned(), detail)]);
    let mut harness = page_of(Page { details, ..Page::default() }, vec2(1300.0, 1200.0));
    harness.get_by_label("Files by role").click();
    harness.run();
    assert!(harness.get_by_role_and_label(Role::Button, "Use these files").accesskit_node().is_disabled());
    harness.get_by_role_and_label(Role::Button, "Choose VAE").click();
    harness.run();
    harness.get_by_label("vae/other.safetensors").click();
    harness.run();
    let files = ComponentFiles { vae: Some(vae.into()), ..ComponentFiles::default() };
    let choice = RoleChoice { model: "toy-t2v-A14B".to_owned(), files, problem: None };
    assert_eq!(
        harness.state().actions,
        [ModelsAction::EditRoles(choice.model.clone(), choice.files.clone())]
    );
    harness.state_mut().roles = choice.clone();
    harness.state_mut().actions.clear();
    harness.run();
    assert_eq!(harness.get_by_role_and_label(Role::TextInput, "VAE").value().as_deref(), Some(vae));
    harness.get_by_role_and_label(Role::Button, "Browse Low-noise expert…").click();
    harness.run();
    harness.get_by_role_and_label(Role::Button, "Use these files").click();
    harness.run();
    let browse = ModelsAction::BrowseRole("toy-t2v-A14B".to_owned(), ComponentRole::Low);
    assert_eq!(
        harness.state().actions,
        [browse, ModelsAction::UseRoles(choice.model.clone(), choice.files.clone())]
    );
    let problem = Error::new(Kind::Input, "It is not a VAE of Wan").field("vae");
    harness.state_mut().roles = RoleChoice { problem: Some(problem), ..choice.clone() };
    harness.run();
    harness.get_by_label_contains("It is not a VAE of Wan");
    // once the form has them
    harness.state_mut().components = choice.files;
    harness.state_mut().roles = RoleChoice::default();
    harness.run();
    harness.get_by_label("VAE chosen by you: /~/vae/other.safetensors");
}

#[test]
fn the_roles_are_open_where_a_file_has_to_be_chosen() {
    let error = Error::new(Kind::Input, "Two VAEs fit").field("vae").remedy("Choose one");
    let asks = Installed::new("asks".into(), "/m/asks".into(), Err(error));
    let mut harness = page(None);
    harness.state_mut().models.push(asks);
    harness.run();
    assert!(harness.query_by_role_and_label(Role::TextInput, "VAE").is_none());
    harness.get_by_role_and_label(Role::Button, "asks").click();
    harness.run();
    harness.get_by_role_and_label(Role::TextInput, "VAE");
}
