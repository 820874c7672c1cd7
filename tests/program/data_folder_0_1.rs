//! A data folder of version 0.1 opens without losing anything: jobs, history, resume points, latents, videos.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::common;

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn expected(name: &str) -> Value {
    serde_json::from_slice(&fs::read(fixture(name)).unwrap()).unwrap()
}

/// Unpacks the data folder; paths in its journal that point into the home of its maker point to `dir` afterwards.
fn unpacked() -> TempDir {
    let dir = common::fresh_data_dir();
    let unpacked =
        Command::new("tar").arg("-xzf").arg(fixture("data-folder-0.1.tar.gz")).current_dir(&dir).status();
    assert!(unpacked.unwrap().success());
    for part in fs::read_dir(dir.path().join("data")).unwrap().map(|part| part.unwrap()) {
        fs::rename(part.path(), dir.path().join(part.file_name())).unwrap();
    }
    dir
}

fn rewrite_paths(dir: &Path) {
    let journal = dir.join("queue/journal");
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let old = fs::read_to_string(&journal).unwrap();
    let lines = old.lines().map(|line| {
        let json = line[9..].replace("/home/user/models", models.to_str().unwrap());
        let json = json.replace("/home/user/videos", dir.join("videos").to_str().unwrap());
        format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()))
    });
    let lines: String = lines.collect();
    fs::write(journal, lines).unwrap();
}

fn wandeck(dir: &Path, args: &[&str]) -> Output {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    Command::new(env!("CARGO_BIN_EXE_wandeck"))
        .args(args)
        .arg("--models-dir")
        .arg(models)
        .env("WANDECK_DATA_DIR", dir)
        .output()
        .unwrap()
}

fn json(dir: &Path, args: &[&str]) -> Value {
    let output = wandeck(dir, args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("damaged"));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The word of today for a status in a queue of version 0.1.
fn word(status: &Value) -> &str {
    match status {
        Value::String(word) if word == "waiting" => "queued",
        Value::String(word) if word == "held" => "paused",
        // the program that ran it is gone
        status if status["running"].is_object() => "interrupted",
        status => status["ended"]["task"]["status"].as_str().unwrap(),
    }
}

#[test]
fn jobs_and_history_are_the_same_in_order_and_state() {
    let dir = unpacked();
    let (old, new) = (expected("data-folder-0.1.queue.json"), json(dir.path(), &["queue", "list", "--json"]));
    let old_jobs = old["jobs"].as_array().unwrap();
    let new_jobs = new["jobs"].as_array().unwrap();
    assert_eq!(old_jobs.len(), new_jobs.len());
    for (old, new) in old_jobs.iter().zip(new_jobs) {
        let job = &old["job"];
        assert_eq!((&job["id"], &job["uid"]), (&new["id"], &new["uid"]));
        assert_eq!(word(&old["status"]), new["status"], "{new}");
        assert_eq!(job["created"], new["created"]);
        let work = &job["work"];
        for (old, new) in [("priority", "priority"), ("model", "model_folder"), ("timeout_s", "timeout_s")]
            .map(|(old_name, new_name)| (&work[old_name], &new[new_name]))
        {
            assert_eq!(old, new);
        }
        for name in ["prompt", "seed", "steps", "frames", "size", "guidance", "sampler"] {
            assert_eq!(work["draft"][name], new["draft"][name], "{name}");
        }
    }
    let (old, new) = (expected("data-folder-0.1.tasks.json"), json(dir.path(), &["tasks", "--json"]));
    let (old, new) = (old.as_array().unwrap(), new.as_array().unwrap());
    assert_eq!(old.len(), new.len());
    for (old, new) in old.iter().zip(new) {
        for name in
            ["id", "job", "status", "created", "started", "ended", "prompt", "output", "steps", "stages"]
        {
            assert_eq!(old[name], new[name], "{name}");
        }
        assert_eq!(old["generation_time_s"], new["generation_time_s"]);
    }
    // the first change makes it a journal of version 2
    assert!(wandeck(dir.path(), &["queue", "move", "8", "--before", "7"]).status.success());
    let journal = fs::read_to_string(dir.path().join("queue/journal")).unwrap();
    assert!(journal.lines().next().unwrap().ends_with(r#"{"wandeck_journal":2}"#));
    let moved = json(dir.path(), &["queue", "list", "--json"]);
    let ids: Vec<_> = moved["jobs"].as_array().unwrap().iter().map(|job| job["id"].clone()).collect();
    assert_eq!(ids[5..], [6, 8, 7].map(Value::from));
}

#[test]
fn the_interrupted_job_resumes_from_its_resume_point() {
    let dir = unpacked();
    rewrite_paths(dir.path());
    for job in ["7", "8"] {
        assert!(wandeck(dir.path(), &["queue", "cancel", job]).status.success());
    }
    let run = wandeck(dir.path(), &["queue", "run"]);
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success() && said.contains("after step 448 of 900"), "{said}");
    let list = json(dir.path(), &["queue", "list", "--json"]);
    let jobs = list["jobs"].as_array().unwrap();
    assert!(jobs.iter().any(|job| job["id"] == 6 && job["status"] == "done"), "{list}");
}

#[test]
fn an_interrupted_job_says_that_its_model_is_missing() {
    let dir = unpacked();
    for job in ["7", "8"] {
        assert!(wandeck(dir.path(), &["queue", "cancel", job]).status.success());
    }
    let run = wandeck(dir.path(), &["queue", "run"]);
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success() && said.contains("/home/user/models/toy-t2v-A14B"), "{said}");
}

#[test]
fn a_video_made_again_from_its_record_has_the_same_bytes() {
    let dir = unpacked();
    let (red, again) = (dir.path().join("videos/red.mp4"), dir.path().join("again.mp4"));
    let args = ["generate", "--from", red.to_str().unwrap(), "-o", again.to_str().unwrap(), "--json"];
    let document = json(dir.path(), &args);
    let differences = document["reproduction"]["differences"].as_array().unwrap();
    assert!(differences.is_empty(), "{differences:?}");
    assert!(fs::read(&red).unwrap() == fs::read(&again).unwrap());
}
