use std::collections::BTreeMap;
use std::path::Path;

use eframe::egui::accesskit::Role;
use eframe::egui::{Vec2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use super::{
    AvailableModel, FetchStatus, LorasView, ModelDetail, ModelTask, ModelsAction, ModelsPanel, ModelsView,
    PackageRow, RoleChoice, RuntimeStatus,
};
use crate::app::theme;
use crate::app::widgets::chosen_files::ComponentRole;
use crate::core::{Bytes, ComponentFiles, Error, Expert, FrameCount, Kind, Mode, Secs, Stage, StepCount};
use crate::models::fetch::{FetchPlan, FetchProgress, PlannedFile, PlannedState, SizeFit};
use crate::models::manifest::{FileComponent, ItemKind};
use crate::models::{Installed, OtherFile};
use crate::plan::{ListedLora, ListedLoraFile, MemoryFit, ModelFit, ModelReport, StageMemoryDocument};
use crate::transfers::HubFile;

#[derive(Default)]
struct Page {
    panel: ModelsPanel,
    models: Vec<Installed>,
    others: Vec<OtherFile>,
    task: Option<ModelTask>,
    available: Vec<AvailableModel>,
    fetch: FetchStatus,
    components: ComponentFiles,
    roles: RoleChoice,
    details: BTreeMap<String, ModelDetail>,
    runtime: Option<RuntimeStatus>,
    loras: Vec<ListedLora>,
    actions: Vec<ModelsAction>,
}

fn page<'a>(task: Option<ModelTask>) -> Harness<'a, Page> {
    page_of(Page { task, ..Page::default() }, vec2(1300.0, 900.0))
}

fn page_of<'a>(page: Page, size: Vec2) -> Harness<'a, Page> {
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
                available: &page.available,
                fetch: &page.fetch,
                queue: &[],
                presets: &[],
                runtime: page.runtime.as_ref(),
                others: &page.others,
                loras: LorasView { loras: &page.loras, checked: None },
            };
            page.actions.extend(page.panel.ui(ui, &view));
        },
        state,
    )
}

