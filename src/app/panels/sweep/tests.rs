use std::path::PathBuf;

use eframe::egui::accesskit::Role;
use eframe::egui::{
    Event, Modifiers, MouseWheelSource, MouseWheelUnit, PointerButton, TouchPhase, Ui, pos2, vec2,
};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use super::editor::Editor;
use super::{SweepAction, SweepPanel, SweepView};
use crate::app::background::searches::SearchStatus;
use crate::app::theme;
use crate::core::testing::draft;
use crate::core::{Draft, Result, Secs};
use crate::jobs::{JobId, JobStatus};
use crate::metrics::DifferenceMetric;
use crate::presets::{DraftSeeds, Preset};
use crate::queue::GroupVerb;
use crate::sweep::{
    CellDifference, CellResult, Goal, GuidedSearch, SearchEnd, SearchTrace, SearchWait, SweepField,
    SweepPlan, SweepRecord, SweepTable, TrialNote, search_trace,
};

struct Page {
    panel: SweepPanel,
    record: SweepRecord,
    table: SweepTable,
    plan: Option<Result<SweepPlan>>,
    trace: Option<SearchTrace>,
    status: Option<SearchStatus>,
    draft: Draft,
    preset: Option<Preset>,
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

fn bench(cells: Vec<CellResult>) -> Page {
    let mut record = SweepRecord::example("guidance", &draft(), &cells);
    if cells.iter().any(|cell| cell.is_draft) {
        record.sweep.draft_steps = Some(1);
    }
    let table = SweepTable {
        version: 1,
        id: record.id.clone(),
        name: record.name.clone(),
        folder: PathBuf::from("videos"),
        fields: vec!["guidance_low".to_owned()],
        cells,
        search: None,
    };
    let panel =
        SweepPanel { editor: Editor::with_axis(&SweepField::Steps, &draft()), ..SweepPanel::default() };
    Page {
        panel,
        record,
        table,
        plan: None,
        trace: None,
        status: None,
        draft: draft(),
        preset: None,
        actions: Vec::new(),
    }
}

fn draw(page: Page, step_dt: f32) -> Harness<'static, Page> {
    let builder = Harness::builder().with_size(vec2(900.0, 900.0)).with_step_dt(step_dt);
    builder.with_context_setup(theme::install).build_ui_state(page_ui, page)
}

fn page_ui(ui: &mut Ui, page: &mut Page) {
    let measured = CellDifference::example([Some(31.25), Some(0.9321), None, Some(70.5)]);
    let view = SweepView {
        records: std::slice::from_ref(&page.record),
        open: Some((&page.record, &page.table)),
        frame: &|_| None,
        stars: &|_| 0,
        difference: &|uid| (uid == "u1").then_some(Ok(measured)),
        trace: page.trace.as_ref(),
        search_status: page.status.as_ref(),
        plan: page.plan.as_ref(),
        estimate: None,
        draft: &page.draft,
        preset: page.preset.as_ref(),
    };
    page.actions.extend(page.panel.ui(ui, &view));
}

fn page(cells: Vec<CellResult>) -> Harness<'static, Page> {
    draw(bench(cells), 0.25)
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
    for label in ["Open", "Use", "Star", "Pin", "Hide", "Pause sweep", "Export sweep"] {
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
    click(&mut harness, "Finish 1 draft");
    assert_eq!(harness.state().actions, [SweepAction::Finish(vec![JobId(2)])]);
}

