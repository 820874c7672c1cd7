use std::path::PathBuf;

use eframe::egui::accesskit::Role;
use eframe::egui::vec2;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use super::editor::Editor;
use super::{SweepAction, SweepPanel, SweepView};
use crate::app::theme;
use crate::core::testing::draft;
use crate::core::{Draft, Secs};
use crate::jobs::{JobId, JobStatus};
use crate::queue::GroupVerb;
use crate::sweep::{CellResult, SweepField, SweepRecord, SweepTable};

struct Page {
    panel: SweepPanel,
    record: SweepRecord,
    table: SweepTable,
    draft: Draft,
    actions: Vec<SweepAction>,
}

fn cell(at: u32, status: JobStatus, is_draft: bool) -> CellResult {
    let value = (at + 1).to_string();
    CellResult {
        place: vec![at],
        values: vec![(SweepField::GuidanceLow, value.clone())],
        label: format!("guidance_low {value}"),
        job: Some(JobId(u64::from(at) + 1)),
        uid: Some(format!("u{at}")),
        status: Some(status),
        is_draft,
        output: (status == JobStatus::Done).then(|| PathBuf::from(format!("{value}.mp4"))),
        seconds: (status == JobStatus::Done).then_some(Secs(2.5)),
        peak_mb: None,
        error: None,
        draft: Some(draft()),
    }
}

fn page(cells: Vec<CellResult>) -> Harness<'static, Page> {
    let record = SweepRecord::example("guidance", &draft(), &cells);
    let table = SweepTable {
        version: 1,
        id: record.id.clone(),
        name: record.name.clone(),
        folder: PathBuf::from("videos"),
        fields: vec!["guidance_low".to_owned()],
        cells,
    };
    let panel =
        SweepPanel { editor: Editor::with_axis(&SweepField::Steps, &draft()), ..SweepPanel::default() };
    let state = Page { panel, record, table, draft: draft(), actions: Vec::new() };
    Harness::builder().with_size(vec2(900.0, 900.0)).with_context_setup(theme::install).build_ui_state(
        |ui, page: &mut Page| {
            let view = SweepView {
                records: std::slice::from_ref(&page.record),
                open: Some((&page.record, &page.table)),
                frame: &|_| None,
                stars: &|_| 0,
                plan: None,
                estimate: None,
                draft: &page.draft,
            };
            page.actions.extend(page.panel.ui(ui, &view));
        },
        state,
    )
}

fn click(harness: &mut Harness<'static, Page>, label: &str) {
    harness.get_by_role_and_label(Role::Button, label).click();
    harness.run();
}

#[test]
fn typed_axes_are_planned_and_a_wrong_value_is_named() {
    let mut harness = page(vec![cell(0, JobStatus::Done, false)]);
    harness.run();
    let [SweepAction::Plan(Some(sweep))] = harness.state().actions.as_slice() else {
        panic!("{:?}", harness.state().actions)
    };
    assert_eq!(sweep.axes[0].field, SweepField::Steps);
    harness.get_by_role_and_label(Role::TextInput, "Values of axis 1").focus();
    harness.run();
    harness.get_by_role_and_label(Role::TextInput, "Values of axis 1").type_text(", ..");
    harness.run();
    harness.get_by_label_contains("a range needs a number");
    assert_eq!(harness.state().actions.last(), Some(&SweepAction::Plan(None)));
}

#[test]
fn a_cell_is_opened_used_pinned_dropped_starred_and_saved() {
    let mut harness = page(vec![cell(0, JobStatus::Done, false)]);
    harness.run();
    harness.state_mut().actions.clear();
    for label in ["Open", "Use", "Star", "Pin", "Drop", "Pause sweep", "Export sweep"] {
        click(&mut harness, label);
    }
    click(&mut harness, "Save guidance_low 1 as preset");
    click(&mut harness, "Save as preset");
    let expected = [
        SweepAction::Show(JobId(1), "1.mp4".into()),
        SweepAction::Reuse(Box::new(draft())),
        SweepAction::Star("u0".into(), 5),
        SweepAction::Pin(vec![0]),
        SweepAction::Drop(vec![0]),
        SweepAction::Group(GroupVerb::Pause),
        SweepAction::Export,
        SweepAction::SavePreset("guidance_low 1".into(), Box::new(draft())),
    ];
    assert_eq!(harness.state().actions, expected);
}

#[test]
fn chosen_drafts_are_finished() {
    let cells = (0..3).map(|at| cell(at, JobStatus::Paused, true)).collect();
    let mut harness = page(cells);
    harness.run();
    harness.state_mut().actions.clear();
    harness.get_by_label("Choose guidance_low 2").click();
    harness.run();
    click(&mut harness, "Finish 1 drafts");
    assert_eq!(harness.state().actions, [SweepAction::Finish(vec![JobId(2)])]);
}
