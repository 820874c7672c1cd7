//! The shipped toy model and its preset: what a newcomer's first command runs, against diffusers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::common;

#[derive(Deserialize)]
struct Reference {
    #[serde(default)]
    guidance_scale: f32,
    num_inference_steps: u32,
    shift: f32,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    #[serde(default)]
    model: String,
    prompt: String,
    seed: u64,
    #[serde(default)]
    guidance_scale: f32,
    image: Option<String>,
    last_image: Option<String>,
}

fn reference(name: &str) -> Reference {
    let json = refs().join(format!("{name}.json"));
    serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap()
}

fn refs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/refs")
}

#[test]
fn the_first_command_gives_the_frames_of_diffusers() {
    common::runtime();
    let reference = reference("toy_t2v");
    let preset = wandeck::presets::by_name("toy-t2v").unwrap().settings;
    assert_eq!(
        (preset.guidance, preset.steps, preset.shift),
        (Some(reference.guidance_scale), Some(reference.num_inference_steps), Some(reference.shift)),
        "the reference is made with the preset's settings"
    );
    let golden = common::golden("toy_t2v");
    assert_eq!(reference.runs.len(), 5);
    for (index, run) in reference.runs.iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("frames");
        let status = Command::new(env!("CARGO_BIN_EXE_wandeck"))
            .args(["generate", &run.prompt, "--seed", &run.seed.to_string(), "-o"])
            .arg(&output)
            .env("WANDECK_DATA_DIR", common::data_dir())
            .output()
            .unwrap();
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
        let share = compare(&output, &golden, index);
        println!("{}: {share:.5} equal", run.prompt);
    }
}

/// The share of equal values; fails below the bar.
fn compare(output: &Path, golden: &common::TensorFile, index: usize) -> f64 {
    let (found, expected) = (common::frames(output), golden.u8(&format!("frames_{index}")));
    common::assert_same_frames(&format!("frames_{index}"), &found, &expected);
    let equal = found.iter().zip(&expected).filter(|(a, b)| a == b).count();
    equal as f64 / found.len() as f64
}

#[test]
fn image_to_video_equals_diffusers() {
    common::runtime();
    let reference = reference("toy_images");
    let golden = common::golden("toy_images");
    assert_eq!(reference.runs.len(), 15);
    for (index, run) in reference.runs.iter().enumerate() {
        let preset = wandeck::presets::for_model(&run.model).unwrap().unwrap().settings;
        assert_eq!(
            (preset.guidance, preset.steps, preset.shift),
            (Some(run.guidance_scale), Some(reference.num_inference_steps), Some(reference.shift)),
            "the reference is made with the preset's settings"
        );
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("frames");
        let mut command = Command::new(env!("CARGO_BIN_EXE_wandeck"));
        command
            .args(["generate", &run.prompt, "--model", &run.model, "--seed", &run.seed.to_string()])
            .args(["--frames", "9", "-o"])
            .arg(&output)
            .env("WANDECK_DATA_DIR", common::data_dir());
        for (option, name) in [("--image", &run.image), ("--last-image", &run.last_image)] {
            if let Some(name) = name {
                command.arg(option).arg(refs().join(name));
            }
        }
        let done = command.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let share = compare(&output, &golden, index);
        println!("{} \"{}\" seed {}: {share:.5} equal", run.model, run.prompt, run.seed);
    }
}