#[test]
fn chosen_videos_are_compared_in_the_order_of_the_grid() {
    let mut cells: Vec<_> = (0..6).map(|at| cell(at, JobStatus::Done, false)).collect();
    cells[1] = cell(1, JobStatus::Running, false);
    let mut harness = page(cells);
    harness.run();
    harness.state_mut().actions.clear();
    let choose = |harness: &mut Harness<'static, Page>, value: u32| {
        harness.get_by_label(&format!("Choose guidance_low {value}")).click();
        harness.run();
        click(harness, "Compare chosen");
    };
    for value in [3, 2] {
        choose(&mut harness, value);
    }
    assert_eq!(harness.state().actions, [], "one video, and a cell that has none");
    choose(&mut harness, 1);
    let expected = SweepAction::Compare(vec!["1.mp4".into(), "3.mp4".into()]);
    assert_eq!(harness.state().actions, std::slice::from_ref(&expected));
    harness.state_mut().actions.clear();
    for value in [4, 5, 6] {
        choose(&mut harness, value);
    }
    assert_eq!(harness.state().actions.len(), 2, "three and four, but not five");
}

#[test]
fn a_choice_does_not_go_on_to_another_sweep() {
    let mut harness = page((0..3).map(|at| cell(at, JobStatus::Paused, true)).collect());
    harness.run();
    harness.get_by_label("Choose guidance_low 2").click();
    harness.run();
    click(&mut harness, "Save guidance_low 1 as preset");
    harness.get_by_role_and_label(Role::TextInput, "Preset name");
    // another sweep with cells at the same places
    let state = harness.state_mut();
    state.record.id = "another".to_owned();
    for cell in &mut state.table.cells {
        cell.job = cell.job.map(|job| JobId(job.0 + 10));
        cell.uid = cell.uid.as_ref().map(|uid| format!("another {uid}"));
    }
    state.actions.clear();
    harness.run();
    assert!(harness.query_by_role_and_label(Role::TextInput, "Preset name").is_none());
    click(&mut harness, "Finish 0 drafts");
    assert_eq!(harness.state().actions, [], "nothing is chosen here");
}

#[test]
fn a_wrong_condition_is_named() {
    let mut harness = page(vec![cell(0, JobStatus::Done, false)]);
    harness.run();
    harness.get_by_role_and_label(Role::TextInput, "Skip").focus();
    harness.run();
    harness.get_by_role_and_label(Role::TextInput, "Skip").type_text("steps ~ 3");
    harness.run();
    harness.get_by_label_contains("steps ~ 3");
    assert_eq!(harness.state().actions.last(), Some(&SweepAction::Plan(None)));
}

#[test]
fn a_double_click_starts_a_sweep_once() {
    let mut page = bench(vec![cell(0, JobStatus::Done, false)]);
    page.plan = Some(Ok(SweepPlan { record: page.record.clone(), specs: Vec::new() }));
    let mut harness = draw(page, 0.02);
    harness.run_steps(3);
    let at = harness.get_by_role_and_label(Role::Button, "Start 0 cells").rect().center();
    harness.hover_at(at);
    harness.step();
    for pressed in [true, false, true, false] {
        let (button, modifiers) = (PointerButton::Primary, Modifiers::NONE);
        harness.event(Event::PointerButton { pos: at, button, pressed, modifiers });
        harness.step();
    }
    let starts = harness.state().actions.iter().filter(|action| **action == SweepAction::Start).count();
    assert_eq!(starts, 1);
}

#[test]
fn buttons_stay_where_they_are_when_a_cell_is_done() {
    let mut harness = page(vec![cell(0, JobStatus::Running, false)]);
    harness.run();
    let places = |harness: &Harness<'static, Page>| {
        ["Open", "Use", "Star", "Pin", "Hide", "Pause sweep", "Export sweep"]
            .map(|label| harness.get_by_role_and_label(Role::Button, label).rect())
    };
    let before = places(&harness);
    harness.state_mut().table.cells = vec![cell(0, JobStatus::Done, false)];
    harness.state_mut().record.pinned.insert(vec![0]);
    harness.run();
    assert_eq!(places(&harness), before);
    let in_row = &before[..5];
    assert!(in_row.iter().all(|button| button.top() == in_row[0].top()), "{in_row:?}");
}

