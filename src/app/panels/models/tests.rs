use std::collections::BTreeMap;
use std::path::Path;

use eframe::egui::accesskit::Role;
use eframe::egui::{Vec2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use super::{AvailableModel, FetchStatus, LorasView, ModelTask, ModelsAction, ModelsPanel, ModelsView};
use crate::app::theme;
use crate::core::{Bytes, Error, Kind, Mode};
use crate::models::fetch::{FetchPlan, FetchProgress, PlannedFile, PlannedState, SizeFit};
use crate::models::manifest::{FileComponent, ItemKind};
use crate::models::{Installed, OtherFile};
use crate::transfers::HubFile;

#[derive(Default)]
struct Page {
    panel: ModelsPanel,
    models: Vec<Installed>,
    others: Vec<OtherFile>,
    task: Option<ModelTask>,
    available: Vec<AvailableModel>,
    fetch: FetchStatus,
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
    let state = Page { models, ..page };
    Harness::builder().with_size(size).with_context_setup(theme::install).build_ui_state(
        |ui, page: &mut Page| {
            let verified = BTreeMap::new();
            let view = ModelsView {
                models: &page.models,
                fits: &[],
                verified: &verified,
                chosen: "toy-t2v-A14B",
                is_scanning: false,
                task: page.task.as_ref(),
                available: &page.available,
                fetch: &page.fetch,
                queue: &[],
                presets: &[],
                runtime: None,
                others: &page.others,
                loras: LorasView::default(),
            };
            page.actions.extend(page.panel.ui(ui, &view));
        },
        state,
    )
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
    let task = ModelTask { what: "Verifying toy-t2v-A14B".into(), fraction: 0.5 };
    let mut harness = page(Some(task));
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
        let page = Page { fetch, available: vec![another.clone()], ..Page::default() };
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
