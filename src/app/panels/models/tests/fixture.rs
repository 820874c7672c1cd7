//! What the tests of the models panel draw.

use std::collections::BTreeMap;
use std::path::Path;

use eframe::egui::{Vec2, vec2};
use egui_kittest::Harness;

use crate::app::panels::models::{
    AvailableModel, FetchStatus, LorasView, ModelDetail, ModelTask, ModelsAction, ModelsPanel, ModelsView,
    PackageRow, RemovedModel, RoleChoice, RuntimeStatus,
};
use crate::app::theme;
use crate::core::{
    Bytes, ComponentFiles, Error, Expert, FrameCount, Kind, LoraChoice, Mode, Stage, StepCount,
};
use crate::models::fetch::{FetchPlan, PlannedFile, PlannedState, SizeFit};
use crate::models::manifest::{FileComponent, ItemKind};
use crate::models::{Installed, OtherFile};
use crate::plan::{ListedLora, ListedLoraFile, MemoryFit, ModelReport, StageMemoryDocument};
use crate::transfers::HubFile;
use crate::wan::lora::{LoraMethod, LoraSummary};

#[derive(Default)]
pub(super) struct Page {
    pub(super) panel: ModelsPanel,
    pub(super) models: Vec<Installed>,
    pub(super) others: Vec<OtherFile>,
    pub(super) task: Option<ModelTask>,
    pub(super) available: Vec<AvailableModel>,
    pub(super) fetch: FetchStatus,
    pub(super) components: ComponentFiles,
    pub(super) roles: RoleChoice,
    pub(super) details: BTreeMap<String, ModelDetail>,
    pub(super) runtime: Option<RuntimeStatus>,
    pub(super) loras: Vec<ListedLora>,
    pub(super) used: Vec<LoraChoice>,
    pub(super) removed: Option<RemovedModel>,
    pub(super) actions: Vec<ModelsAction>,
}

pub(super) fn page<'a>(task: Option<ModelTask>) -> Harness<'a, Page> {
    page_of(Page { task, ..Page::default() }, vec2(1300.0, 900.0))
}

pub(super) fn page_of<'a>(page: Page, size: Vec2) -> Harness<'a, Page> {
    let dir = tempfile::tempdir().unwrap();
    let toys = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut models = crate::models::installed(dir.path(), Some(&toys));
    let error = Error::new(Kind::CorruptModel, "The file ends early").remedy("Download it again");
    models.push(Installed::new("broken".into(), "/m/broken".into(), Err(error)));
    // an answer that was found before, so that no test has to expect the question
    let details = if page.details.is_empty() { described(&models) } else { page.details };
    let state = Page { models, details, ..page };
    Harness::builder().with_size(size).with_context_setup(theme::install).build_ui_state(
        |ui, page: &mut Page| {
            let verified = BTreeMap::new();
            let view = ModelsView {
                models: &page.models,
                fits: &[],
                verified: &verified,
                chosen: "toy-t2v-A14B",
                components: &page.components,
                roles: &page.roles,
                details: &page.details,
                is_scanning: false,
                task: page.task.as_ref(),
                removed: page.removed.as_ref(),
                available: &page.available,
                fetch: &page.fetch,
                queue: &[],
                presets: &[],
                runtime: page.runtime.as_ref(),
                others: &page.others,
                loras: LorasView { loras: &page.loras, checked: None, used: &page.used },
            };
            page.actions.extend(page.panel.ui(ui, &view));
        },
        state,
    )
}

pub(super) fn report(fit: MemoryFit) -> ModelReport {
    let stage = |stage, peak_mb| StageMemoryDocument { stage, peak_mb, droppable_mb: 40.0 };
    ModelReport {
        sizes: vec!["480p (832x480)".to_owned(), "720p (1280x720)".to_owned()],
        frame_multiple: 4,
        default_frames: FrameCount(81),
        default_steps: StepCount(40),
        lora: true,
        experts: 2,
        publisher: Some("Wan-AI".to_owned()),
        fit,
        memory: vec![stage(Stage::Text, 512.0), stage(Stage::DenoiseHigh, 2048.0)],
        device: Vec::new(),
        fits_with: vec!["fewer frames: 33".to_owned()],
    }
}

