//! The pages for settings, log, models and presets in the whole window, as a person uses them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![cfg(unix)]

mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use eframe::egui::accesskit::Role;
use eframe::egui::{Key, Modifiers, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use wandeck::app::App;
use wandeck::store::Settings;

const PATIENCE: Duration = Duration::from_mins(1);

/// A window on an empty data folder and the toy models.
fn window(data_dir: &Path) -> Harness<'static, App> {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let data_dir = data_dir.to_path_buf();
    // tall, so that every row of a page is drawn
    Harness::builder()
        .with_size(vec2(1600.0, 4000.0))
        .build_eframe(move |cc| App::new(&cc.egui_ctx, data_dir, Some(models)).unwrap())
}

/// Draws until `done`, as the window would when it is woken.
fn wait(harness: &mut Harness<'_, App>, done: impl Fn(&Harness<'_, App>) -> bool) {
    let began = Instant::now();
    while !done(harness) {
        assert!(began.elapsed() < PATIENCE, "{:?}", harness.state().notifications());
        std::thread::park_timeout(Duration::from_millis(5));
        harness.step();
    }
}

/// Shows the page whose tab has this name.
fn show(harness: &mut Harness<'_, App>, page: &str) {
    press(harness, page);
}

fn type_into(harness: &mut Harness<'_, App>, label: &str, text: &str) {
    harness.get_by_role_and_label(Role::TextInput, label).focus();
    harness.step();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.step();
    harness.get_by_role_and_label(Role::TextInput, label).type_text(text);
    harness.step();
    harness.key_press(Key::Enter);
    harness.step();
}

/// Clicks a button, and draws until that is done.
fn press(harness: &mut Harness<'_, App>, label: &str) {
    for _ in 0..4 {
        harness.step();
    }
    harness.get_by_role_and_label(Role::Button, label).click();
    for _ in 0..4 {
        harness.step();
    }
}

fn said(harness: &Harness<'_, App>, words: &str) -> bool {
    harness.state().notifications().iter().any(|text| text.contains(words))
}

#[test]
fn a_setting_is_saved_and_one_of_another_program_takes_effect_and_is_said() {
    let data_dir = tempfile::tempdir().unwrap();
    let read = || Settings::read(data_dir.path()).unwrap().0;
    let mut harness = window(data_dir.path());
    show(&mut harness, "Settings");
    type_into(&mut harness, "Retries", "7");
    wait(&mut harness, |_| read().generation.retries == 7);
    assert!(harness.state().notifications().is_empty(), "an own change needs no notification");
    // another program
    let mut settings = read();
    settings.set("errors.timeout_s", "90").unwrap();
    settings.save(data_dir.path()).unwrap();
    wait(&mut harness, |harness| said(harness, "Time limit of a new job is now 90 (was 0)"));
    assert_eq!(
        harness.get_by_role_and_label(Role::TextInput, "Time limit of a new job").value().as_deref(),
        Some("90")
    );
    assert_eq!(read().generation.retries, 7, "both changes are kept");
}

#[test]
fn a_configuration_is_imported_after_it_was_shown() {
    let data_dir = tempfile::tempdir().unwrap();
    let mut harness = window(data_dir.path());
    show(&mut harness, "Settings");
    type_into(&mut harness, "Search settings", "import");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/settings/source/pipeline.json");
    type_into(&mut harness, "Configuration file", file.to_str().unwrap());
    press(&mut harness, "Read");
    wait(&mut harness, |harness| harness.query_by_label("Take over").is_some());
    assert!(!Settings::path_in(data_dir.path()).exists(), "nothing changes before it was seen");
    press(&mut harness, "Take over");
    wait(&mut harness, |_| Settings::read(data_dir.path()).unwrap().0.optimization.vram_limit_gib == 12.0);
    // bf16 is for a GPU; the form on this machine still runs
    harness.get_by_label("Ready");
}

#[test]
fn the_diagnostics_are_collected_shown_and_saved() {
    let data_dir = tempfile::tempdir().unwrap();
    let mut harness = window(data_dir.path());
    show(&mut harness, "Log");
    press(&mut harness, "Diagnostics…");
    wait(&mut harness, |harness| harness.query_by_label("Save diagnostics").is_some());
    let file = data_dir.path().join("bundle.zip");
    // Enter saves, as the button does
    type_into(&mut harness, "Save as", file.to_str().unwrap());
    wait(&mut harness, |harness| said(harness, "The diagnostics are in "));
    let bytes = std::fs::read(file).unwrap();
    assert!(!bytes.windows(10).any(|part| part == b"red circle"));
}

#[test]
fn a_model_is_verified_in_the_background() {
    let data_dir = tempfile::tempdir().unwrap();
    let mut harness = window(data_dir.path());
    wait(&mut harness, |harness| harness.query_by_label("Ready").is_some());
    show(&mut harness, "Models");
    wait(&mut harness, |harness| harness.query_by_label_contains("Verify (").is_some());
    harness.get_by_label_contains("Verify (").click();
    wait(&mut harness, |harness| said(harness, "toy-t2v-A14B is sound"));
    harness.get_by_label("ready, verified");
}
