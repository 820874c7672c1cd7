//! Limits that a run meets: memory as the system really refuses it, a wrong ONNX Runtime, a time limit.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::common;

/// The program on the shipped models, with `limit` KiB of address space.
fn limited(dir: &Path, limit: u32, args: &[&str]) -> Output {
    Command::new("sh")
        .args(["-c", &format!("ulimit -v {limit} && exec \"$@\""), "sh", env!("CARGO_BIN_EXE_wandeck")])
        .args(args)
        .env("WANDECK_DATA_DIR", dir)
        .env("MODELS_ROOT", Path::new(env!("CARGO_MANIFEST_DIR")).join("models"))
        // an arena reserves 64 MiB of addresses for each thread
        .env("MALLOC_ARENA_MAX", "1")
        .output()
        .unwrap()
}

fn events(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_real_lack_of_memory_in_the_decoder_is_met_with_smaller_tiles() {
    let dir = common::fresh_data_dir();
    let out = dir.path().join("a.mp4");
    let work = ["generate", "a red circle", "--model", "toy-t2v-A14B", "--seed", "1", "--steps", "2"];
    let size = ["--size", "256x256", "--frames", "5", "--guidance", "1.5", "--events", "-o"];
    // 256 pixels in one piece take some 600 MB, tiles of 128 some 450
    let run = limited(dir.path(), 500_000, &[&work[..], &size[..], &[out.to_str().unwrap()]].concat());
    let printed = events(&run);
    let of = |word: &str| printed.iter().filter(|event| event["event"] == word).collect::<Vec<_>>();
    let retries = of("retrying");
    assert!(!retries.is_empty(), "{}", String::from_utf8_lossy(&run.stderr));
    for retry in &retries {
        let message = retry["message"].as_str().unwrap();
        assert!(message.contains("Out of memory") && message.contains("use VAE tiles of "), "{message}");
    }
    let denoised = of("stage_started").iter().filter(|event| event["stage"] == "denoise_high").count();
    assert_eq!(denoised, 1, "the latents are kept");
    let finished = of("finished");
    let request = &finished[0]["outcome"]["request"];
    assert_eq!((&request["guidance"], &request["steps"]), (&1.5.into(), &2.into()), "as asked");
    assert!(out.exists() && run.status.success());
}

#[test]
fn a_wrong_runtime_is_said_once_and_not_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let run = common::program(dir.path())
        .args(["generate", "a red circle", "--model", "toy-t2v-A14B", "--events"])
        .env("ORT_DYLIB_PATH", dir.path().join("no-such-file.so"))
        .output()
        .unwrap();
    let printed = events(&run);
    assert!(printed.iter().all(|event| event["event"] != "retrying"), "{printed:?}");
    assert_eq!(printed.last().unwrap()["error"]["kind"], "runtime");
}

#[test]
fn the_peak_of_a_small_job_is_its_own_after_a_large_one() {
    let dir = common::fresh_data_dir();
    let program = |args: &[&str]| {
        let run = common::program(dir.path()).args(args).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        run.stdout
    };
    for (size, frames) in [("64x64", "5"), ("256x256", "9"), ("64x64", "5")] {
        let work = ["queue", "add", "a red circle", "--model", "toy-t2v-A14B", "--seed", "1", "--steps", "2"];
        program(&[&work[..], &["--size", size, "--frames", frames]].concat());
    }
    program(&["queue", "run"]);
    let tasks: Value = serde_json::from_slice(&program(&["tasks", "--json"])).unwrap();
    // the newest first
    let tasks = tasks.as_array().or_else(|| tasks["tasks"].as_array()).unwrap();
    let peaks: Vec<_> = tasks.iter().map(|task| task["peak_rss_mb"].as_f64().unwrap()).collect();
    let &[after, large, before] = &peaks[..] else { unreachable!("{peaks:?}") };
    assert!(large > 2.0 * before && after < 1.4 * before, "{peaks:?}");
    assert!(tasks[0]["checks"].as_array().is_some_and(|checks| !checks.is_empty()), "{}", tasks[0]);
}

#[test]
fn a_bad_number_is_retried_without_the_cache_and_a_damaged_cache_is_said() {
    let dir = common::fresh_data_dir();
    let generate = |name: &str, faults: &str| {
        let out = dir.path().join(name);
        let work = ["generate", "a red circle", "--model", "toy-t2v-A14B", "--seed", "1", "--steps", "4"];
        let size = ["--size", "64x64", "--frames", "5", "--events", "-o", out.to_str().unwrap()];
        let run = common::program(dir.path())
            .args([&work[..], &size].concat())
            .env("WANDECK_FAULTS", faults)
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        events(&run)
    };
    generate("a.mp4", "");
    let printed = generate("b.mp4", "not-finite@step:3");
    let retry = printed.iter().find(|event| event["event"] == "retrying").unwrap();
    let message = retry["message"].as_str().unwrap();
    assert!(
        message.ends_with("encode prompt and images again instead of using the cache, in 2 s"),
        "{message}"
    );
    let resumed = printed.iter().filter(|event| event["event"] == "resumed").count();
    assert_eq!(resumed, 1, "the embeddings were right, so the steps are kept");
    let tensors =
        std::fs::read_dir(dir.path().join("cache/tensors")).unwrap().map(|file| file.unwrap().path());
    for path in tensors.filter(|path| path.to_string_lossy().contains("text-")) {
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 0x10;
        std::fs::write(path, bytes).unwrap();
    }
    let printed = generate("c.mp4", "");
    let warned = |event: &Value| {
        event["message"].as_str().is_some_and(|text| text.contains("damaged file from the cache"))
    };
    assert!(printed.iter().any(|event| event["event"] == "warning" && warned(event)), "{printed:?}");
}

#[test]
fn a_lost_device_fails_its_job_without_a_retry() {
    let dir = common::fresh_data_dir();
    let out = dir.path().join("a.mp4");
    let work = ["generate", "a red circle", "--model", "toy-t2v-A14B", "--seed", "1", "--steps", "4"];
    let size = ["--size", "64x64", "--frames", "5", "--events", "-o", out.to_str().unwrap()];
    let run = Command::new(env!("CARGO_BIN_EXE_wandeck"))
        .args([&work[..], &size].concat())
        .env("WANDECK_DATA_DIR", dir.path())
        .env("MODELS_ROOT", Path::new(env!("CARGO_MANIFEST_DIR")).join("models"))
        .env("WANDECK_FAULTS", "device-lost@step:2")
        .output()
        .unwrap();
    let printed = events(&run);
    let failed = printed.iter().find(|event| event["event"] == "failed").unwrap();
    assert_eq!(failed["error"]["kind"], "device_lost", "{failed}");
    assert!(!printed.iter().any(|event| event["event"] == "retrying"), "{printed:?}");
    assert!(!out.exists());
}
