//! `wandeck compare`, and what a step cache says of its full run.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::common;

fn run(data: &Path, args: &[&str]) -> Output {
    common::program(data).args(args).output().unwrap()
}

fn document(data: &Path, args: &[&str]) -> Value {
    let run = run(data, &[args, &["--json"]].concat());
    assert!(run.status.success(), "{args:?}: {}", String::from_utf8_lossy(&run.stderr));
    serde_json::from_slice(&run.stdout).unwrap()
}

/// Makes a toy video; returns what was printed on standard error.
fn generate(data: &Path, name: &str, more: &[&str]) -> String {
    let output = data.join(name);
    let fixed = ["generate", "a red circle moves right", "--preset", "toy-t2v", "--seed", "3", "-o"];
    let run = run(data, &[&fixed[..], &[output.to_str().unwrap()], more].concat());
    let printed = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success(), "{printed}");
    printed
}

#[test]
fn differing_settings_times_and_differences_are_printed() {
    let folder = common::fresh_data_dir();
    let data = folder.path();
    let small = ["--frames", "5", "--steps", "12"];
    let printed = generate(data, "full.mp4", &small);
    assert!(!printed.contains("step cache"), "{printed}");
    let printed = generate(data, "cached.mp4", &[&small[..], &["--step-cache", "0.5"]].concat());
    assert!(printed.contains("Step cache 0.5: "), "{printed}");
    let full = data.join("full.mp4").display().to_string();
    let line = printed.lines().find(|line| line.contains(&full)).unwrap();
    assert!(
        line.contains("which computed every step") && line.contains("difference to reference PSNR"),
        "{line}"
    );

    // an old video that is damaged is no failure of the new one
    let whole = std::fs::read(&full).unwrap();
    let mut damaged = whole.clone();
    let frames = whole.windows(4).position(|name| name == b"mdat").unwrap() + 4;
    damaged[frames..frames + 64].fill(255);
    std::fs::write(&full, damaged).unwrap();
    let printed = generate(data, "again.mp4", &[&small[..], &["--step-cache", "0.5"]].concat());
    assert!(printed.contains("Warning: The video cannot be compared"), "{printed}");
    std::fs::write(&full, whole).unwrap();
    std::fs::remove_file(data.join("again.mp4")).unwrap();

    let tasks = document(data, &["tasks", "3"]);
    let tasks = &tasks.as_array().unwrap()[1..];
    let cached = &tasks[0];
    assert_eq!(cached["request"]["step_cache"], json!(0.5));
    assert!(!cached["step_cache"]["skipped"].as_array().unwrap().is_empty(), "{cached}");
    assert!(tasks[1].get("step_cache").is_none(), "off is left out");

    // by path and by id
    let id = cached["id"].as_str().unwrap();
    let found = document(data, &["compare", &full, id]);
    assert_eq!(found["settings"], json!([{"name": "Step cache", "values": ["off", "0.5"]}]));
    assert_eq!(found["notes"], json!([]));
    let [reference, other] = found["videos"].as_array().unwrap().as_slice() else { panic!("two: {found}") };
    assert_eq!(reference["difference_to_reference"], Value::Null);
    let difference = &other["difference_to_reference"];
    assert_eq!(difference["identical"], json!(false));
    for metric in ["psnr", "ssim", "ms_ssim", "ssimulacra2"] {
        assert!(difference[metric].is_number(), "{metric}: {difference}");
        assert_eq!(difference["curves"][metric].as_array().unwrap().len(), 5, "{metric}");
    }
    for metric in ["motion", "flicker", "colour_drift", "sharpness"] {
        assert!(other["clip"][metric].is_number(), "{metric}");
    }
    assert_eq!(other["generation_time_s"], cached["generation_time_s"]);
    assert_eq!(other["step_cache"]["steps"], json!(12));

    let text = run(data, &["compare", &full, "#2"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    for part in
        ["Step cache", "off", "Skipped steps", "SSIMULACRA2", "Difference to reference", "Colour drift"]
    {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(!text.contains("Sampler "), "settings that are the same are left out: {text}");
}

#[test]
fn other_lengths_are_aligned_other_sizes_are_not_compared_and_unknown_names_are_refused() {
    let folder = common::fresh_data_dir();
    let data = folder.path();
    for (name, more) in [
        ("a.mp4", ["--frames", "5", "--size", "64x64"]),
        ("short.mp4", ["--frames", "1", "--size", "64x64"]),
        ("small.mp4", ["--frames", "5", "--size", "32x32"]),
    ] {
        generate(data, name, &[&more[..], &["--steps", "1"]].concat());
    }
    let paths = ["a.mp4", "short.mp4", "small.mp4"].map(|name| data.join(name).display().to_string());
    let found = document(data, &["compare", &paths[0], &paths[1], &paths[2]]);
    let notes = found["notes"].as_array().unwrap();
    assert_eq!(notes[0], "Frames compared with short.mp4: 1 (it has 1, the reference 5)");
    assert!(notes[1].as_str().unwrap().contains("small.mp4 is 32x32, the reference 64x64"), "{notes:?}");
    let videos = found["videos"].as_array().unwrap();
    assert_eq!(videos[1]["difference_to_reference"]["curves"]["ssim"].as_array().unwrap().len(), 1);
    assert_eq!(videos[2]["difference_to_reference"], Value::Null);
    assert!(videos[2]["clip"]["sharpness"].is_number());
    let refused = run(data, &["compare", &paths[0], "not-here", "--json"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stdout).contains("neither a video nor a job"), "{refused:?}");
    assert_eq!(run(data, &["compare", &paths[0]]).status.code(), Some(2), "one is too few");
}
