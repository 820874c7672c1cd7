//! What is measured while real jobs run, and what the command line shows of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![cfg(unix)]

mod common;
#[path = "common/trace.rs"]
mod trace_reader;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use wandeck::core::{Draft, Event, Stage};
use wandeck::jobs::JobSpec;
use wandeck::library::{Diagnosis, PerformanceStore};
use wandeck::monitor::{HostMetric, Monitor, SampleRate, stage_rates, trace};
use wandeck::presets;
use wandeck::queue::Scope;
use wandeck::worker::{Worker, WorkerOptions};

/// A short run of the shipped toy model.
fn toy_job(output: PathBuf) -> JobSpec {
    let preset = presets::by_name("toy-t2v").unwrap().draft("a red circle moves right");
    let draft = Draft { seed: 7, ..preset };
    JobSpec::new(draft, Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B"), output)
}

#[test]
fn a_job_leaves_a_timeline_with_its_stages() {
    let dir = common::fresh_data_dir();
    let monitor = Monitor::start(SampleRate::FASTEST).unwrap();
    let options = WorkerOptions { monitor: Some(monitor), ..WorkerOptions::new("a test", Scope::Own) };
    let worker = Worker::start(dir.path().to_path_buf(), options, Arc::new(|| {})).unwrap();
    let mut job = toy_job(dir.path().join("a.mp4"));
    // long enough for samples in every stage
    job.draft.steps = 60;
    let id = worker.submit(job).unwrap().recv().unwrap().unwrap();
    let outcome = loop {
        match worker.events().recv_timeout(common::PATIENCE).unwrap() {
            (of, Event::Finished { outcome }) if of == id => break outcome,
            (_, event) => assert!(!event.is_terminal(), "{event:?}"),
        }
    };
    // the record is written after the last event
    drop(worker);
    let store = PerformanceStore::new(dir.path());
    let recorded = store.list();
    assert_eq!(recorded.len(), 1);
    let timeline = store.load(&recorded[0].uid).unwrap().unwrap();
    let recorded_stages: Vec<_> = timeline.track.stages.iter().map(|span| span.stage).collect();
    assert_eq!(recorded_stages, outcome.stages.iter().map(|stage| stage.name).collect::<Vec<_>>());
    for span in &timeline.track.stages {
        assert!(span.ended.unwrap() >= span.began, "{span:?}");
    }
    let denoises = |stage| matches!(stage, Stage::DenoiseHigh | Stage::DenoiseLow);
    let steps: Vec<_> = timeline.track.steps.iter().filter(|step| denoises(step.stage)).collect();
    assert_eq!(steps.len(), outcome.steps.len());
    assert!(!timeline.samples.is_empty());
    assert!(timeline.samples.iter().any(|sample| sample.host(HostMetric::ProcessMemory) > Some(1e6)));
    assert!(Diagnosis::of(&timeline).is_some());
    let forecast = timeline.track.forecast_of(Stage::DenoiseLow).unwrap();
    assert!(forecast.operations.unwrap() > 1e6 && forecast.memory.unwrap().0 > 1 << 20, "{forecast:?}");
    assert_eq!(forecast.seconds, None, "nothing was run here before");
    let rates = stage_rates(&timeline.track);
    assert!(rates.iter().any(|rate| rate.stage == Stage::DenoiseLow && rate.flops > 1e6), "{rates:?}");
    assert!(timeline.samples.iter().any(|sample| sample.host(HostMetric::Weights) > Some(1e6)));

    let text = trace(&timeline.machine, std::slice::from_ref(&timeline.track), &timeline.samples);
    let path = dir.path().join("trace.json");
    std::fs::write(&path, text).unwrap();
    trace_reader::check_with_python(&path, Some(timeline.track.stages.len() + timeline.track.steps.len()));
}

#[test]
fn the_command_line_measures_in_json() {
    let dir = tempfile::tempdir().unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_wandeck"))
        .args(["monitor", "1", "--json", "--data-dir"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    let document: Value = serde_json::from_slice(&done.stdout).unwrap();
    let samples = document["samples"].as_array().unwrap();
    assert_eq!(samples.len(), 1);
    assert!(samples[0]["process_memory"].as_f64().unwrap() > 1e6);
    assert_eq!(
        samples[0]["cores"].as_array().unwrap().len() as u64,
        document["machine"]["cores"].as_u64().unwrap()
    );
    let devices = document["machine"]["devices"].as_array().unwrap();
    assert_eq!(devices.is_empty(), document["machine"]["no_device"].is_string(), "its absence is said");
}

#[test]
fn the_command_line_measures_the_peak_speed_and_says_it_later() {
    let dir = common::fresh_data_dir();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wandeck"));
        let done = command.args(arguments).arg("--data-dir").arg(dir.path()).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).unwrap()
    };
    let peak: Value = serde_json::from_str(&run(&["monitor", "--calibrate", "--json"])).unwrap();
    assert!(peak["flops"].as_f64().unwrap() > 1e8, "{peak}");
    assert_eq!(peak["provider"], "cpu");
    let table = run(&["monitor", "2"]);
    assert!(table.contains("Peak speed ") && table.contains("Energy: "), "{table}");
    let status = run(&["status"]);
    assert!(status.contains("Machine       ") && status.contains("CPU "), "{status}");
    let status: Value = serde_json::from_str(&run(&["status", "--json"])).unwrap();
    assert_eq!(status["machine"]["cores"], peak["cores"]);
    let analysis: Value = serde_json::from_str(&run(&["analysis", "24", "--json"])).unwrap();
    assert_eq!(analysis["measured"]["num_jobs"], 0);
}

#[test]
fn a_profiled_job_leaves_one_trace_with_the_operations_in_its_stages() {
    let dir = common::fresh_data_dir();
    let monitor = Monitor::start(SampleRate::FASTEST).unwrap();
    let options =
        WorkerOptions { monitor: Some(monitor), profile: true, ..WorkerOptions::new("a test", Scope::Own) };
    let worker = Worker::start(dir.path().to_path_buf(), options, Arc::new(|| {})).unwrap();
    let id = worker.submit(toy_job(dir.path().join("a.mp4"))).unwrap().recv().unwrap().unwrap();
    loop {
        match worker.events().recv_timeout(common::PATIENCE).unwrap() {
            (of, Event::Finished { .. }) if of == id => break,
            (_, event) => assert!(!event.is_terminal(), "{event:?}"),
        }
    }
    // the trace is written after the last event
    drop(worker);
    let store = PerformanceStore::new(dir.path());
    let uid = store.list()[0].uid.clone();
    let track = store.load(&uid).unwrap().unwrap().track;
    let networks: Vec<_> = track.profiles.iter().map(|file| file.network.as_str()).collect();
    assert!(networks.contains(&"transformer") && networks.contains(&"VAE decoder"), "{networks:?}");
    let path = dir.path().join("performance/profiles").join(&uid).join("trace.json");
    let document: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let events = document["traceEvents"].as_array().unwrap();
    let of = |name: &str| events.iter().find(|event| event["name"] == name).unwrap().clone();
    let time = |event: &Value, field: &str| event[field].as_i64().unwrap();
    let decode = of("Decode");
    let (from, to) = (time(&decode, "ts"), time(&decode, "ts") + time(&decode, "dur"));
    let runs = events
        .iter()
        .filter(|event| event["args"]["network"] == "VAE decoder" && event["name"] == "model_run")
        .collect::<Vec<_>>();
    assert!(!runs.is_empty());
    for run in runs {
        let (began, ended) = (time(run, "ts"), time(run, "ts") + time(run, "dur"));
        // the two clocks are matched when a session is made
        assert!(
            began >= from - 1_000_000 && ended <= to + 1_000_000,
            "{began}..{ended} is not in {from}..{to}"
        );
    }
    trace_reader::check_with_python(&path, Some(track.stages.len() + track.steps.len()));
}

/// Prints the time of a toy job with and without measuring. Two workers do not measure: what they differ by is noise.
#[test]
#[ignore = "a measurement, not a check"]
fn the_cost_of_recording_a_job() {
    let dir = common::fresh_data_dir();
    let monitor = Monitor::start(SampleRate::new(2)).unwrap();
    let workers = [None, None, Some(monitor)].map(|monitor| {
        let options = WorkerOptions { monitor, ..WorkerOptions::new("a test", Scope::Own) };
        Worker::start(dir.path().to_path_buf(), options, Arc::new(|| {})).unwrap()
    });
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..13 {
        for turn in 0..3 {
            // each of them is first, second and last
            let index = (round + turn) % 3;
            let (worker, times) = (&workers[index], &mut times[index]);
            let mut job = toy_job(dir.path().join("a.mp4"));
            job.draft.seed = round as u64;
            job.draft.steps = 40;
            let id = worker.submit(job).unwrap().recv().unwrap().unwrap();
            loop {
                let (of, event) = worker.events().recv_timeout(common::PATIENCE).unwrap();
                if let (true, Event::Finished { outcome }) = (of == id, &event) {
                    times.push(outcome.generation_time_s.0);
                    break;
                }
                assert!(!event.is_terminal(), "{event:?}");
            }
        }
    }
    for (what, times) in ["not measured", "not measured", "measured"].iter().zip(&mut times) {
        // the first one loads the runtime
        times.remove(0);
        times.sort_by(f64::total_cmp);
        println!("{what}: median {:.4} s, fastest {:.4} s", times[times.len() / 2], times[0]);
    }
}
