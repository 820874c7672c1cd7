//! Tests of the queue panel by accessibility role and name.

use std::sync::Arc;
use std::time::Instant;

use eframe::egui::accesskit::Role;
use eframe::egui::{Key, Modifiers, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use super::*;
use crate::app::panels::queue::{Columns, JobTimes};
use crate::app::shell::live_jobs::LiveJobs;
use crate::app::theme;
use crate::core::testing::draft;
use crate::core::{Error, Event, Fix, FrameCount, Kind, Secs, Seed, Stage};
use crate::jobs::{EndStatus, HistoryEntry, JobSpec, JobState, Priority, RetryRecord};
use crate::library::HistoryEstimate;
use crate::queue::QueueCommand;

struct Bench {
    panel: QueuePanel,
    entries: Arc<[Job]>,
    is_paused: bool,
    live: LiveJobs,
    times: Arc<JobTimes>,
    columns: Columns,
    actions: Vec<QueueAction>,
}

fn entry(id: u64, status: JobState) -> Job {
    let work = JobSpec::new(draft(), "model".into(), "a.mp4".into());
    Job { state: status, ..Job::new(JobId(id), id.to_string(), work) }
}

fn ended(id: u64, task: HistoryEntry) -> Job {
    entry(id, JobState::Ended { entry: Box::new(task) })
}

fn queue() -> Vec<Job> {
    vec![
        entry(1, JobState::Running { worker: "me".into() }),
        entry(2, JobState::Queued),
        entry(3, JobState::Queued),
        ended(4, HistoryEntry::default()),
    ]
}

fn harness(entries: Vec<Job>, live: LiveJobs) -> Harness<'static, Bench> {
    harness_of(400.0, entries, live)
}

fn draw(ui: &mut Ui, bench: &mut Bench) {
    let view = QueueView {
        entries: &bench.entries,
        is_paused: bench.is_paused,
        live: &bench.live,
        preview: None,
        models: &[],
        times: &bench.times,
        columns: &bench.columns,
        thumbnail: &|_| None,
        now: Instant::now(),
    };
    for action in bench.panel.ui(ui, &view) {
        if let QueueAction::Columns(columns) = &action {
            bench.columns = columns.clone();
        }
        bench.actions.push(action);
    }
}

fn harness_of(width: f32, entries: Vec<Job>, live: LiveJobs) -> Harness<'static, Bench> {
    let bench = Bench {
        panel: QueuePanel::default(),
        entries: entries.into(),
        is_paused: false,
        live,
        times: Arc::default(),
        columns: Columns::default(),
        actions: Vec::new(),
    };
    Harness::builder()
        .with_size(vec2(width, 760.0))
        .with_context_setup(theme::install)
        .build_ui_state(draw, bench)
}

fn row(harness: &Harness<'_, Bench>, id: u64) -> eframe::egui::Rect {
    harness.get_by_label_contains(&format!("Job {id}, ")).rect()
}

#[test]
fn a_cut_prompt_has_one_tooltip() {
    let mut long = entry(2, JobState::Queued);
    long.spec.draft.prompt = "a red circle moves right on a black background ".repeat(3);
    let mut harness = harness(vec![long], LiveJobs::default());
    harness.run();
    let count = |harness: &Harness<'_, Bench>| harness.query_all_by_label_contains("a red circle").count();
    let before = count(&harness);
    let row = row(&harness, 2);
    harness.hover_at(row.left_top() + vec2(120.0, 12.0));
    // the tooltip comes after a while
    harness.run_steps(60);
    assert_eq!(count(&harness), before + 1);
}

#[test]
fn the_verbs_of_a_row_are_at_its_end() {
    for (name, action) in [
        ("Pause job 1", QueueAction::Command(QueueCommand::Pause { id: JobId(1), keep_memory: false })),
        ("Cancel job 1", QueueAction::Cancel(JobId(1))),
        ("Edit job 3", QueueAction::Edit(JobId(3))),
        ("Cancel job 3", QueueAction::Cancel(JobId(3))),
        ("Clear ended", QueueAction::Command(QueueCommand::ClearEnded)),
        ("Show in gallery", QueueAction::ShowGallery),
    ] {
        let mut harness = harness(queue(), LiveJobs::default());
        harness.get_by_role_and_label(Role::Button, name).click();
        harness.run();
        assert_eq!(harness.state().actions, [action], "{name}");
    }
}

