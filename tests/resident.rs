//! Sessions that stay loaded between jobs: they load nothing twice, change no byte, and go when something else comes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use common::{TestWorker, events_of, finished};
use wandeck::core::{Draft, Event, Faults, Outcome, Resolution, Stage, WeightsChoice};
use wandeck::jobs::JobSpec;
use wandeck::presets;
use wandeck::queue::QueueCommand;
use wandeck::queue::Scope;
use wandeck::worker::{Worker, WorkerOptions};

/// The networks of the toy: text encoder, two transformers, VAE decoder.
const ALL: u32 = 4;

fn draft(prompt: &str) -> Draft {
    let preset = presets::by_name("toy-t2v").unwrap().draft(prompt);
    Draft { size: Resolution::new(64, 64), frames: 5, steps: 4, seed: 1, ..preset }
}

fn toy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B")
}

/// A job on `model` without previews, which load the VAE encoder.
fn job(dir: &Path, name: &str, model: &Path, prompt: &str) -> JobSpec {
    JobSpec { preview: false, ..JobSpec::new(draft(prompt), model.to_path_buf(), dir.join(name)) }
}

fn run(worker: &TestWorker, job: JobSpec) -> Vec<Event> {
    let id = worker.submit(job);
    events_of(worker, id)
}

fn outcome(worker: &TestWorker, job: JobSpec) -> Outcome {
    finished(&run(worker, job)).clone()
}

fn loaded(outcome: &Outcome) -> u32 {
    outcome.sessions_loaded.unwrap()
}

#[test]
fn a_second_job_loads_nothing_and_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let worker = common::worker();
    let first = outcome(&worker, job(dir.path(), "first.mp4", &toy(), "a red circle moves right"));
    assert_eq!(loaded(&first), ALL, "{:?}", first.optimizations);
    // other words, so that the text encoder works again
    let second = outcome(&worker, job(dir.path(), "second.mp4", &toy(), "a blue square moves left"));
    assert_eq!(loaded(&second), 0, "{:?}", second.optimizations);
    let left = second.optimizations.iter().filter(|text| text.contains("still loaded from an earlier job"));
    assert_eq!(left.count(), ALL as usize, "{:?}", second.optimizations);
    let alone = outcome(&common::worker(), job(dir.path(), "alone.mp4", &toy(), "a blue square moves left"));
    assert_eq!(loaded(&alone), ALL);
    let bytes = |outcome: &Outcome| common::frames(&outcome.output);
    assert_eq!(bytes(&second), bytes(&alone));
    assert_ne!(bytes(&first), bytes(&second));
}

#[test]
fn a_changed_file_and_another_model_are_loaded_anew() {
    let dir = tempfile::tempdir().unwrap();
    let [copy, other] = ["copy", "other"].map(|name| dir.path().join(name));
    for folder in [&copy, &other] {
        common::copy_all(&toy(), folder);
    }
    let worker = common::worker();
    let mut count = 0;
    let mut run = |model: &Path| {
        count += 1;
        let prompt = format!("a red circle, number {count}");
        loaded(&outcome(&worker, job(dir.path(), &format!("{count}.mp4"), model, &prompt)))
    };
    assert_eq!([run(&copy), run(&copy)], [ALL, 0]);
    // the same numbers in a file that was written again
    let weights = weights_of(&copy.join("transformer"));
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, bytes).unwrap();
    assert_eq!([run(&copy), run(&copy)], [1, 0], "only the transformer changed");
    // the same bytes in another folder are another model, and it frees the first
    assert_eq!([run(&other), run(&other), run(&copy)], [ALL, 0, ALL]);
}

#[test]
fn a_file_that_changed_since_the_last_run_is_named_once() {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy");
    common::copy_all(&toy(), &copy);
    let worker = common::worker();
    let warned = |name: &str| -> Vec<String> {
        let all = outcome(&worker, job(dir.path(), name, &copy, "a red circle moves right")).warnings;
        all.into_iter().filter(|text| text.contains("has changed since it was last used")).collect()
    };
    assert_eq!(warned("first.mp4"), [""; 0]);
    let weights = weights_of(&copy.join("transformer"));
    std::fs::write(&weights, std::fs::read(&weights).unwrap()).unwrap();
    let named = warned("second.mp4");
    assert!(named.len() == 1 && named[0].ends_with(&weights.display().to_string()), "{named:?}");
    assert_eq!(warned("third.mp4"), [""; 0]);
}

/// The file of safetensors in a folder.
fn weights_of(folder: &Path) -> PathBuf {
    let mut files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.extension().is_some_and(|ext| ext == "safetensors")).unwrap()
}

#[test]
fn weights_that_are_read_in_place_stay_valid() {
    let dir = tempfile::tempdir().unwrap();
    let worker = common::worker();
    let in_place = |name: &str| {
        let job = job(dir.path(), name, &toy(), "a red circle moves right");
        let draft = Draft { weights: WeightsChoice::InPlace, ..job.draft.clone() };
        JobSpec { draft, ..job }
    };
    let [first, second] = ["first.mp4", "second.mp4"].map(|name| outcome(&worker, in_place(name)));
    assert_eq!(loaded(&second), 0, "{:?}", second.optimizations);
    assert_eq!(common::frames(&first.output), common::frames(&second.output));
    // packed weights are another session
    let packed = outcome(&worker, job(dir.path(), "packed.mp4", &toy(), "a green circle"));
    assert_eq!(loaded(&packed), ALL);
}