#[test]
fn rows_out_of_view_are_not_laid_out_but_keep_their_height() {
    let mut harness = page((0..200).map(|at| cell(at, JobStatus::Done, false)).collect());
    harness.run();
    let laid_out = harness.query_all_by_label_contains("as preset").count();
    assert!((1..60).contains(&laid_out), "{laid_out} of 200 cells");
    // the last row is reached by scrolling
    harness.hover_at(pos2(400.0, 700.0));
    for _ in 0..400 {
        let (unit, source, phase) = (MouseWheelUnit::Point, MouseWheelSource::Wheel, TouchPhase::Move);
        let (delta, modifiers) = (vec2(0.0, -200.0), Modifiers::NONE);
        harness.event(Event::MouseWheel { unit, source, delta, phase, modifiers });
        harness.step();
    }
    harness.run_steps(60);
    harness.get_by_label("guidance_low 200");
}

/// A search with its reference and some trials, of which the fourth misses the bound and the last one runs.
fn search_page(goal: Goal) -> Page {
    let count = 7;
    let statuses = (0..count).map(|at| if at + 1 < count { JobStatus::Done } else { JobStatus::Running });
    let mut page = bench((0..).zip(statuses).map(|(at, status)| cell(at, status, false)).collect());
    page.record.sweep.axes = vec!["guidance_low=1, 2, .., 7".parse().unwrap()];
    page.record.sweep.search = Some(GuidedSearch { trials: 8, ..GuidedSearch::new(goal) });
    let measured = [(9.0, 100.0), (5.0, 31.0), (6.5, 38.0), (4.0, 34.0), (1.5, 12.0), (3.5, 33.0)];
    for (index, (seconds, difference)) in measured.into_iter().enumerate() {
        page.record.cells[index].trial =
            TrialNote { seconds: Some(Secs(seconds)), difference: Some(difference), ..TrialNote::default() };
    }
    if page.record.sweep.search.unwrap().has_reference() {
        page.table.cells[0].label = "reference".to_owned();
    }
    page.trace = search_trace(&page.record, &page.table, &|uid| u8::from(uid == "u1") * 4).unwrap();
    page
}

#[test]
fn the_trials_of_a_search_are_a_table_with_the_best_one_and_the_importance() {
    let goal = Goal::Fastest { metric: DifferenceMetric::Psnr, at_least: 30.0 };
    let mut page = search_page(goal);
    page.status = Some(SearchStatus::Running);
    let mut harness = draw(page, 0.25);
    harness.run();
    harness.get_by_label("Search for the shortest time with PSNR of at least 30.00 dB");
    harness.get_by_label("Best: trial 5, guidance_low 6: 3.50 s instead of 9.00 s, PSNR 33.00 dB");
    harness.get_by_label("5 · best");
    harness.get_by_label("12.00 dB");
    harness.get_by_label("Importance");
    harness.get_by_label("A trial is queued or runs");
    assert!(harness.query_by_role_and_label(Role::Button, "Continue search").is_none());
    harness.state_mut().status = Some(SearchStatus::Ended(SearchEnd::Cancelled));
    harness.run();
    harness.state_mut().actions.clear();
    click(&mut harness, "Continue search");
    assert_eq!(harness.state().actions, [SweepAction::ContinueSearch("s".to_owned())]);
}

#[test]
fn a_search_by_ratings_offers_all_stars_in_the_grid() {
    let mut page = search_page(Goal::BestRated);
    page.status = Some(SearchStatus::Waiting(SearchWait::Ratings(4)));
    page.table.cells.truncate(1);
    let mut harness = draw(page, 0.25);
    harness.run();
    harness.get_by_label("The search waits until 4 trials are rated with 1 to 5 stars");
    harness.get_by_label("Best: trial 2, guidance_low 2: 4 of 5 stars");
    harness.state_mut().actions.clear();
    click(&mut harness, "3");
    assert_eq!(harness.state().actions, [SweepAction::Star("u0".to_owned(), 3)]);
}