#[test]
fn a_second_click_at_the_same_place_undoes_the_first_or_starts_nothing() {
    let running = || JobState::Running { worker: "me".into() };
    let place = |state: JobState, name: &str| {
        let is_ended = matches!(state, JobState::Ended { .. });
        let mut harness = harness(vec![entry(1, state), entry(2, running())], LiveJobs::default());
        if is_ended {
            harness.get_by_role_and_label(Role::Button, "Show here").click();
            harness.run();
        }
        harness.get_by_role_and_label(Role::Button, name).rect().left()
    };
    let pause = place(running(), "Pause job 1");
    assert_eq!(place(JobState::Paused, "Resume job 1"), pause);
    assert_eq!(place(JobState::Queued, "Pause job 1"), pause, "it starts by itself");
    let cancel = place(running(), "Cancel job 1");
    assert_eq!(place(JobState::Queued, "Cancel job 1"), cancel);
    let cancelled = HistoryEntry { status: EndStatus::Cancelled, ..HistoryEntry::default() };
    let done = HistoryEntry { output: Some("a.mp4".into()), ..HistoryEntry::default() };
    for task in [cancelled, done] {
        assert_eq!(place(JobState::Ended { entry: Box::new(task) }, "Remove job 1"), cancel);
    }
}

#[test]
fn all_verbs_are_in_the_menu_of_the_row() {
    for (id, name, action) in [
        (2, "Run next job 2", QueueCommand::SetPriority { id: JobId(2), priority: Priority::Urgent }),
        (3, "Move up job 3", QueueCommand::Move { id: JobId(3), before: Some(JobId(2)) }),
        (3, "Duplicate job 3", QueueCommand::Duplicate(JobId(3))),
        (1, "Pause and keep the memory of job 1", QueueCommand::Pause { id: JobId(1), keep_memory: true }),
    ] {
        let mut harness = harness(queue(), LiveJobs::default());
        harness.get_by_label_contains(&format!("Job {id}, ")).click_secondary();
        harness.run();
        harness.get_by_label(name).click();
        harness.run();
        assert_eq!(harness.state().actions, [QueueAction::Command(action)], "{name}");
    }
}

#[test]
fn what_runs_or_ended_cannot_be_edited_nor_overtaken() {
    let mut harness = harness(queue(), LiveJobs::default());
    assert!(harness.query_by_label("Edit job 1").is_none());
    harness.get_by_role_and_label(Role::Button, "Show here").click();
    harness.run();
    assert!(harness.query_by_label("Decode again job 4").is_some());
    assert!(harness.query_by_label("Edit job 4").is_none());
    harness.get_by_label_contains("Job 2, ").click_secondary();
    harness.run();
    assert!(harness.query_by_label("Move up job 2").is_none(), "what runs has begun");
}

#[test]
fn a_running_job_shows_its_step_and_what_is_left() {
    let mut live = LiveJobs::default();
    let stage = Stage::DenoiseHigh;
    for event in [
        Event::Started { seed: Seed(1), plan: vec![(stage, 20), (Stage::DenoiseLow, 20)] },
        Event::StageStarted { stage },
        Event::Step { stage, step: 5, of: 20, seconds: Secs(2.0) },
    ] {
        live.observe(JobId(1), &event, Instant::now());
    }
    let mut harness = harness(queue(), live);
    harness.get_by_label("high noise 5 of 20");
    harness.get_by_label("1:10 left");
    harness.state_mut().live.stopping(JobId(1));
    harness.run();
    harness.get_by_label("stopping…");
}

#[test]
fn a_failure_says_what_and_what_now_and_a_fix_is_a_click() {
    let fix = Fix::Frames(FrameCount(5));
    let error = Error::new(Kind::OutOfMemory, "Memory ran out while decoding")
        .because(std::io::Error::other("12 GiB were asked for"))
        .remedy("Make the video smaller")
        .with_fixes(vec![fix.clone()]);
    let task = HistoryEntry { status: EndStatus::Failed, error: Some((&error).into()), ..Default::default() };
    let mut harness = harness(vec![ended(7, task)], LiveJobs::default());
    harness.get_by_label("Memory ran out while decoding: 12 GiB were asked for");
    harness.get_by_label("Make the video smaller");
    harness.get_by_role_and_label(Role::Button, "Use 5 frames").click();
    harness.run();
    harness.get_by_role_and_label(Role::Button, "Try again").click();
    harness.run();
    let again = |fix| QueueAction::Retry(JobId(7), fix);
    assert_eq!(harness.state().actions, [again(Some(fix)), again(None)]);
}

