//! Video from images, against diffusers' pipelines on the same weights; and images that are none.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::{Path, PathBuf};

use crate::asked::{Asked, refs};
use crate::common::{self, events_of, finished, frames, worker};
use wandeck::core::{Event, Kind, Stage};
use wandeck::jobs::JobSpec;

/// A job whose model stands beside its output.
fn work(reference: &str, dir: &Path, name: &str) -> JobSpec {
    let asked: Asked =
        serde_json::from_slice(&std::fs::read(refs().join(format!("{reference}.json"))).unwrap()).unwrap();
    let model = common::whole_golden_model(&asked.model, &dir.join("models"));
    JobSpec::new(asked.draft(), model, dir.join(name))
}

#[test]
fn the_same_frames_as_diffusers() {
    let worker = worker();
    for reference in ["pipeline_ti2v_text", "pipeline_ti2v_image", "pipeline_i2v_last", "pipeline_i2v"] {
        let dir = tempfile::tempdir().unwrap();
        let id = worker.submit(work(reference, dir.path(), "frames"));
        let events = events_of(&worker, id);
        let outcome = finished(&events);
        let golden = common::golden(reference);
        common::assert_same_frames(reference, &frames(&outcome.output), &golden.u8("frames"));
        let encoded =
            events.iter().any(|event| matches!(event, Event::StageFinished { stage: Stage::Image, .. }));
        assert_eq!(encoded, outcome.request.start_image.is_some(), "{reference}");
    }
}

#[test]
fn one_frame_and_no_prompt_are_enough() {
    let worker = worker();
    for reference in ["pipeline_i2v", "pipeline_ti2v_image"] {
        let dir = tempfile::tempdir().unwrap();
        let mut job = work(reference, dir.path(), "one");
        job.draft.frames = 1;
        job.output = dir.path().join("one.png");
        if reference == "pipeline_i2v" {
            job.draft.prompt.clear();
        }
        let id = worker.submit(job);
        finished(&events_of(&worker, id));
    }
}

#[test]
fn a_clip_goes_on_from_its_last_frame() {
    let dir = tempfile::tempdir().unwrap();
    let worker = worker();
    let first = work("pipeline_i2v", dir.path(), "first");
    let id = worker.submit(first.clone());
    let clip = finished(&events_of(&worker, id)).output.clone();
    let go_on = |image: Option<PathBuf>, clip: Option<PathBuf>, name: &str| {
        let mut job = work("pipeline_i2v", dir.path(), name);
        (job.draft.start_image, job.draft.continue_from) = (image, clip);
        let id = worker.submit(job);
        frames(&finished(&events_of(&worker, id)).output)
    };
    let last = clip.join("frame_0004.png");
    assert_eq!(go_on(None, Some(clip), "second"), go_on(Some(last), None, "same"));
}

#[test]
fn an_invalid_image_fails_before_the_first_stage() {
    let dir = tempfile::tempdir().unwrap();
    let worker = worker();
    let png = std::fs::read(refs().join("input.png")).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    for (path, words) in [
        (dir.path().join("gone.png"), "Cannot read"),
        (dir.path().to_path_buf(), "is a folder, not an image"),
        (file("cut.png", &png[..png.len() / 2]), "cannot be decoded"),
        (file("text.png", b"not an image at all"), "is not an image"),
        (file("clip.png", b"\0\0\0\x18ftypisom\0\0\0\0isom"), "is a video, not an image"),
    ] {
        let mut job = work("pipeline_i2v", dir.path(), "never");
        job.draft.start_image = Some(path);
        let id = worker.submit(job);
        let events = events_of(&worker, id);
        let Some(Event::Failed { error }) = events.last() else { panic!("{events:?}") };
        assert!(error.message.contains(words) && error.field_name() == Some("start_image"), "{error:#}");
        assert!(matches!(error.kind, Kind::Input | Kind::Io), "{error:#}");
        assert!(!events.iter().any(|event| matches!(event, Event::StageStarted { stage: Stage::Text })));
        assert!(!dir.path().join("never").exists());
    }
}