pub(super) fn described(models: &[Installed]) -> BTreeMap<String, ModelDetail> {
    let detail = |fit| ModelDetail::new(Ok(report(fit)));
    models.iter().map(|model| (model.id.clone(), detail(MemoryFit::Fits))).collect()
}

/// A LoRA of two files, one for each expert, as the scan lists them.
pub(super) fn pair() -> ListedLora {
    let file = |expert, name: &str| ListedLoraFile {
        file: name.into(),
        expert: Some(expert),
        summary: None,
        problem: None,
        fit: None,
    };
    ListedLora {
        name: "wan22_watercolour_and_ink_sketches_v2".to_owned(),
        size: Bytes(2 << 20),
        files: vec![file(Expert::High, "high.safetensors"), file(Expert::Low, "low.safetensors")],
    }
}

pub(super) fn plan(num_files: usize) -> Box<FetchPlan> {
    let file = |number: usize| PlannedFile {
        component: FileComponent::Transformer,
        repository: "owner/name".to_owned(),
        revision: "main".to_owned(),
        file: HubFile { path: format!("{number}"), size: Bytes(2 << 20), object: None },
        to: format!("shard-{number}"),
        state: PlannedState::Missing,
    };
    Box::new(FetchPlan {
        id: "large".to_owned(),
        version: "1".to_owned(),
        variant: "bf16".to_owned(),
        kind: ItemKind::Model,
        licence: "MIT".to_owned(),
        folder: "/m/large".into(),
        endpoint: None,
        files: (0..num_files).map(file).collect(),
        free: None,
    })
}

pub(super) fn another() -> AvailableModel {
    AvailableModel {
        name: "another".to_owned(),
        modes: vec![Mode::T2V],
        precision: "bf16".to_owned(),
        purpose: String::new(),
        licence: "MIT".to_owned(),
        size: "about 1 MiB".to_owned(),
        fit: SizeFit::Unknown,
        folder: "/m/another".into(),
        is_here: false,
    }
}

pub(super) fn runtime(is_missing: bool) -> RuntimeStatus {
    let row = |name: &str, is_installed| PackageRow {
        name: name.to_owned(),
        package: format!("onnxruntime-{name} 1.0"),
        licence: "MIT".to_owned(),
        size: "about 7 MB".to_owned(),
        note: "A plugin provider".to_owned(),
        is_installed,
    };
    RuntimeStatus {
        lines: vec!["Version 1.31.1, /data/runtime/libonnxruntime.so".to_owned()],
        missing: is_missing.then(|| row("itself", false)),
        providers: vec![
            (true, "CPU can be used".to_owned()),
            (false, "CUDA cannot be used: this build is without it. Install the GPU build".to_owned()),
        ],
        packages: vec![row("gpu", false), row("webgpu", true)],
    }
}

/// A LoRA of one file that was checked, a pair, and a file that is none.
pub(super) fn listed_loras() -> [ListedLora; 3] {
    let summary = LoraSummary {
        file: "ink.safetensors".into(),
        format: "musubi".to_owned(),
        methods: vec![LoraMethod::Lora],
        keys: 800,
        size: Bytes(155 << 20),
        ranks: vec![64],
        alphas: vec![64.0],
        expert: None,
        experts: Vec::new(),
        trigger_words: vec!["ink wash".to_owned()],
        width: Some(5120),
        advice: None,
    };
    let file = |name: &str| ListedLoraFile {
        file: Path::new("/models/loras").join(name),
        expert: None,
        summary: Some(summary.clone()),
        problem: None,
        fit: None,
    };
    let of = |name: &str, files: Vec<ListedLoraFile>| ListedLora {
        name: name.to_owned(),
        size: Bytes(files.len() as u64 * (155 << 20)),
        files,
    };
    let torn = ListedLoraFile {
        summary: None,
        problem: Some("The file is a pointer of Git LFS".to_owned()),
        ..file("torn.safetensors")
    };
    let pair = ["styleHigh.safetensors", "styleLow.safetensors"].map(file).to_vec();
    [of("ink", vec![file("ink.safetensors")]), of("style", pair), of("torn", vec![torn])]
}
