use std::collections::VecDeque;
use std::path::Path;

use eframe::egui::accesskit::Role;
use eframe::egui::vec2;
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
    assert_eq!(harness.state().actions, [LogAction::SaveBundle("/tmp/a.zip".into())]);
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
