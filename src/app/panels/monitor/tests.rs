use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui::accesskit::Role;
use eframe::egui::vec2;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use super::row_choice::RowKind;
use super::{EarlierJob, ExportFormat, MonitorAction, MonitorPanel, MonitorView, PeakView, RowChoice};
use crate::app::theme;
use crate::core::{Bytes, Event, Secs, Stage, StageForecast};
use crate::library::{MachinePeak, Remedy};
use crate::monitor::{
    HostMetric, JobTrack, Machine, MonitorSnapshot, Sample, SampleRate, TimeRange, Timeline,
};

/// Ten minutes at four samples per second, with a job of 500 s whose third step is slow.
fn snapshot() -> MonitorSnapshot {
    let mut job = JobTrack::new("job-a", 42, Secs(50.0));
    job.forecast = Some(Bytes(5 << 30));
    let forecast = |stage, operations| StageForecast {
        stage,
        operations: Some(operations),
        seconds: Some(Secs(300.0)),
        seconds_range: Some([Secs(280.0), Secs(360.0)]),
        memory: Some(Bytes(5 << 30)),
    };
    job.stage_forecasts = vec![forecast(Stage::DenoiseHigh, 408e12), forecast(Stage::Decode, 4.2e12)];
    job.observe(Secs(50.0), &Event::StageStarted { stage: Stage::Text });
    let stage = Stage::DenoiseHigh;
    job.observe(Secs(100.0), &Event::StageStarted { stage });
    let mut at = 100.0;
    for (index, seconds) in [80.0, 80.0, 168.0, 80.0].into_iter().enumerate() {
        at += seconds;
        let step = index as u32 + 1;
        job.observe(Secs(at), &Event::Step { stage, step, of: 4, seconds: Secs(seconds) });
    }
    job.observe(Secs(at), &Event::StageStarted { stage: Stage::Decode });
    job.end(Secs(550.0));
    let sample = |index: u32| {
        let at = f64::from(index) / 4.0;
        let faults = if (270.0..420.0).contains(&at) { 900.0 } else { 0.0 };
        let wave = (at / 7.0).sin();
        Arc::new(
            Sample::new(Secs(at))
                .with(HostMetric::Cpu, 90.0 + 5.0 * wave)
                .with(HostMetric::ProcessCpu, 85.0 + 5.0 * wave)
                .with(HostMetric::ProcessMemory, (2.0 + wave) * 1e9)
                .with(HostMetric::UsedMemory, 5e9)
                .with(HostMetric::DiskRead, 1e6)
                .with(HostMetric::DiskWrite, 1e5)
                .with(HostMetric::MajorFaults, faults),
        )
    };
    let machine = Machine {
        cores: 8,
        memory: Bytes(8 << 30),
        devices: Vec::new(),
        no_device: Some("No NVIDIA driver: only the CPU is measured".to_owned()),
    };
    MonitorSnapshot {
        machine: Arc::new(machine),
        samples: (0..2400).map(sample).collect(),
        jobs: Arc::new(vec![job]),
        now: Secs(600.0),
    }
}

fn view(snapshot: &MonitorSnapshot) -> MonitorView<'_> {
    MonitorView {
        snapshot,
        shown: None,
        overlay: None,
        earlier: &[],
        rate: SampleRate::SLOWEST,
        peak: PeakView::Unknown,
        price: None,
        rows: RowChoice::default(),
    }
}

#[derive(Default)]
struct State {
    rows: RowChoice,
    panel: MonitorPanel,
    snapshot: MonitorSnapshot,
    overlay: Option<Timeline>,
    peak: Option<MachinePeak>,
    actions: Vec<MonitorAction>,
}

fn harness(width: f32, snapshot: MonitorSnapshot) -> Harness<'static, State> {
    harness_of(width, 420.0, snapshot)
}

fn harness_of(width: f32, height: f32, snapshot: MonitorSnapshot) -> Harness<'static, State> {
    let earlier = vec![EarlierJob { uid: "job-b".to_owned(), name: "job 41".to_owned() }];
    let draw = move |ui: &mut eframe::egui::Ui, state: &mut State| {
        let view = MonitorView {
            snapshot: &state.snapshot,
            shown: None,
            overlay: state.overlay.as_ref(),
            earlier: &earlier,
            rate: SampleRate::SLOWEST,
            peak: state.peak.as_ref().map_or(PeakView::Unknown, PeakView::Known),
            price: None,
            rows: state.rows,
        };
        state.actions.extend(state.panel.ui(ui, view));
    };
    Harness::builder()
        .with_size(vec2(width, height))
        .with_context_setup(theme::install)
        .build_ui_state(draw, State { snapshot, ..State::default() })
}