#[test]
fn a_search_is_typed_and_sent_with_its_bound() {
    let mut harness = page(vec![cell(0, JobStatus::Done, false)]);
    harness.run();
    harness.get_by_role_and_label(Role::ComboBox, "Which cells").click();
    harness.run();
    harness.get_by_label("Search: fastest").click();
    harness.run();
    harness.get_by_label("Stop early").click();
    harness.run();
    let Some(SweepAction::Plan(Some(sweep))) = harness.state().actions.last() else {
        panic!("{:?}", harness.state().actions)
    };
    let search = sweep.search.unwrap();
    assert_eq!(search.goal, Goal::Fastest { metric: DifferenceMetric::Ssim, at_least: 0.95 });
    assert_eq!((search.trials, search.check_at), (12, Some(0.5)));
}

#[test]
fn snapshot_of_a_search() {
    let goal = Goal::Fastest { metric: DifferenceMetric::Psnr, at_least: 30.0 };
    let mut page = search_page(goal);
    page.status = Some(SearchStatus::Running);
    crate::app::snapshots::compare("search", vec2(900.0, 900.0), |ui| page_ui(ui, &mut page));
}

#[test]
fn snapshot_of_the_sweep() {
    let cells = [JobStatus::Done, JobStatus::Done, JobStatus::Running, JobStatus::Queued];
    let cells = (0..).zip(cells).map(|(at, status)| cell(at, status, false)).collect();
    let mut page = bench(cells);
    page.plan = Some(Ok(SweepPlan { record: page.record.clone(), specs: Vec::new() }));
    crate::app::snapshots::compare("sweep", vec2(900.0, 720.0), |ui| page_ui(ui, &mut page));
}

#[test]
fn a_presets_drafts_fill_the_editor_with_one_click() {
    let mut page = bench(Vec::new());
    let mut preset = Preset::of(&page.draft, crate::core::Mode::T2V, "look", "");
    preset.settings.drafts = Some(DraftSeeds { seeds: 3, steps: 2 });
    page.preset = Some(preset);
    let mut harness = draw(page, 0.25);
    harness.get_by_role_and_label(Role::Button, "Use the drafts of look (3 seeds, 2 steps)").click();
    harness.run();
    let Some(SweepAction::Plan(Some(sweep))) = harness.state().actions.last() else {
        panic!("{:?}", harness.state().actions)
    };
    let cells = sweep.cells(&draft(), &|_| unreachable!()).unwrap();
    let seeds: Vec<_> = cells.iter().map(|cell| cell.draft.seed).collect();
    assert_eq!((sweep.draft_steps, seeds), (Some(2), vec![1, 2, 3]));
}

#[test]
fn the_cells_show_their_difference_to_the_reference_cell() {
    let cells = vec![
        cell(0, JobStatus::Done, false),
        cell(1, JobStatus::Done, false),
        cell(2, JobStatus::Done, false),
        cell(3, JobStatus::Running, false),
    ];
    let mut harness = page(cells);
    assert!(harness.query_by_label_contains("SSIM 0.9321").is_none(), "there is no reference yet");
    harness.get_all_by_role_and_label(Role::Button, "Reference").next().unwrap().click();
    harness.run();
    assert_eq!(harness.state().actions.last(), Some(&SweepAction::Reference(vec![0])));
    harness.state_mut().record.reference = Some(vec![0]);
    harness.run();
    harness.get_by_label("reference");
    harness.get_by_label("SSIM 0.9321");
    harness.get_by_label("SSIM is being measured");
    harness.get_by_role_and_label(Role::ComboBox, "Difference to reference in the grid").click();
    harness.run();
    harness.get_by_label("PSNR").click();
    harness.run();
    harness.get_by_label("PSNR 31.25 dB");
    let last = harness.get_all_by_role_and_label(Role::Button, "Reference").last().unwrap();
    assert!(last.accesskit_node().is_disabled(), "it has no video");
}