fn report(fit: MemoryFit) -> ModelReport {
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

fn described(models: &[Installed]) -> BTreeMap<String, ModelDetail> {
    let detail = |fit| ModelDetail { report: Ok(report(fit)), files: Vec::new() };
    models.iter().map(|model| (model.id.clone(), detail(MemoryFit::Fits))).collect()
}

#[test]
fn every_model_is_listed_with_its_state_and_the_selected_one_with_its_parts() {
    let mut harness = page(None);
    harness.get_by_label("corrupt: The file ends early");
    harness.get_by_label("high-noise expert");
    harness.get_by_role_and_label(Role::Button, "toy-ti2v-5B").click();
    harness.run();
    harness.get_by_label("transformer");
    harness.get_by_role_and_label(Role::Button, "Use").click();
    harness.run();
    assert_eq!(harness.state().actions, [ModelsAction::Use("toy-ti2v-5B".into())]);
}

/// A LoRA of two files, one for each expert, as the scan lists them.
fn pair() -> ListedLora {
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

#[test]
fn loras_have_a_page_where_their_names_can_be_read() {
    let state = Page { panel: ModelsPanel::at_loras(), loras: vec![pair()], ..Page::default() };
    let mut harness = page_of(state, vec2(900.0, 400.0));
    let name = harness.get_by_label("wan22_watercolour_and_ink_sketches_v2").rect();
    assert!(name.width() > 200.0, "{name:?}");
    let add = harness.get_by_role_and_label(Role::Button, "Add");
    assert!(add.rect().max.x < 900.0);
    add.click();
    harness.run();
    let files = vec!["high.safetensors".into(), "low.safetensors".into()];
    assert_eq!(harness.state().actions, [ModelsAction::UseLora(files)]);
    harness.get_by_role_and_label(Role::Button, "On disk").click();
    harness.run();
    assert!(harness.query_by_label("wan22_watercolour_and_ink_sketches_v2").is_none());
}

#[test]
fn removing_says_what_it_frees_before_it_is_done() {
    let mut harness = page(None);
    harness.get_by_role_and_label(Role::Button, "Remove…").click();
    harness.run();
    assert_eq!(harness.state().actions, []);
    harness.get_by_label_contains("Remove: frees ").click();
    harness.run();
    assert_eq!(harness.state().actions, [ModelsAction::Remove("toy-t2v-A14B".into())]);
}

#[test]
fn a_task_shows_how_far_it_is_and_can_be_stopped() {
    let what = "Verifying toy-t2v-A14B".to_owned();
    let task = ModelTask { what, done: Bytes(3 << 20), total: Some(Bytes(6 << 20)), elapsed: Secs(4.0) };
    let without_total = ModelTask { total: None, ..task.clone() };
    page(Some(without_total)).get_by_label("Verifying toy-t2v-A14B · 3.0 MiB · 4.0 s");
    let mut harness = page(Some(task));
    harness.get_by_label("Verifying toy-t2v-A14B · 3.0 MiB of 6.0 MiB · 4.0 s");
    harness.get_by_role_and_label(Role::Button, "Stop").click();
    harness.step();
    // one task at a time
    harness.get_by_label_contains("Verify (").click();
    harness.step();
    assert_eq!(harness.state().actions, [ModelsAction::CancelTask]);
}

fn plan(num_files: usize) -> Box<FetchPlan> {
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

#[test]
fn the_buttons_of_a_plan_with_many_files_stay_in_reach() {
    let fetch = FetchStatus::Planned(plan(60));
    let mut harness = page_of(Page { fetch, ..Page::default() }, vec2(900.0, 400.0));
    harness.run();
    let button = harness.get_by_role_and_label(Role::Button, "Not now");
    assert!(button.rect().bottom() < 400.0, "{:?}", button.rect());
    button.click();
    harness.run();
    assert_eq!(harness.state().actions, [ModelsAction::CloseFetch]);
}

#[test]
fn another_model_can_be_fetched_while_one_is_paused_only() {
    let another = AvailableModel {
        name: "another".to_owned(),
        modes: vec![Mode::T2V],
        purpose: String::new(),
        licence: "MIT".to_owned(),
        size: "about 1 MiB".to_owned(),
        fit: SizeFit::Unknown,
        folder: "/m/another".into(),
        is_here: false,
    };
    let progress = FetchProgress::default();
    for (fetch, is_possible) in
        [(FetchStatus::Running(plan(1), progress), false), (FetchStatus::Paused(plan(1), progress), true)]
    {
        let panel = ModelsPanel::at_download();
        let page = Page { panel, fetch, available: vec![another.clone()], ..Page::default() };
        let mut harness = page_of(page, vec2(1300.0, 900.0));
        harness.step();
        harness.get_by_role_and_label(Role::Button, "Fetch another…").click();
        harness.step();
        harness.step();
        assert_eq!(!harness.state().actions.is_empty(), is_possible);
    }
}

#[test]
fn files_that_are_part_of_no_model_are_listed_with_what_they_seem_to_be() {
    let dir = tempfile::tempdir().unwrap();
    let lora = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/loras/rslora.safetensors");
    std::fs::create_dir_all(dir.path().join("models/mixed")).unwrap();
    std::fs::copy(lora, dir.path().join("models/mixed/style.safetensors")).unwrap();
    let others = crate::models::other_files(dir.path(), None, &[]);
    let mut harness = page_of(Page { others, ..Page::default() }, vec2(1300.0, 900.0));
    harness.get_by_label("1 other file").click();
    harness.run();
    harness.get_by_label_contains("style.safetensors");
    harness.get_by_label_contains("Seems to be a LoRA");
}

#[test]
fn the_detail_answers_what_the_model_can_do_and_needs() {
    let detail = ModelDetail { report: Ok(report(MemoryFit::TooLarge)), files: Vec::new() };
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
        "2048 MiB",
    ] {
        harness.get_by_label(text);
    }
    assert_eq!(harness.state().actions, []);
}

#[test]
fn a_model_is_described_once_and_again_when_the_answer_is_gone() {
    let details = BTreeMap::from([(
        "another".to_owned(),
        ModelDetail { report: Ok(report(MemoryFit::Fits)), files: Vec::new() },
    )]);
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
    let detail = ModelDetail { report: Ok(report(MemoryFit::Fits)), files: vec![vae.into()] };
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

fn runtime(is_missing: bool) -> RuntimeStatus {
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

#[test]
fn the_runtime_page_installs_what_is_missing_and_says_size_and_licence() {
    let mut harness = page_of(Page::default(), vec2(1300.0, 900.0));
    harness.get_by_role_and_label(Role::Button, "ONNX Runtime").click();
    harness.run_steps(4);
    harness.get_by_label("Looking for ONNX Runtime…");
    assert_eq!(harness.state().actions, [ModelsAction::FindRuntime]);
    harness.state_mut().actions.clear();
    harness.state_mut().runtime = Some(runtime(true));
    harness.run();
    harness.get_by_label_contains("about 7 MB, licence MIT");
    for label in ["Install onnxruntime-itself 1.0", "Check providers", "Install gpu", "Remove webgpu"] {
        harness.get_by_role_and_label(Role::Button, label).click();
        harness.run();
    }
    let install = |name: &str| ModelsAction::InstallPackage(name.to_owned());
    // there is nothing to check yet
    let expected =
        [ModelsAction::InstallRuntime, install("gpu"), ModelsAction::RemovePackage("webgpu".to_owned())];
    assert_eq!(harness.state().actions, expected);
    harness.state_mut().actions.clear();
    harness.state_mut().runtime = Some(runtime(false));
    harness.run();
    harness.get_by_role_and_label(Role::Button, "Check providers").click();
    harness.run();
    assert_eq!(harness.state().actions, [ModelsAction::CheckProviders]);
}

#[test]
fn a_long_licence_pushes_no_button_out_of_a_narrow_panel() {
    let mut status = runtime(false);
    status.packages[0].licence =
        "Apache-2.0, with a licence of its own for the library that it loads".to_owned();
    let state = Page { panel: ModelsPanel::at_runtime(), runtime: Some(status), ..Page::default() };
    let harness = page_of(state, vec2(520.0, 700.0));
    let button = harness.get_by_role_and_label(Role::Button, "Install gpu").rect();
    assert!(button.max.x <= 520.0, "{button:?}");
}

#[test]
fn asking_the_hub_can_be_stopped() {
    let fetch = FetchStatus::Planning("large-bf16".to_owned());
    let mut harness = page_of(Page { fetch, ..Page::default() }, vec2(900.0, 400.0));
    harness.get_by_role_and_label(Role::Button, "Stop asking").click();
    harness.run();
    assert_eq!(harness.state().actions, [ModelsAction::StopFetch]);
}

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
fn snapshot_of_the_runtime_page() {
    snapshot("runtime", vec2(900.0, 420.0), ModelsPanel::at_runtime());
}

fn snapshot(name: &str, size: Vec2, mut panel: ModelsPanel) {
    let models = placed_models();
    let details = described(&models);
    let fit = |id: &str, fit, needed| ModelFit { model: id.to_owned(), fit, needed: Some(Bytes(needed)) };
    let fits = [
        fit("toy-t2v-A14B", MemoryFit::Fits, 90 << 20),
        fit("toy-i2v-A14B", MemoryFit::Tight, 96 << 20),
        fit("toy-ti2v-5B", MemoryFit::TooLarge, 64 << 30),
    ];
    let available = [AvailableModel {
        name: "ti2v-5B-bf16".to_owned(),
        modes: vec![Mode::T2V, Mode::I2V],
        purpose: "Text and image to video".to_owned(),
        licence: "Apache-2.0".to_owned(),
        size: "about 32 GiB".to_owned(),
        fit: SizeFit::InTurn,
        folder: "/models/ti2v-5B-bf16".into(),
        is_here: false,
    }];
    let (verified, status) = (BTreeMap::new(), runtime(false));
    let (components, roles) = (ComponentFiles::default(), RoleChoice::default());
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
        available: &available,
        fetch: &FetchStatus::Idle,
        queue: &[],
        presets: &[],
        runtime: Some(&status),
        others: &[],
        loras: LorasView::default(),
    };
    crate::app::snapshots::compare(name, size, |ui| drop(panel.ui(ui, &view)));
}

#[test]
fn without_a_model_what_can_be_downloaded_is_shown_first() {
    let mut harness = page(None);
    assert!(harness.query_by_role_and_label(Role::Button, "Browse models…").is_none());
    harness.state_mut().models.clear();
    harness.run();
    harness.get_by_role_and_label(Role::Button, "Browse models…");
    harness.get_by_role_and_label(Role::Button, "On disk").click();
    harness.run();
    harness.get_by_label("No models found");
}