#[test]
fn numbers_causes_and_the_recommendation_are_there() {
    let mut harness = harness(1200.0, snapshot());
    harness.run_steps(3);
    harness.get_by_label("No NVIDIA driver: only the CPU is measured");
    harness.get_by_label_contains("8 min 20 s · energy not measured · 476.8 MiB read");
    harness.get_by_label("Step 3 took 2.1 x the median: page faults");
    harness.get_by_label_contains("Why slow: page faults for 2 min 30 s (30 %)");
    harness.get_by_label_contains("Memory was short");
    for name in ["now", "min", "avg", "p95", "max"] {
        harness.get_by_label(name);
    }
}

#[test]
fn a_recommendation_is_a_button_that_does_it() {
    let mut harness = harness(1200.0, snapshot());
    harness.run_steps(3);
    harness.get_by_role_and_label(Role::Button, "What helps").click();
    harness.run_steps(2);
    // another job's measurements change nothing in a list that is open
    let shown = std::mem::take(&mut harness.state_mut().snapshot.jobs);
    harness.run_steps(2);
    assert!(!shown.is_empty());
    harness.get_by_role_and_label(Role::Button, "Show the models").click();
    harness.run_steps(2);
    assert_eq!(harness.state().actions, [MonitorAction::Apply(Remedy::ShowModels)]);
}

#[test]
fn speeds_are_shown_against_the_measured_peak() {
    let mut harness = harness_of(1200.0, 700.0, snapshot());
    harness.run_steps(3);
    harness.get_by_label("Step 1 min 20 s; earlier runs 1 min 10 s to 1 min 30 s");
    harness.get_by_label("1000 GFLOP/s");
    harness.get_by_role_and_label(Role::Button, "Measure the peak speed").click();
    harness.run_steps(2);
    assert_eq!(harness.state().actions, [MonitorAction::MeasurePeak]);
    harness.state_mut().peak = Some(MachinePeak { flops: 4e12, ..MachinePeak::default() });
    harness.run_steps(2);
    harness.get_by_label("25 %");
    harness.get_by_label("Peak of this machine: 4000 GFLOP/s");
    assert!(harness.query_by_label("Measure the peak speed").is_none());
    harness.get_by_role_and_label(Role::Button, "Measure again").click();
    harness.run_steps(2);
    assert_eq!(harness.state().actions.len(), 2);
}

#[test]
fn a_stage_is_selected_in_the_table_without_a_pointer_on_the_plots() {
    let mut harness = harness(1200.0, snapshot());
    harness.run_steps(3);
    harness.get_by_role_and_label(Role::Link, "text").click();
    harness.run_steps(2);
    let text = TimeRange { from: Secs(50.0), to: Secs(100.0) };
    assert_eq!(harness.state().panel.selection, Some(text));
}

#[test]
fn statistics_start_again_after_a_reset() {
    let mut harness = harness(1200.0, snapshot());
    harness.get_by_role_and_label(Role::Button, "10 min").click();
    harness.run_steps(2);
    harness.get_by_role_and_label(Role::Button, "Reset").click();
    harness.run_steps(2);
    harness.get_by_label("Since reset, 0.0 s");
    harness.get_by_role_and_label(Role::Button, "Whole range").click();
    harness.run_steps(2);
    assert!(harness.query_by_label_contains("Since reset").is_none());
}

#[test]
fn the_pointer_shows_what_was_then() {
    let mut harness = harness(1200.0, snapshot());
    harness.run_steps(2);
    harness.hover_at(eframe::egui::pos2(500.0, 150.0));
    harness.run_steps(3);
    harness.get_by_label_contains("Denoise, high noise, step ");
    harness.get_by_label_contains("forecast 5.0 GiB");
}

#[test]
fn ranges_files_and_earlier_jobs_are_a_click() {
    let mut harness = harness(1200.0, snapshot());
    harness.run_steps(2);
    harness.get_by_role_and_label(Role::Button, "This job").click();
    harness.run_steps(2);
    harness.get_by_role_and_label(Role::Button, "Export").click();
    harness.run_steps(2);
    harness.get_by_role_and_label(Role::Button, "Trace…").click();
    harness.run_steps(2);
    harness.get_by_role_and_label(Role::Button, "Compare with: none").click();
    harness.run_steps(2);
    harness.get_by_role_and_label(Role::Button, "job 41").click();
    harness.run_steps(2);
    let job = TimeRange { from: Secs(50.0), to: Secs(550.0) };
    assert_eq!(
        harness.state().actions,
        [MonitorAction::Export(ExportFormat::Trace, job), MonitorAction::Overlay(Some("job-b".to_owned()))]
    );
}

