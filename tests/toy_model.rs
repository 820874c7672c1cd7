//! The shipped toy model and its preset: what a newcomer's first command runs, against diffusers.

mod common;

use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use wandeck::media::Reader;

#[derive(Deserialize)]
struct Reference {
    guidance_scale: f32,
    num_inference_steps: u32,
    shift: f32,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    prompt: String,
    seed: u64,
}

#[test]
fn the_first_command_gives_the_frames_of_diffusers() {
    common::runtime();
    let json = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/refs/toy_t2v.json");
    let reference: Reference = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    let preset = wandeck::presets::by_name("toy-t2v").unwrap().settings;
    assert_eq!(
        (preset.guidance, preset.steps, preset.shift),
        (reference.guidance_scale, reference.num_inference_steps, reference.shift),
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
        let mut reader = Reader::open(&output).unwrap();
        let mut found = Vec::new();
        while let Some(frame) = reader.next_frame().unwrap() {
            found.extend(frame.rgb);
        }
        let expected = golden.u8(&format!("frames_{index}"));
        assert_eq!(found.len(), expected.len());
        let off = found.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).filter(|&d| d > 0);
        let (count, worst) = off.fold((0, 0), |(count, worst), d| (count + 1, worst.max(d)));
        let share = 1.0 - f64::from(count) / found.len() as f64;
        println!("{}: {share:.5} equal, off by {worst} at most", run.prompt);
        assert!(share >= 0.999 && worst <= 1, "{}: {share} equal, off by {worst}", run.prompt);
    }
}