/// A job whose weights are read a block at a time makes the video of one whose weights are all loaded, and says so.
#[test]
fn streamed_weights_give_the_same_bytes_on_the_cpu() {
    let dir = tempfile::tempdir().unwrap();
    let with = |name: &str, weights| {
        let job = job(dir.path(), name, &toy(), "a red circle moves right");
        let draft = Draft { weights, ..job.draft.clone() };
        outcome(&common::worker(), JobSpec { draft, ..job })
    };
    let streamed = with("streamed.mp4", WeightsChoice::Streamed);
    let said = |component: &str| {
        let words =
            format!("The {component}'s weights are read from their files in every pass, a block at a time");
        streamed.optimizations.iter().any(|said| said.starts_with(&words))
    };
    assert!(said("text encoder") && said("transformer"), "{:?}", streamed.optimizations);
    let packed = with("packed.mp4", WeightsChoice::Packed);
    assert_eq!(common::frames(&streamed.output), common::frames(&packed.output));
}

#[test]
fn a_failure_and_a_pause_that_frees_memory_drop_everything() {
    let dir = tempfile::tempdir().unwrap();
    let data = common::fresh_data_dir();
    let faults = Faults::default();
    let options = WorkerOptions {
        faults: faults.clone(),
        back_off: Duration::from_millis(1),
        ..WorkerOptions::new("a test", Scope::Everything)
    };
    let worker = Worker::start(data.path().into(), options, Arc::new(|| {})).unwrap();
    let submit = |name: &str, prompt: &str| {
        worker.submit(job(dir.path(), name, &toy(), prompt)).unwrap().recv().unwrap().unwrap()
    };
    let first = submit("1.mp4", "a red circle");
    assert_eq!(loaded(finished(&events_of(&worker, first))), ALL);

    faults.add("out-of-memory@step:2").unwrap();
    let second = submit("2.mp4", "a green circle");
    let events = events_of(&worker, second);
    let retried = finished(&events);
    // the prompt's embedding is known from the attempt that failed
    assert_eq!((retried.retries, loaded(retried)), (1, ALL - 1), "{:?}", retried.optimizations);

    faults.add("slow@step:3=2000").unwrap();
    let third = submit("3.mp4", "a blue circle");
    let until = |wanted: &dyn Fn(&Event) -> bool| {
        while !wanted(&worker.events().recv_timeout(common::PATIENCE).unwrap().1) {}
    };
    until(&|event| matches!(event, Event::Step { stage: Stage::DenoiseHigh | Stage::DenoiseLow, .. }));
    worker.command(QueueCommand::Pause { id: third, keep_memory: false }).unwrap();
    until(&|event| matches!(event, Event::Interrupted { .. }));
    worker.command(QueueCommand::Resume(third)).unwrap();
    let events = events_of(&worker, third);
    // the transformers that are left and the decoder, but not one that an earlier job left
    let resumed = finished(&events);
    assert!(loaded(resumed) >= 2, "{:?}", resumed.optimizations);
    let is_left = |text: &String| text.contains("still loaded from an earlier job");
    assert!(!resumed.optimizations.iter().any(is_left), "{:?}", resumed.optimizations);
}

#[test]
fn prompts_of_queued_jobs_are_encoded_while_the_text_encoder_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let worker = common::worker();
    worker.command(QueueCommand::PauseAll).unwrap();
    let other = dir.path().join("other");
    common::copy_all(&toy(), &other);
    let [red, blue, green] = ["a red circle", "a blue square", "a green triangle"];
    let first = worker.submit(job(dir.path(), "first.mp4", &toy(), red));
    // another model has a text encoder of its own, whatever is in its files
    let elsewhere = worker.submit(job(dir.path(), "other.mp4", &other, green));
    let second = worker.submit(job(dir.path(), "second.mp4", &toy(), blue));
    worker.command(QueueCommand::ResumeAll).unwrap();
    let ahead = |events: &[Event]| -> Vec<String> {
        let note = |event: &Event| match event {
            Event::Note { message } if message.contains("of queued jobs ahead") => Some(message.clone()),
            _ => None,
        };
        events.iter().filter_map(note).collect()
    };
    let kept = |events: &[Event]| {
        finished(events).optimizations.iter().filter(|text| text.contains("embedding was kept")).count()
    };
    let events = events_of(&worker, first);
    let notes = ahead(&events);
    assert!(notes.len() == 1 && notes[0].starts_with("Encoded 1 prompt "), "{notes:?}");
    assert_eq!(kept(&events), 0);
    let events = events_of(&worker, elsewhere);
    assert_eq!((ahead(&events), kept(&events)), (Vec::new(), 0));
    let events = events_of(&worker, second);
    assert_eq!((ahead(&events), kept(&events)), (Vec::new(), 2), "prompt and negative prompt");
    let alone = outcome(&common::worker(), job(dir.path(), "alone.mp4", &toy(), blue));
    assert_eq!(common::frames(&finished(&events).output), common::frames(&alone.output));
}