#[test]
fn an_earlier_job_is_laid_over_by_stage() {
    let live = snapshot();
    let mut earlier = Timeline::cut(&live.jobs[0], &live.machine, &live.samples);
    earlier.track.job = 41;
    // its text stage takes half as long
    earlier.track.stages[0].ended = Some(Secs(25.0));
    let mut harness = harness(1200.0, live);
    harness.state_mut().overlay = Some(earlier);
    harness.run_steps(3);
    harness.get_by_label("Compare with: job 41");
    harness.get_by_label("Against job 41");
    harness.get_by_label("50 s, was 25 s");
    let lines = harness.query_all_by_label_contains(", was ").count();
    assert_eq!(lines, 1, "what is the same is left out");
}

#[test]
fn it_fits_into_one_line() {
    let ended = snapshot();
    let draw = move |ui: &mut eframe::egui::Ui| MonitorPanel::line_ui(ui, view(&ended));
    let mut line = Harness::builder().with_context_setup(theme::install).build_ui(draw);
    line.run_steps(2);
    line.get_by_label_contains("CPU 8");
    assert!(line.query_by_label("Export").is_none());
    let mut running = snapshot();
    let job = &mut Arc::make_mut(&mut running.jobs)[0];
    (job.ended, running.now) = (None, Secs(600.0));
    job.stages.truncate(2);
    job.stages[1].ended = None;
    let draw = move |ui: &mut eframe::egui::Ui| MonitorPanel::line_ui(ui, view(&running));
    let mut line = Harness::builder().with_context_setup(theme::install).build_ui(draw);
    line.run_steps(2);
    line.get_by_label("Denoise, high noise 4 of 4");
}

#[test]
fn a_narrow_window_and_an_empty_record_are_drawn() {
    let mut narrow = harness(420.0, snapshot());
    narrow.run_steps(2);
    narrow.get_by_label("p95");
    let mut empty = harness(1200.0, MonitorSnapshot::default());
    empty.run_steps(2);
    empty.get_by_label("Measuring…");
}

#[test]
fn a_drag_selects_a_part() {
    let mut harness = harness(1200.0, snapshot());
    harness.run_steps(2);
    let [from, to] = [400.0, 500.0].map(|x| eframe::egui::pos2(x, 90.0));
    harness.drag_at(from);
    harness.run_steps(1);
    harness.hover_at(to);
    harness.run_steps(1);
    harness.drop_at(to);
    harness.run_steps(2);
    harness.get_by_label_contains("Selected ");
    harness.get_by_role_and_label(Role::Button, "Clear selection").click();
    harness.run_steps(2);
    assert!(harness.query_by_label_contains("Selected ").is_none());
}

#[test]
fn a_selected_part_is_shown_alone_and_the_buttons_stay_where_they_are() {
    let mut harness = harness(1200.0, snapshot());
    harness.run_steps(2);
    let button = |harness: &Harness<'static, State>, label: &str| {
        let node = harness.get_by_role_and_label(Role::Button, label);
        (node.rect(), !node.accesskit_node().is_disabled())
    };
    let place = ["Zoom in", "Zoom out", "Clear selection"].map(|label| button(&harness, label).0);
    harness.state_mut().panel.selection = Some(TimeRange { from: Secs(100.0), to: Secs(180.0) });
    harness.run_steps(2);
    assert!(button(&harness, "Zoom in").1 && !button(&harness, "Zoom out").1);
    harness.get_by_role_and_label(Role::Button, "Zoom in").click();
    harness.run_steps(2);
    harness.get_by_role_and_label(Role::Button, "Clear selection").click();
    harness.run_steps(2);
    harness.get_by_label("Zoomed, 1 min 20 s");
    let files = harness.state().panel.selected(&harness.state().snapshot);
    assert_eq!(files, TimeRange { from: Secs(100.0), to: Secs(180.0) });
    assert_eq!(["Zoom in", "Zoom out", "Clear selection"].map(|label| button(&harness, label).0), place);
    harness.get_by_role_and_label(Role::Button, "Zoom out").click();
    harness.run_steps(2);
    assert!(harness.query_by_label_contains("Zoomed").is_none());
}

#[test]
fn the_wheel_with_control_zooms_at_the_pointer_and_a_range_shows_all_again() {
    let mut harness = harness(1200.0, snapshot());
    harness.run_steps(2);
    let at = eframe::egui::pos2(450.0, 90.0);
    harness.hover_at(at);
    harness.run_steps(2);
    let before = harness.state().panel.cursor.unwrap();
    for _ in 0..3 {
        harness.event(eframe::egui::Event::Zoom(1.5));
        harness.run_steps(1);
    }
    harness.run_steps(2);
    harness.get_by_label_contains("Zoomed, ");
    let after = harness.state().panel.cursor.unwrap();
    assert!((after.0 - before.0).abs() < 2.0, "{before} {after}");
    harness.get_by_role_and_label(Role::Button, "This job").click();
    harness.run_steps(2);
    assert!(harness.query_by_label_contains("Zoomed").is_none());
}

