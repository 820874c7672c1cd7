//! Whole jobs through the engine thread, against diffusers' pipelines on the same weights.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use crate::common::{self, PATIENCE, draft, events_of, finished, frames, worker};

use std::path::{Path, PathBuf};

use wandeck::core::{Draft, Event, Kind, Outcome, Resolution, Stage};
use wandeck::jobs::JobSpec;
use wandeck::library::SavedRequest;
use wandeck::media::Reader;

fn work(draft: Draft, output: &Path) -> JobSpec {
    let latents_out = Some(output.with_extension("safetensors"));
    JobSpec { latents_out, ..JobSpec::new(draft, common::golden_model("tiny-t2v"), output.into()) }
}

#[test]
fn the_same_frames_as_diffusers() {
    let dir = tempfile::tempdir().unwrap();
    let worker = worker();
    let id = worker.submit(work(draft(), &dir.path().join("frames")));
    let events = events_of(&worker, id);
    let outcome = finished(&events);
    assert!(outcome.checks.iter().all(|check| check.passed), "{:?}", outcome.checks);
    assert_eq!(outcome.steps.len(), 6);

    let golden = common::golden("pipeline_t2v");
    common::assert_same_frames("pipeline_t2v", &frames(&outcome.output), &golden.u8("frames"));

    let latents = common::tensors(&dir.path().join("frames.safetensors")).f32("latents");
    assert_eq!(latents.shape(), golden.f32("latents").shape());
}

/// Runs `draft` and returns its outcome, and the steps of the high-noise and the low-noise expert.
fn outcome_and_steps(draft: Draft, output: &Path) -> (Outcome, [u32; 2]) {
    let worker = worker();
    let id = worker.submit(work(draft, output));
    let events = events_of(&worker, id);
    let plan = events.iter().find_map(|event| match event {
        Event::Started { plan, .. } => Some(plan.clone()),
        _ => None,
    });
    let plan = plan.unwrap();
    let of = |wanted| plan.iter().find(|(stage, _)| *stage == wanted).map_or(0, |(_, steps)| *steps);
    (finished(&events).clone(), [of(Stage::DenoiseHigh), of(Stage::DenoiseLow)])
}

#[test]
fn another_boundary_gives_the_same_frames_as_diffusers() {
    let dir = tempfile::tempdir().unwrap();
    let asked = Draft { boundary: Some(0.95), frames: 5, ..draft() };
    let (outcome, steps) = outcome_and_steps(asked, &dir.path().join("frames"));
    assert_eq!(steps, [3, 3]);
    let golden = common::golden("pipeline_t2v_boundary");
    common::assert_same_frames("pipeline_t2v_boundary", &frames(&outcome.output), &golden.u8("frames"));
    assert_eq!(outcome.request.boundary, Some(0.95));
}

#[test]
fn the_boundary_decides_the_steps_of_each_expert() {
    let dir = tempfile::tempdir().unwrap();
    let short = Draft { frames: 1, size: Resolution::new(32, 32), ..draft() };
    let run = |boundary: Option<f32>| {
        let output = dir.path().join(format!("{}.mp4", boundary.unwrap_or(9.0)));
        let (_, steps) = outcome_and_steps(Draft { boundary, ..short.clone() }, &output);
        (std::fs::read(output.with_extension("safetensors")).unwrap(), steps)
    };
    let own = run(None);
    assert_eq!(own.1, [4, 2]);
    assert_eq!(run(Some(0.875)), own, "the model's own boundary");
    let (all_high, steps) = run(Some(0.0));
    assert!(steps == [6, 0] && all_high != own.0);
    let (low, steps) = run(Some(1.0));
    // the first timestep is 999
    assert!(steps == [0, 6] && low != own.0 && low != all_high, "{steps:?}");
    let saved = |name: &str| SavedRequest::read(&dir.path().join(name)).unwrap().unwrap().draft.boundary;
    assert_eq!((saved("9.mp4"), saved("1.mp4")), (None, Some(1.0)), "the video carries it");
}

#[test]
fn the_story_is_in_order_and_complete() {
    let dir = tempfile::tempdir().unwrap();
    let worker = worker();
    let id = worker.submit(work(draft(), &dir.path().join("a.mp4")));
    let events = events_of(&worker, id);
    let plan = events.iter().find_map(|event| match event {
        Event::Started { plan, .. } => Some(plan.clone()),
        _ => None,
    });
    let finished_stages: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::StageFinished { stage, .. } => Some(*stage),
            _ => None,
        })
        .collect();
    assert_eq!(finished_stages, plan.unwrap().iter().map(|(stage, _)| *stage).collect::<Vec<_>>());
    assert_eq!(events.iter().filter(|event| event.is_terminal()).count(), 1);
    let mut progress = wandeck::core::Progress::default();
    let mut last = 0.0;
    for event in &events {
        progress.observe(event);
        assert!(progress.fraction() >= last);
        last = progress.fraction();
    }
    assert!((last - 1.0).abs() < 1e-9);
}

