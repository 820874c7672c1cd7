//! The whole window with the real engine behind it: what a person does first.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![cfg(unix)]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui::accesskit::Role;
use eframe::egui::{DroppedFile, Key, Modifiers, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use wandeck::app::App;
use wandeck::jobs::{EndStatus, HistoryEntry};
use wandeck::media::read_metadata;

const PATIENCE: Duration = Duration::from_mins(2);

/// A window on a data folder that holds nothing but the runtime.
fn window(data_dir: &Path) -> Harness<'static, App> {
    common::runtime();
    std::os::unix::fs::symlink(common::data_dir().join("runtime"), data_dir.join("runtime")).unwrap();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let data_dir = data_dir.to_path_buf();
    let mut harness = Harness::builder()
        .with_size(vec2(1600.0, 1000.0))
        .build_eframe(move |cc| App::new(&cc.egui_ctx, data_dir, Some(models)).unwrap());
    // the models come from a thread of their own
    wait(&mut harness, |harness| harness.query_by_label_contains("on disk ·").is_some());
    harness
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

#[derive(Debug)]
struct Dropped(PathBuf);

impl DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        std::fs::read(&self.0).map_err(|error| error.to_string())
    }
}

/// The record of the job that ended last.
fn record(harness: &Harness<'_, App>) -> Option<HistoryEntry> {
    harness.state().queue().iter().rev().find_map(|entry| entry.ended()).cloned()
}

fn outcome(harness: &Harness<'_, App>) -> HistoryEntry {
    let record = record(harness).unwrap();
    assert_eq!(record.status, EndStatus::Done, "{record:?}");
    record
}

fn ended(harness: &Harness<'_, App>) -> bool {
    record(harness).is_some()
}

#[test]
fn the_first_click_makes_a_video_that_plays() {
    let data_dir = tempfile::tempdir().unwrap();
    let mut harness = window(data_dir.path());
    harness.get_by_label("Ready");
    wait(&mut harness, |harness| {
        harness.query_by_label_contains("of memory, time unknown until a first run").is_some()
    });
    harness.get_by_role_and_label(Role::Button, "Generate").click();
    harness.step();
    wait(&mut harness, ended);
    let outcome = outcome(&harness);
    assert!(outcome.output.unwrap().starts_with(data_dir.path().join("outputs")));
    // what the run took is known for the next one
    wait(&mut harness, |harness| harness.query_by_label_contains(", from 1 earlier run").is_some());
    wait(&mut harness, |harness| harness.query_by_label_contains("of 17 ·").is_some());
    let said = harness.state().notifications();
    assert!(said.iter().any(|text| text.starts_with("Job 1 is done in ")), "{said:?}");
    harness.get_by_role_and_label(Role::Button, "Pause").click();
    harness.step();
    wait(&mut harness, |harness| harness.query_by_role_and_label(Role::Button, "Play").is_some());
}

#[test]
fn keys_start_and_stop_a_job_and_another_can_follow() {
    let data_dir = tempfile::tempdir().unwrap();
    let mut harness = window(data_dir.path());
    // long enough to be stopped on any machine
    harness.get_by_role_and_label(Role::SpinButton, "Steps").focus();
    harness.step();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.step();
    harness.get_by_role_and_label(Role::SpinButton, "Steps").type_text("1000");
    harness.key_press(Key::Enter);
    harness.step();
    harness.step();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Enter);
    harness.step();
    wait(&mut harness, |harness| harness.query_by_label_contains("Running job 1 · high noise ").is_some());
    // the next video would wait for its turn
    harness.get_by_role_and_label(Role::Button, "Add to queue").click();
    harness.step();
    wait(&mut harness, |harness| harness.query_by_label("Edit job 2").is_some());
    harness.get_by_label("Edit job 2").click();
    wait(&mut harness, |harness| harness.query_by_label("Save job 2").is_some());
    harness.get_by_label("Prompt").focus();
    harness.step();
    harness.get_by_label("Prompt").type_text("not ");
    harness.step();
    harness.get_by_role_and_label(Role::Button, "Save job 2").click();
    // the row has the new form, and the form what it had before
    wait(&mut harness, |harness| {
        let in_row = harness.query_all_by_label_contains("not ").next().is_some();
        in_row && harness.query_by_label("Add to queue").is_some()
    });
    let prompt = harness.get_by_label("Prompt").value().unwrap();
    assert!(!prompt.contains("not "), "{prompt}");
    harness.get_by_label("Cancel job 2").click();
    harness.step();
    harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::ALT, Key::Enter);
    harness.step();
    let is_over = |harness: &Harness<'_, App>| {
        let entries = harness.state().queue();
        !entries.is_empty() && entries.iter().all(|entry| entry.ended().is_some())
    };
    wait(&mut harness, is_over);
    let status = |entry: &wandeck::jobs::Job| entry.ended().unwrap().status;
    assert!(harness.state().queue().iter().all(|entry| status(entry) == EndStatus::Cancelled));
    let left = std::fs::read_dir(data_dir.path().join("outputs")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "a cancelled job leaves no file");
    wait(&mut harness, |harness| harness.query_by_label("Ready").is_some());
}

#[test]
fn a_dropped_video_brings_its_settings_back() {
    let data_dir = tempfile::tempdir().unwrap();
    let mut harness = window(data_dir.path());
    harness.get_by_role_and_label(Role::Button, "Generate").click();
    harness.step();
    wait(&mut harness, ended);
    let first = outcome(&harness);
    harness.get_by_role_and_label(Role::Button, "Random seed").click();
    harness.step();
    harness.step();
    let seed =
        |harness: &Harness<'_, App>| harness.get_by_role_and_label(Role::SpinButton, "Seed").value().unwrap();
    let first_seed = first.draft().unwrap().seed.to_string();
    let output = first.output.clone().unwrap();
    assert_ne!(seed(&harness), first_seed);
    assert!(read_metadata(&output).unwrap().is_some());
    harness.input_mut().dropped_files.push(Arc::new(Dropped(output)));
    harness.step();
    wait(&mut harness, |harness| seed(harness) == first_seed);
    let lora = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/loras/kohya.safetensors");
    harness.input_mut().dropped_files.push(Arc::new(Dropped(lora)));
    harness.step();
    // it is in the form, and what is wrong with it is told before anything runs
    wait(&mut harness, |harness| harness.query_by_label("Remove kohya").is_some());
    wait(&mut harness, |harness| harness.query_by_label_contains("does not fit toy-t2v-A14B").is_some());
}
