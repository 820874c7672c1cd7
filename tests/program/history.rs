//! What becomes of a job afterwards: recorded however it ended, shown, analysed, and found again from its video.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::common;

/// The program with a data folder of its own and the checkout's runtime.
fn wandeck(data: &Path, args: &[&str]) -> Command {
    let mut command = common::with_signals_as_in_a_terminal(Path::new(env!("CARGO_BIN_EXE_wandeck")));
    command
        .args(args)
        .env("WANDECK_DATA_DIR", data)
        .env("ORT_DYLIB_PATH", &common::runtime().info().path)
        .env_remove("MODELS_ROOT");
    command
}

fn run(data: &Path, args: &[&str]) -> Output {
    wandeck(data, args).output().unwrap()
}

/// The document of a command that must succeed.
fn document(data: &Path, args: &[&str]) -> Value {
    let run = run(data, &[args, &["--json"]].concat());
    assert!(run.status.success(), "{args:?}: {}", String::from_utf8_lossy(&run.stderr));
    serde_json::from_slice(&run.stdout).unwrap()
}

/// A short run of the shipped toy model.
fn generate(data: &Path, prompt: &str, more: &[&str]) -> Output {
    let fixed = ["generate", prompt, "--model", "toy-t2v-A14B", "--steps", "2", "--frames", "5"];
    run(data, &[&fixed[..], more].concat())
}

#[cfg(unix)]
#[test]
fn a_job_is_recorded_however_it_ended() {
    use std::io::BufRead as _;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    let output = data.join("mine.mp4");
    assert!(generate(data, "a red circle moves left", &["-o", output.to_str().unwrap()]).status.success());
    // what cannot be planned is refused and no job, what fails in its run is one
    assert_eq!(generate(data, "a green square", &["--size", "33x32"]).status.code(), Some(2));
    assert_eq!(generate(data, "a blue square", &["--lora", "/no/such.safetensors"]).status.code(), Some(2));
    let long = ["generate", "stopped", "--steps", "1000", "--events", "--timeout", "0"];
    let mut child = wandeck(data, &long).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("\"step\":1,")), "it runs");
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));

    let tasks = document(data, &["tasks", "5"]);
    let [stopped, failed, done] = tasks.as_array().unwrap().as_slice() else {
        panic!("three tasks: {tasks}")
    };
    let seen = |task: &Value, key: &str| task[key].clone();
    for (task, status, prompt) in [
        (stopped, "cancelled", "stopped"),
        (failed, "failed", "a blue square"),
        (done, "done", "a red circle moves left"),
    ] {
        assert_eq!((seen(task, "status"), seen(task, "prompt")), (json!(status), json!(prompt)));
        assert_eq!(seen(task, "model"), json!("toy-t2v-A14B"));
        assert_eq!(task["request"]["prompt"], json!(prompt));
        assert!(task["ended"].as_i64().unwrap() >= task["started"].as_i64().unwrap());
    }
    assert_eq!(seen(done, "output"), json!(output));
    assert_eq!((seen(done, "mode"), seen(done, "provider")), (json!("t2v"), json!("cpu")));
    assert_eq!((done["steps"].as_array().unwrap().len(), &done["request"]["steps"]), (2, &json!(2)));
    assert!(done["peak_rss_mb"].as_f64().unwrap() > 1.0 && done["generation_time_s"].as_f64().unwrap() > 0.0);
    assert!(done["estimated_peak_mb"].as_f64().unwrap() > 1.0, "{done}");
    assert!(!done["stages"].as_array().unwrap().is_empty() && done["model_fingerprint"].is_string());
    assert_eq!(failed["error"]["category"], "input_validation");
    assert_eq!(failed["error"]["recovery"], json!(["edit_request"]));
    assert!(failed["error"]["remedy"].as_str().unwrap().contains(".safetensors"), "{failed}");

    assert_eq!(
        failed["error"]["suggestions"].as_array().unwrap().last(),
        Some(&json!("Change the setting that the error names"))
    );

    assert!(!stopped["steps"].as_array().unwrap().is_empty(), "what it had done is kept");
    assert_eq!((seen(stopped, "provider"), seen(stopped, "precision")), (json!("cpu"), json!("fp32")));
    assert_eq!(stopped["stages"].as_array().unwrap().last().unwrap()["name"], "denoise_high", "{stopped}");
    assert!(done["checks"].as_array().unwrap().iter().all(|check| check["passed"] == true), "{done}");

    let analysis = document(data, &["analysis", "1"]);
    assert_eq!((&analysis["counts"]["done"], &analysis["success_rate"]), (&json!(1), &json!(1.0)));
    // an input mistake is no failure
    let counts = &analysis["counts"];
    assert_eq!((&counts["failures"], &counts["invalid"]), (&json!({}), &json!(1)));
    assert!(analysis["bottleneck"].as_str().unwrap().contains(" % of "), "{analysis}");
    let status = document(data, &["status"]);
    assert_eq!(status["runtime"]["version"], json!("1.31.1"));
    assert_eq!((status["tasks"].as_array().unwrap().len(), &status["counts"]["failed"]), (3, &json!(0)));
    // stored in UTC, shown in the person's zone
    let in_zone = |zone: &str| {
        let listed = wandeck(data, &["tasks", "1"]).env("TZ", zone).output().unwrap();
        String::from_utf8(listed.stdout).unwrap().lines().nth(1).unwrap()[..16].to_owned()
    };
    assert_ne!(in_zone("UTC"), in_zone("Asia/Kolkata"));
    let table = String::from_utf8(run(data, &["tasks", "2"]).stdout).unwrap();
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(table.contains("cancelled") && table.contains("does not exist"), "{table}");
}