#[test]
fn the_same_request_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let worker = worker();
    let outputs: [PathBuf; 2] = ["1", "2"].map(|name| {
        let dir = dir.path().join(name);
        let id = worker.submit(work(draft(), &dir.join("same.mp4")));
        finished(&events_of(&worker, id)).output.clone()
    });
    assert_eq!(std::fs::read(&outputs[0]).unwrap(), std::fs::read(&outputs[1]).unwrap());
}

#[test]
fn cancelled_jobs_leave_nothing_and_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let worker = worker();
    let long = Draft { steps: 1000, ..draft() };
    let running = worker.submit(work(long, &dir.path().join("long.mp4")));
    let never = worker.submit(work(draft(), &dir.path().join("never.mp4")));
    let other = worker.submit(work(draft(), &dir.path().join("done.gif")));
    worker.cancel(never).unwrap();
    let (mut begun, mut ends) = (false, Vec::new());
    while ends.len() < 3 {
        let (id, event) = worker.events().recv_timeout(PATIENCE).unwrap();
        if matches!(event, Event::Step { .. }) && !begun {
            begun = true;
            worker.cancel(running).unwrap();
        }
        if event.is_terminal() {
            ends.push((id, matches!(event, Event::Finished { .. })));
        }
    }
    ends.sort();
    assert_eq!(ends, [(running, false), (never, false), (other, true)]);
    let left: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "the GIF and its latent: {left:?}");
}

#[test]
fn the_smallest_request_works() {
    let dir = tempfile::tempdir().unwrap();
    let worker = worker();
    let small = Draft {
        frames: 1,
        steps: 1,
        size: Resolution::new(16, 16),
        guidance: 1.0,
        guidance_low: None,
        ..draft()
    };
    let id = worker.submit(work(small, &dir.path().join("one.png")));
    let outcome = finished(&events_of(&worker, id)).clone();
    assert_eq!(Reader::open(&outcome.output).unwrap().info().frames.0, 1);
}

#[test]
fn a_broken_model_fails_before_it_runs() {
    let dir = tempfile::tempdir().unwrap();
    let worker = worker();
    let copy = dir.path().join("copy");
    copy_tree(&common::golden_model("tiny-t2v"), &copy);
    let part = |name: &str| copy.join(name);
    let restore = |name: &str| {
        std::fs::copy(common::golden_model("tiny-t2v").join(name), part(name)).unwrap();
    };
    let shard = "transformer/diffusion_pytorch_model-00002-of-00003.safetensors";
    let (vae, text) = ("vae/config.json", "text_encoder/config.json");
    let vae_weights = "vae/diffusion_pytorch_model.safetensors";
    let other_vae = common::golden_model("tiny-ti2v").join(vae);
    let other_vae_weights = common::golden_model("tiny-ti2v").join(vae_weights);
    type Break<'a> = &'a dyn Fn();
    let cases: [(&str, Break<'_>, Kind, &str); 6] = [
        (shard, &|| std::fs::remove_file(part(shard)).unwrap(), Kind::MissingModel, "00002-of-00003"),
        (shard, &|| truncate(&part(shard)), Kind::CorruptModel, "truncated"),
        (
            vae,
            &|| assert!(std::fs::copy(&other_vae, part(vae)).is_ok()),
            Kind::CorruptModel,
            "latent channels",
        ),
        (
            vae_weights,
            &|| assert!(std::fs::copy(&other_vae_weights, part(vae_weights)).is_ok()),
            Kind::CorruptModel,
            "latent channels",
        ),
        (
            text,
            &|| replace(&part(text), "max_distance\": 128", "max_distance\": 64"),
            Kind::CorruptModel,
            "position buckets",
        ),
        (
            "model_index.json",
            &|| std::fs::write(part("model_index.json"), "{").unwrap(),
            Kind::CorruptModel,
            "model_index.json is not valid",
        ),
    ];
    for (file, spoil, kind, words) in cases {
        spoil();
        let id = worker.submit(JobSpec { model: copy.clone(), ..work(draft(), &dir.path().join("x.mp4")) });
        let events = events_of(&worker, id);
        let Some(Event::Failed { error }) = events.last() else { panic!("{file}: {events:?}") };
        assert_eq!(error.kind, kind, "{file}: {error:#}");
        assert!(format!("{error:#}").contains(words), "{file}: {error:#}");
        assert!(!events.iter().any(|event| matches!(event, Event::Step { .. })), "{file}");
        restore(file);
    }
    assert!(!dir.path().join("x.mp4").exists());
}

fn truncate(path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn replace(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