#[test]
fn rows_are_chosen_in_a_menu_that_stays_open() {
    let mut harness = harness(1200.0, snapshot());
    harness.run_steps(2);
    harness.get_by_role_and_label(Role::Button, "Rows").click();
    harness.run_steps(2);
    assert!(harness.query_by_label("PCIe").is_none(), "there is no device");
    harness.get_by_role_and_label(Role::CheckBox, "Page faults").click();
    harness.run_steps(2);
    let chosen = RowChoice::default().toggled(RowKind::PageFaults);
    assert_eq!(harness.state().actions, [MonitorAction::Rows(chosen)]);
    harness.state_mut().rows = chosen;
    harness.run_steps(2);
    harness.get_by_role_and_label(Role::CheckBox, "Page faults");
    harness.get_by_label_contains("Page faults 0 /s");
}

#[test]
fn a_drag_that_is_faster_than_the_frames_selects_all_of_it() {
    let mut harness = harness(1200.0, snapshot());
    harness.run_steps(2);
    let [from, near, to] = [300.0, 310.0, 600.0].map(|x| eframe::egui::pos2(x, 90.0));
    harness.drag_at(from);
    harness.run_steps(1);
    harness.hover_at(near);
    harness.run_steps(1);
    // the last movement and the release are in one frame
    harness.hover_at(to);
    harness.drop_at(to);
    harness.run_steps(2);
    let selected = harness.state().panel.selection.unwrap().seconds().0;
    assert!((200.0..400.0).contains(&selected), "{selected}");
}

#[test]
fn files_have_what_the_range_has() {
    let snapshot = snapshot();
    let range = TimeRange { from: Secs(0.0), to: Secs(10.0) };
    let text = |format, range| String::from_utf8(view(&snapshot).export(format, range).unwrap()).unwrap();
    let csv = text(ExportFormat::Csv, range);
    assert_eq!(csv.lines().count(), 42, "a head and 41 samples");
    assert!(!text(ExportFormat::Trace, range).contains("Job 42"), "the job began later");
    let whole = TimeRange { from: Secs(0.0), to: Secs(600.0) };
    assert!(text(ExportFormat::Trace, whole).contains("Job 42, stages"));
}

#[test]
fn the_image_shows_the_stages_in_both_themes() {
    let snapshot = snapshot();
    let whole = TimeRange { from: Secs(0.0), to: Secs(600.0) };
    for is_dark in [true, false] {
        let bytes = view(&snapshot).export(ExportFormat::Png { is_dark }, whole).unwrap();
        let image = image::load_from_memory(&bytes).unwrap().into_rgb8();
        assert_eq!(image.dimensions(), (1920, 780));
        let corner = image.get_pixel(2, 2).0;
        assert_eq!(corner.iter().all(|channel| *channel < 128), is_dark, "{corner:?}");
        let distinct: std::collections::BTreeSet<_> = image.pixels().map(|pixel| pixel.0).collect();
        assert!(distinct.len() > 500, "text, bands and curves have many colours: {}", distinct.len());
        if let Some(folder) = std::env::var_os("WANDECK_SAVE_IMAGES") {
            std::fs::write(std::path::Path::new(&folder).join(format!("monitor-{is_dark}.png")), bytes)
                .unwrap();
        }
    }
}

/// Prints how long a frame takes: `cargo test --lib frame_time -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, not a check"]
fn frame_time_with_ten_minutes_of_samples() {
    let mut harness = harness(1400.0, snapshot());
    harness.run_steps(5);
    let mut times: Vec<Duration> = (0..200)
        .map(|step| {
            harness.hover_at(eframe::egui::pos2(300.0 + step as f32 * 2.0, 90.0));
            let began = Instant::now();
            harness.step();
            began.elapsed()
        })
        .collect();
    times.sort();
    println!("p50 {:?}, p99 {:?}, max {:?}", times[100], times[198], times[199]);
}

#[test]
fn snapshot_of_the_monitor() {
    let (snapshot, mut panel) = (snapshot(), MonitorPanel::default());
    crate::app::snapshots::compare("monitor", vec2(1200.0, 420.0), |ui| drop(panel.ui(ui, view(&snapshot))));
}

#[test]
fn a_part_without_a_measurement_says_so_and_is_not_exported() {
    let snapshot = snapshot();
    let part = TimeRange { from: Secs(100.05), to: Secs(100.1) };
    let refused = view(&snapshot).export(ExportFormat::Csv, part).unwrap_err();
    assert!(refused.to_string().contains("shorter than the time between two measurements"), "{refused}");
    let mut harness = harness(1200.0, snapshot);
    harness.state_mut().panel.selection = Some(part);
    harness.run_steps(3);
    harness.get_by_label("This part is shorter than the time between two measurements");
}