#[test]
fn the_history_is_found_again_from_the_videos() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    let frames = data.join("outputs/deeper/frames");
    let elsewhere = dir.path().join("elsewhere/a.gif");
    assert!(generate(data, "a red circle moves left", &["--seed", "7"]).status.success());
    assert!(generate(data, "a green square moves up", &["-o", frames.to_str().unwrap()]).status.success());
    assert!(generate(data, "a blue triangle", &["-o", elsewhere.to_str().unwrap()]).status.success());
    std::fs::write(data.join("outputs/not ours.mp4"), b"no video").unwrap();
    let before = document(data, &["tasks", "9"]);
    assert_eq!(document(data, &["tasks", "9", "--rebuild"]), before, "nothing is added to what is known");

    for name in ["history.sqlite", "history.sqlite-wal", "history.sqlite-shm"] {
        drop(std::fs::remove_file(data.join(name)));
    }
    assert_eq!(document(data, &["tasks", "9"]), json!([]));
    let folder = elsewhere.parent().unwrap().to_str().unwrap();
    let after = document(data, &["tasks", "9", "--rebuild", "--in", folder]);
    let sorted = |tasks: &Value| {
        let mut tasks = tasks.as_array().unwrap().clone();
        tasks.sort_by_key(|task| task["prompt"].to_string());
        tasks
    };
    let (before, after) = (sorted(&before), sorted(&after));
    assert_eq!((before.len(), after.len()), (3, 3));
    for (old, new) in before.iter().zip(&after) {
        for key in [
            "status",
            "prompt",
            "mode",
            "model",
            "model_fingerprint",
            "request",
            "output",
            "provider",
            "precision",
        ] {
            assert_eq!(old[key], new[key], "{key}");
        }
        let apart = old["ended"].as_i64().unwrap() - new["ended"].as_i64().unwrap();
        assert!(apart.abs() <= 2, "{apart} s");
    }
    let again = document(data, &["tasks", "9", "--rebuild", "--in", folder]);
    assert_eq!(sorted(&again), after, "the same files are the same tasks");
}

#[test]
fn a_damaged_history_stops_no_video_and_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    std::fs::write(data.join("history.sqlite"), b"certainly no database").unwrap();
    let made = generate(data, "a red circle", &[]);
    assert!(made.status.success());
    let printed = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(printed.contains("history was damaged") && printed.contains("tasks --rebuild"), "{printed}");
    assert!(data.join("history.sqlite.damaged-1").is_file());
    assert_eq!(document(data, &["tasks", "9"]).as_array().unwrap().len(), 1);
}

#[test]
fn settings_are_shown_changed_and_used() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    let path = document(data, &["settings", "path"])["path"].clone();
    assert_eq!(path, json!(data.join("settings.ron")));
    assert_eq!(document(data, &["settings", "show"])["settings"]["errors"]["timeout_s"], json!(0));
    assert!(run(data, &["settings", "set", "errors.timeout_s", "1"]).status.success());
    let late = run(data, &["generate", "a", "--steps", "1000", "--json"]);
    let printed: Value = serde_json::from_slice(&late.stdout).unwrap();
    let error = &printed["error"];
    assert_eq!((&error["kind"], late.status.code()), (&json!("input"), Some(2)), "{printed}");
    assert!(error["message"].as_str().unwrap().starts_with("The time limit is 1.0 s"), "{printed}");
    assert!(error["remedy"].as_str().unwrap().contains("use no time limit"), "{printed}");
    assert_eq!(run(data, &["settings", "set", "errors.timeout_s", "soon"]).status.code(), Some(2));

    let broken = "(\n  errors: (\n    timeout_s: soon,\n  ),\n)";
    std::fs::write(data.join("settings.ron"), broken).unwrap();
    let shown = run(data, &["settings", "show"]);
    assert!(String::from_utf8_lossy(&shown.stderr).contains("line 3"));
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let is_default = |line: &str| line.split_whitespace().eq(["errors.timeout_s", "0"]);
    assert!(shown.lines().any(is_default), "{shown}");
    assert_eq!(run(data, &["settings", "set", "errors.timeout_s", "5"]).status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(data.join("settings.ron")).unwrap(), broken, "it is kept");
}

#[test]
fn the_doctor_finds_what_is_wrong_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    let findings = |run: &Output| {
        let document: Value = serde_json::from_slice(&run.stdout).unwrap();
        let level = |subject: &str| {
            let of = |finding: &&Value| finding["subject"] == *subject;
            document["findings"].as_array().unwrap().iter().find(of).map(|finding| finding["level"].clone())
        };
        ["data folder", "settings", "history", "ONNX Runtime", "video"].map(level)
    };
    let well = run(data, &["doctor", "--json"]);
    assert_eq!(
        findings(&well),
        [(); 5].map(|()| Some(json!("ok"))),
        "{}",
        String::from_utf8_lossy(&well.stdout)
    );
    assert_eq!(well.status.code(), Some(0));
    assert_eq!(document(data, &["tasks"]), json!([]), "its video is not a job of the person");

    std::fs::write(data.join("settings.ron"), "(generation: (retries: many))").unwrap();
    let ill = run(data, &["doctor", "--json"]);
    assert_eq!(findings(&ill)[1], Some(json!("problem")));
    assert_eq!(ill.status.code(), Some(1));
    let printed = String::from_utf8(run(data, &["doctor"]).stdout).unwrap();
    assert!(printed.contains("PROBLEM  settings") && printed.contains("Correct the file"), "{printed}");
}
