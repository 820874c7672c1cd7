//! Jobs with a step cache: the decisions and latents of a plain reference, whatever happens on the way.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use wandeck::core::{Draft, Event, Outcome, Stage, StepCacheRecord};
use wandeck::jobs::{JobSpec, Priority};
use wandeck::library::{History, SavedRequest};
use wandeck::queue::Scope;
use wandeck::worker::{Worker, WorkerOptions};

use crate::asked::{Asked, refs};
use crate::common::{self, PATIENCE, events_of, finished, worker};

/// A request of tests/golden/easycache.py, and what it skipped at each threshold.
#[derive(Deserialize)]
struct Reference {
    name: String,
    #[serde(flatten)]
    asked: Asked,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    threshold: f32,
    skipped: Vec<u32>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn references() -> Vec<Reference> {
    serde_json::from_slice(&fs::read(refs().join("easycache.json")).unwrap()).unwrap()
}

fn draft(reference: &Reference, step_cache: Option<f32>) -> Draft {
    Draft { step_cache, ..reference.asked.draft() }
}

fn model(reference: &Reference, dir: &Path) -> PathBuf {
    let name = &reference.asked.model;
    let shipped = root().join("models").join(name);
    if shipped.exists() { shipped } else { common::whole_golden_model(name, &dir.join("models")) }
}

#[test]
fn the_skipped_steps_and_latents_are_those_of_the_reference() {
    let worker = worker();
    let golden = common::golden("easycache");
    let mut compared = 0;
    for asked in references() {
        for run in &asked.runs {
            let dir = tempfile::tempdir().unwrap();
            let what = format!("{}.{}", asked.name, serde_json::to_string(&run.threshold).unwrap());
            let out = dir.path().join("final.safetensors");
            let job = JobSpec {
                latents_out: Some(out.clone()),
                ..JobSpec::new(
                    draft(&asked, Some(run.threshold)),
                    model(&asked, dir.path()),
                    dir.path().join("a.mp4"),
                )
            };
            let id = worker.submit(job);
            let events = events_of(&worker, id);
            let outcome = finished(&events);
            let record = outcome.step_cache.as_ref().unwrap();
            assert_eq!(record.skipped, run.skipped, "{what}");
            assert_eq!((record.steps, outcome.steps.len()), (20, 20), "{what}");
            assert!(outcome.optimizations.contains(&record.to_string()), "{:?}", outcome.optimizations);
            let (found, expected) = (common::tensors(&out).f32("latents"), golden.f32(&what));
            assert_eq!(found.shape(), expected.shape());
            let largest = found.iter().zip(&expected).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(largest < 2e-3, "{what}: off by {largest}");
            compared += 1;
        }
    }
    assert_eq!(compared, 8);
}

/// The toy's request at its first threshold, with 5 frames.
fn toy(dir: &Path, name: &str, step_cache: Option<f32>) -> JobSpec {
    let asked = references().into_iter().find(|asked| asked.name == "toy").unwrap();
    let draft = Draft { frames: 5, ..draft(&asked, step_cache) };
    JobSpec::new(draft, model(&asked, dir), dir.join(name))
}

/// Runs the toy while an urgent job interrupts it after each of the given steps of the low-noise expert.
fn interrupted(dir: &Path, step_cache: Option<f32>, steps: &[u32]) -> Outcome {
    let data = common::fresh_data_dir();
    let options = WorkerOptions {
        faults: "slow@step=60 x200".parse().unwrap(),
        back_off: Duration::from_millis(1),
        ..WorkerOptions::new("a test", Scope::Everything)
    };
    let worker = Worker::start(data.path().into(), options, Arc::new(|| {})).unwrap();
    let submit = |job| worker.submit(job).unwrap().recv().unwrap().unwrap();
    let id = submit(toy(dir, "interrupted.mp4", step_cache));
    let (mut waiting, mut interruptions) = (steps.iter(), 0);
    let mut next = waiting.next();
    loop {
        let (from, event) = worker.events().recv_timeout(PATIENCE).unwrap();
        match event {
            Event::Step { stage: Stage::DenoiseLow, step, .. } if from == id && next == Some(&step) => {
                let urgent = toy(dir, "urgent.mp4", None);
                let draft = Draft { steps: 1, frames: 1, seed: u64::from(step), ..urgent.draft };
                submit(JobSpec { draft, priority: Priority::Urgent, ..urgent });
                next = waiting.next();
            }
            Event::Interrupted { .. } if from == id => interruptions += 1,
            Event::Finished { outcome } if from == id => {
                assert_eq!(interruptions, steps.len());
                return *outcome;
            }
            _ => assert!(from != id || !event.is_terminal(), "{event:?}"),
        }
    }
}

#[test]
fn a_resumed_job_skips_the_same_steps_and_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let worker = worker();
    let id = worker.submit(toy(dir.path(), "undisturbed.mp4", Some(0.05)));
    let events = events_of(&worker, id);
    let undisturbed = finished(&events);
    let outcome = interrupted(dir.path(), Some(0.05), &[2, 4, 7]);
    let skipped = |outcome: &Outcome| outcome.step_cache.clone().unwrap().skipped;
    assert!(skipped(undisturbed).len() > 3, "{:?}", undisturbed.step_cache);
    assert_eq!(skipped(&outcome), skipped(undisturbed));
    assert_eq!(fs::read(&outcome.output).unwrap(), fs::read(&undisturbed.output).unwrap());
}

#[test]
fn a_step_cache_is_in_the_records_and_off_leaves_none() {
    let dir = tempfile::tempdir().unwrap();
    let data = common::fresh_data_dir();
    let options = WorkerOptions::new("a test", Scope::Everything);
    let worker = Worker::start(data.path().into(), options, Arc::new(|| {})).unwrap();
    let mut outcomes = Vec::new();
    for (name, threshold) in [("off.mp4", None), ("never.mp4", Some(0.001)), ("on.mp4", Some(0.15))] {
        let id = worker.submit(toy(dir.path(), name, threshold)).unwrap().recv().unwrap().unwrap();
        outcomes.push(finished(&events_of(&worker, id)).clone());
    }
    drop(worker);
    let [off, never, on] = &outcomes[..] else { unreachable!("three jobs") };
    assert_eq!(off.step_cache, None);
    assert_eq!(never.step_cache.as_ref().unwrap().skipped, [0; 0]);
    let saved = |outcome: &Outcome| SavedRequest::read(&outcome.output).unwrap().unwrap();
    assert_eq!(saved(off).differences(&saved(never)), ["request.step_cache: null, now 0.001"]);
    let (history, _) = History::open(data.path()).unwrap();
    let records: Vec<Option<StepCacheRecord>> =
        history.recent(3).unwrap().into_iter().map(|entry| entry.step_cache).collect();
    assert_eq!(records, [on.step_cache.clone(), never.step_cache.clone(), None]);
    assert_eq!(on.step_cache.as_ref().unwrap().threshold, 0.15);
    // a cache that skips nothing changes no frame, one that skips does
    assert_eq!(common::frames(&off.output), common::frames(&never.output));
    assert_ne!(common::frames(&off.output), common::frames(&on.output));
}
