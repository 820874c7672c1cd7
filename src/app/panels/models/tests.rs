use std::collections::BTreeMap;
use std::path::Path;

use eframe::egui::accesskit::Role;
use eframe::egui::vec2;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use super::{AvailableModel, FetchStatus, LorasView, ModelTask, ModelsAction, ModelsPanel, ModelsView};
use crate::app::theme;
use crate::core::{Error, Kind};
use crate::models::Installed;

#[derive(Default)]
struct Page {
    panel: ModelsPanel,
    models: Vec<Installed>,
    task: Option<ModelTask>,
    available: Vec<AvailableModel>,
    fetch: FetchStatus,
    actions: Vec<ModelsAction>,
}

fn page<'a>(task: Option<ModelTask>) -> Harness<'a, Page> {
    let dir = tempfile::tempdir().unwrap();
    let toys = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut models = crate::models::installed(dir.path(), Some(&toys));
    let error = Error::new(Kind::CorruptModel, "The file ends early").remedy("Download it again");
    models.push(Installed::new("broken".into(), "/m/broken".into(), Err(error)));
    let state = Page { models, task, ..Page::default() };
    Harness::builder().with_size(vec2(1300.0, 900.0)).with_context_setup(theme::install).build_ui_state(
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
