//! What one job leaves for the next: embeddings, encoded images, the preview's map. Never stale, never different.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use wandeck::attempt::run_job;
use wandeck::core::{CancelToken, Draft, Event, Outcome, Stage};
use wandeck::jobs::JobSpec;
use wandeck::media::Existing;
use wandeck::presets;
use wandeck::store::StoredTensors;

use crate::common;

/// A short job on the golden ti2v model, which has a VAE of the 2.2 kind.
fn work(dir: &Path, name: &str, model: &Path) -> JobSpec {
    let preset = presets::by_name("ti2v-5B").unwrap().draft("a red circle");
    let draft = Draft {
        start_image: Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/refs/input.png")),
        size: wandeck::core::Resolution::new(96, 64),
        frames: 5,
        steps: 6,
        ..preset
    };
    JobSpec {
        existing: Existing::Replace,
        preview: true,
        ..JobSpec::new(draft, model.to_path_buf(), dir.join(name))
    }
}

fn run(job: &JobSpec, cache: &mut StoredTensors) -> (Outcome, Vec<Event>) {
    let events = Mutex::new(Vec::new());
    let mut tell = |event: Event| events.lock().unwrap().push(event);
    let outcome = run_job(&common::runtime(), job, cache, &CancelToken::new(), &mut tell).unwrap();
    (outcome, events.into_inner().unwrap())
}

/// What was not made again.
fn kept(outcome: &Outcome) -> Vec<&String> {
    outcome.optimizations.iter().filter(|text| text.contains("kept from an earlier run")).collect()
}

fn notes(events: &[Event]) -> Vec<String> {
    let note = |event: &Event| match event {
        Event::Note { message } => Some(message.clone()),
        _ => None,
    };
    events.iter().filter_map(note).collect()
}

fn bytes(path: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn a_second_run_encodes_nothing_and_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let model = common::whole_golden_model("tiny-ti2v", &dir.path().join("models"));
    let first = run(&work(dir.path(), "first", &model), &mut StoredTensors::new(dir.path()));
    assert_eq!(kept(&first.0), [""; 0]);
    // another cache on the same folder: as after a restart
    let second = run(&work(dir.path(), "second", &model), &mut StoredTensors::new(dir.path()));
    assert_eq!(kept(&second.0).len(), 3, "prompt, negative prompt, image: {:?}", second.0.optimizations);
    assert!(notes(&first.1).iter().any(|note| note.contains("Fitting")));
    assert!(!notes(&second.1).iter().any(|note| note.contains("Fitting")));
    for (a, b) in bytes(&first.0.output).iter().zip(bytes(&second.0.output)) {
        assert_eq!(std::fs::read(a).unwrap(), std::fs::read(b).unwrap());
    }
}

#[test]
fn a_changed_model_is_not_taken_for_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let model = common::whole_golden_model("tiny-ti2v", &dir.path().join("models"));
    let mut cache = StoredTensors::new(dir.path());
    run(&work(dir.path(), "first", &model), &mut cache);
    // same names, shapes and size, other numbers
    let weights = model.join("text_encoder/model.safetensors");
    let mut changed = std::fs::read(&weights).unwrap();
    let last = changed.len() - 2;
    changed[last] ^= 1;
    std::fs::write(&weights, changed).unwrap();
    let again = run(&work(dir.path(), "again", &model), &mut cache).0;
    assert_eq!(kept(&again).len(), 1, "only the image: {:?}", again.optimizations);
}

#[test]
fn previews_show_every_latent_frame_within_their_budget() {
    let dir = tempfile::tempdir().unwrap();
    let model = common::whole_golden_model("tiny-ti2v", &dir.path().join("models"));
    let (outcome, events) = run(&work(dir.path(), "a", &model), &mut StoredTensors::new(dir.path()));
    let mut costs = Vec::new();
    for event in &events {
        if let Event::Preview { stage, frames, seconds } = event {
            assert_eq!((*stage, frames.len()), (Stage::DenoiseHigh, 2));
            assert!(frames.iter().all(|frame| frame.size == wandeck::core::Resolution::new(6, 4)));
            costs.push(seconds.0);
        }
    }
    assert!(!costs.is_empty() && costs.len() <= outcome.steps.len());
    assert!(notes(&events).iter().any(|note| note.contains("previews took")));
}