#[test]
fn several_rows_are_selected_with_ctrl_and_shift() {
    let mut harness = harness(queue(), LiveJobs::default());
    harness.get_by_label_contains("Job 1, ").click();
    harness.run();
    harness.get_by_label_contains("Job 3, ").click_modifiers(Modifiers::SHIFT);
    harness.run();
    assert_eq!(harness.state().panel.selected, BTreeSet::from([JobId(1), JobId(2), JobId(3)]));
    harness.get_by_label_contains("Job 2, ").click_modifiers(Modifiers::COMMAND);
    harness.run();
    assert_eq!(harness.state().panel.selected, BTreeSet::from([JobId(1), JobId(3)]));
}

#[test]
fn a_row_that_is_dragged_lands_where_it_is_dropped() {
    let mut entries = queue();
    entries.insert(3, entry(5, JobState::Paused));
    let mut harness = harness(entries, LiveJobs::default());
    let (from, to) = (row(&harness, 5).left_center() + vec2(20.0, 0.0), row(&harness, 2));
    harness.hover_at(from);
    harness.drag_at(from);
    harness.run();
    // the upper half of the row
    let to = to.left_top() + vec2(20.0, 8.0);
    harness.hover_at(to);
    harness.run();
    harness.drop_at(to);
    harness.run();
    let placed = QueueAction::Command(QueueCommand::Move { id: JobId(5), before: Some(JobId(2)) });
    assert_eq!(harness.state().actions, [placed]);
}

#[test]
fn ten_thousand_rows_draw_only_what_shows() {
    let entries = (1..=10_000).map(|id| entry(id, JobState::Queued)).collect();
    let harness = harness(entries, LiveJobs::default());
    let drawn = harness.get_all_by_label_contains("Cancel job ").count();
    assert!((5..40).contains(&drawn), "{drawn}");
}

#[test]
fn a_verb_is_for_all_selected_jobs() {
    let mut harness = harness(queue(), LiveJobs::default());
    harness.get_by_label_contains("Job 2, ").click();
    harness.run();
    harness.get_by_label_contains("Job 3, ").click_modifiers(Modifiers::SHIFT);
    harness.run();
    harness.get_by_label_contains("Job 3, ").click_secondary();
    harness.run();
    assert!(harness.query_by_label_contains("Edit 2 jobs").is_none(), "there is one form");
    harness.get_by_label("Low priority for 2 jobs").click();
    harness.run();
    let low = |id| QueueCommand::SetPriority { id: JobId(id), priority: Priority::Low };
    let asked = [low(2), low(3)].map(QueueAction::Command).to_vec();
    assert_eq!(harness.state().actions, [QueueAction::Many(asked)]);
}

#[test]
fn keys_act_on_the_selected_jobs() {
    let mut harness = harness(queue(), LiveJobs::default());
    harness.get_by_label_contains("Job 2, ").click();
    harness.run();
    harness.key_press(Key::ArrowDown);
    harness.run();
    harness.key_press_modifiers(Modifiers::ALT, Key::ArrowUp);
    harness.run();
    let up = QueueCommand::Move { id: JobId(3), before: Some(JobId(2)) };
    assert_eq!(harness.state().actions, [QueueAction::Command(up)]);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.run();
    assert_eq!(harness.state().panel.selected.len(), 3, "the ended job has no row");
    harness.key_press(Key::Delete);
    harness.run();
    let cancelled = [1, 2, 3].map(|id| QueueAction::Cancel(JobId(id))).to_vec();
    assert_eq!(harness.state().actions.last(), Some(&QueueAction::Many(cancelled)));
}

