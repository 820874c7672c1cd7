use std::collections::VecDeque;
use std::path::Path;

use eframe::egui::accesskit::Role;
use eframe::egui::{Key, Modifiers, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use super::{LogAction, LogPanel, LogView};
use crate::app::theme;
use crate::core::Utc;
use crate::jobs::JobId;
use crate::library::DiagnosticsBundle;
use crate::store::{LogLevel, LogLine};

#[derive(Default)]
struct Page {
    panel: LogPanel,
    lines: VecDeque<LogLine>,
    bundle: Option<DiagnosticsBundle>,
    actions: Vec<LogAction>,
}

fn page<'a>(bundle: Option<DiagnosticsBundle>) -> Harness<'a, Page> {
    let line =
        |number, level, text: &str, job| LogLine { number, at: Utc::now(), level, text: text.into(), job };
    let lines = VecDeque::from([
        line(1, LogLevel::Info, "The model was loaded", None),
        line(2, LogLevel::Warning, "Little memory to spare", Some(3)),
        line(3, LogLevel::Error, "Job 3 failed: out of memory", Some(3)),
    ]);
    Harness::builder().with_size(vec2(900.0, 700.0)).with_context_setup(theme::install).build_ui_state(
        |ui, page: &mut Page| {
            let view = LogView {
                lines: &page.lines,
                file: Path::new("/data/wandeck.log"),
                bundle: page.bundle.as_ref(),
            };
            page.actions.extend(page.panel.ui(ui, view));
        },
        Page { lines, bundle, ..Page::default() },
    )
}

#[test]
fn lines_are_found_by_level_and_words_and_lead_to_their_job() {
    let mut harness = page(None);
    harness.get_by_label("The model was loaded");
    harness.get_by_role_and_label(Role::ComboBox, "Level").click();
    harness.run();
    harness.get_by_label("errors").click();
    harness.run();
    assert!(harness.query_by_label("Little memory to spare").is_none());
    harness.get_by_label("job 3").click();
    harness.run();
    assert_eq!(harness.state().actions, [LogAction::ShowJob(JobId(3))]);
    harness.get_by_label("Search").focus();
    harness.run();
    harness.get_by_role_and_label(Role::TextInput, "Search").type_text("disk");
    harness.run();
    harness.get_by_label("No message matches");
}

#[test]
fn a_long_log_is_scrolled_line_by_line_to_its_end() {
    let mut harness = page(None);
    let line = |number| LogLine {
        number,
        at: Utc::now(),
        level: LogLevel::Info,
        text: format!("line {number} of it"),
        job: None,
    };
    harness.state_mut().lines = (0..300).map(line).collect();
    harness.run();
    let top = |harness: &Harness<'_, Page>, number: u64| {
        harness.get_by_label(&format!("line {number} of it")).rect().top()
    };
    let (first, tenth) = (top(&harness, 299), top(&harness, 289));
    harness.hover_at(vec2(300.0, 400.0).to_pos2());
    harness.event(eframe::egui::Event::MouseWheel {
        unit: eframe::egui::MouseWheelUnit::Point,
        delta: vec2(0.0, first - tenth),
        phase: eframe::egui::TouchPhase::Move,
        source: eframe::egui::MouseWheelSource::Unknown,
        modifiers: Modifiers::NONE,
    });
    harness.run_steps(60);
    assert!((top(&harness, 289) - first).abs() < 1.0, "{} {first}", top(&harness, 289));
}

#[test]
fn the_diagnostics_are_shown_before_they_are_saved() {
    let files = vec![("versions.json".to_owned(), "{\"cores\": 2}".to_owned())];
    let mut harness = page(Some(DiagnosticsBundle { files }));
    harness.get_by_label("{\"cores\": 2}");
    harness.get_by_role_and_label(Role::TextInput, "Save as").focus();
    harness.run();
    harness.get_by_role_and_label(Role::TextInput, "Save as").type_text("/tmp/a.zip");
    harness.run();
    harness.get_by_role_and_label(Role::Button, "Save diagnostics").click();
    harness.run();
    harness.get_by_role_and_label(Role::TextInput, "Save as").focus();
    harness.run();
    harness.key_press(Key::Enter);
    harness.run();
    let saved = LogAction::SaveBundle("/tmp/a.zip".into());
    assert_eq!(harness.state().actions, [saved.clone(), saved], "by the button and by Enter");
}

#[test]
fn snapshot_of_the_log() {
    let line = |number, level, text: &str| LogLine {
        number,
        at: Utc(1_700_000_000),
        level,
        text: text.into(),
        job: None,
    };
    let lines = VecDeque::from([
        line(1, LogLevel::Info, "The model was loaded"),
        line(2, LogLevel::Warning, "Little memory to spare"),
        line(3, LogLevel::Error, "Job 3 failed: out of memory"),
    ]);
    let mut panel = LogPanel::default();
    let view = LogView { lines: &lines, file: Path::new("/data/wandeck.log"), bundle: None };
    crate::app::snapshots::compare("log", vec2(900.0, 300.0), |ui| drop(panel.ui(ui, view)));
}
