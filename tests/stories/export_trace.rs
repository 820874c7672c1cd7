//! The trace of a job is exported in the window, and another program reads it.

use std::path::{Path, PathBuf};

use serde_json::Value;
use wandeck::library::PerformanceStore;

use crate::common;
use crate::trace;
use crate::window::Window;

fn traces(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.to_string_lossy().ends_with(".trace.json")).collect()
}

#[test]
fn the_trace_of_a_job_has_its_stages_and_steps() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    // long enough for samples
    window.add_job("a red circle", "60");
    window.wait_for_ends(1);
    let stages: Vec<_> = window.outcome().stages.iter().map(|stage| stage.name.to_string()).collect();
    window.wait("the record of the job", |_| !PerformanceStore::new(data_dir.path()).list().is_empty());
    window.click_when_there("This job");
    window.click_when_there("Export");
    window.click_when_there("Trace…");
    let outputs = data_dir.path().join("outputs");
    window.wait("the file is said", |window| {
        window.notifications().iter().any(|text| text.contains(".trace.json"))
    });
    let [path] = <[PathBuf; 1]>::try_from(traces(&outputs)).unwrap();
    let document: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let events = document["traceEvents"].as_array().unwrap();
    let spans: Vec<_> = events.iter().filter(|event| event["ph"] == "X").collect();
    for stage in &stages {
        let named = spans.iter().filter(|span| span["name"] == stage.as_str());
        assert!(named.clone().all(|span| span["dur"].as_i64().is_some_and(|length| length >= 0)), "{stage}");
        assert!(named.count() > 0, "{stage} is not in {path:?}");
    }
    let steps =
        spans.len() - spans.iter().filter(|span| stages.iter().any(|stage| span["name"] == **stage)).count();
    assert!(steps >= 60, "{steps} steps of 60");
    assert!(events.iter().any(|event| event["ph"] == "C"), "there is no measurement");
    trace::check_with_python(&path, None);
}