#[test]
fn keys_are_for_the_row_whose_menu_was_closed() {
    let mut harness = harness(queue(), LiveJobs::default());
    // another row has the keyboard
    harness.get_by_label_contains("Job 3, ").click();
    harness.run();
    harness.get_by_label_contains("Job 2, ").click_secondary();
    harness.run();
    harness.get_by_label_contains("Run next job 2");
    harness.key_press(Key::Escape);
    harness.run();
    assert!(harness.query_by_label_contains("Run next job 2").is_none());
    harness.key_press(Key::Delete);
    harness.run();
    assert_eq!(harness.state().actions, [QueueAction::Cancel(JobId(2))]);
}

#[test]
fn the_whole_queue_is_paused_and_resumed() {
    let mut harness = harness(queue(), LiveJobs::default());
    harness.get_by_role_and_label(Role::Button, "Pause queue").click();
    harness.run();
    harness.state_mut().is_paused = true;
    harness.run();
    harness.get_by_role_and_label(Role::Button, "Resume queue").click();
    harness.run();
    let asked = [QueueCommand::PauseAll, QueueCommand::ResumeAll].map(QueueAction::Command);
    assert_eq!(harness.state().actions, asked);
}

#[test]
fn waiting_jobs_have_times_and_the_queue_has_a_total() {
    let entries = vec![entry(2, JobState::Queued), entry(3, JobState::Queued), entry(4, JobState::Paused)];
    let mut harness = harness_of(1400.0, entries, LiveJobs::default());
    harness.get_by_label("3 jobs");
    let mut times = JobTimes::default();
    for id in [2, 3, 4] {
        times.insert(JobId(id), HistoryEstimate { seconds: Secs(90.0), num_runs: 6 });
    }
    harness.state_mut().times = Arc::new(times);
    harness.run();
    harness.get_by_label("3 jobs · all done in about 3 min 00 s");
    assert_eq!(harness.get_all_by_label("about 1:30").count(), 3);
    // the second waits for the first, a paused one for the user
    harness.get_by_label("1:30");
    harness.get_by_label("3:00");
}

#[test]
fn columns_are_chosen_and_resized() {
    let mut harness = harness_of(1400.0, queue(), LiveJobs::default());
    harness.get_by_label("Seed column");
    harness.get_by_role_and_label(Role::Button, "Columns of the queue").click();
    harness.run();
    harness.get_by_label("Column Seed").click();
    harness.run();
    harness.key_press(Key::Escape);
    harness.run();
    assert!(harness.query_by_label("Seed column").is_none());
    let before = harness.get_by_label("Model column").rect();
    let handle = harness.get_by_label("Width of Mode").rect().center();
    harness.drag_at(handle);
    harness.run();
    harness.hover_at(handle + vec2(30.0, 0.0));
    harness.run();
    harness.drop_at(handle + vec2(30.0, 0.0));
    harness.run();
    assert!(harness.get_by_label("Model column").rect().left() > before.left() + 20.0 - 30.0);
    assert_ne!(harness.state().columns, Columns::default());
}

#[test]
fn a_retry_says_which_attempt_when_and_what_is_changed() {
    let mut live = LiveJobs::default();
    let message = "Decode failed".to_owned();
    let event = Event::Retrying { attempt: 2, of: 4, delay: Secs(60.0), message: message.clone() };
    live.observe(JobId(1), &event, Instant::now());
    let mut entries = queue();
    entries[0].retries.push(RetryRecord { message, fixes: vec![Fix::VaeTile(256)] });
    let harness = harness(entries, live);
    harness.get_by_label_contains("Attempt 2 of 4 in ");
    harness.get_by_label_contains(" s: use VAE tiles of 256 px");
    harness.get_by_label("waiting to retry");
}

#[test]
fn lanes_have_titles_where_there_are_several() {
    let mut entries = queue();
    let harness_of_one = harness(entries.clone(), LiveJobs::default());
    assert!(harness_of_one.query_by_label_contains("Normal · ").is_none());
    entries[2].spec.priority = Priority::Low;
    let harness = harness(entries, LiveJobs::default());
    harness.get_by_label("Normal · 2 jobs");
    harness.get_by_label("Low priority · 1 job");
}

#[test]
fn snapshot_of_the_queue() {
    let mut bench = harness(queue(), LiveJobs::default());
    let bench = bench.state_mut();
    crate::app::snapshots::compare("queue", vec2(420.0, 640.0), |ui| draw(ui, bench));
}
