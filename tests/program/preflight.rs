//! Preflight, through the program with the toy models.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::common;

const TOYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models");

fn wandeck(data_dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wandeck"))
        .args(args)
        .args(["--models-dir", TOYS])
        .env("WANDECK_DATA_DIR", data_dir)
        .env_remove("MODELS_ROOT")
        .output()
        .unwrap()
}

fn dry_run(data_dir: &Path, args: &[&str]) -> (Option<i32>, Value) {
    let output = data_dir.join("o.mp4");
    let run = wandeck(
        data_dir,
        &[&["generate", "--dry-run", "--json", "-o", output.to_str().unwrap()], args].concat(),
    );
    let printed = String::from_utf8_lossy(&run.stderr);
    assert!(!run.stdout.is_empty(), "{printed}");
    let document = serde_json::from_slice(&run.stdout).unwrap();
    assert!(!output.exists(), "nothing is written");
    (run.status.code(), document)
}

fn image(dir: &Path) -> String {
    let path = dir.join("image.png");
    image::RgbImage::from_pixel(64, 64, image::Rgb([200, 30, 30])).save(&path).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_router_chooses_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let image = image(dir.path());
    for (args, mode, model, reason) in [
        (&["a red circle"][..], "t2v", "toy-t2v-A14B", "only a prompt was given"),
        (&["--image", &image], "i2v", "toy-i2v-A14B", "an image was given"),
        (&["a red circle", "--image", &image], "ti2v", "toy-ti2v-5B", "an image and a prompt were given"),
        (&["a red circle", "--mode", "ti2v"], "ti2v", "toy-ti2v-5B", "you set the mode"),
        (&["a red circle", "--model", "toy-t2v-A14B"], "t2v", "toy-t2v-A14B", "you chose the model"),
    ] {
        let (code, document) = dry_run(dir.path(), args);
        assert_eq!(code, Some(0), "{document}");
        assert_eq!((&document["mode"], &document["model"]), (&mode.into(), &model.into()), "{document}");
        assert_eq!(document["reasons"][0], reason);
        assert!(document["estimated_peak_mb"].as_f64().unwrap() > 30.0);
        assert!(document["memory"].as_array().unwrap().iter().any(|stage| stage["stage"] == "decode"));
    }
    for (args, field) in [
        (&[""][..], "prompt"),
        (&["a", "--mode", "i2v"], "start_image"),
        (&["a", "--model", "toy-ti2v-5B", "--image", &image, "--last-image", &image], "end_image"),
        (&["a", "--model", "toy-t2v-A14B", "--last-image", &image], "end_image"),
        (&["a", "--model", "toy-t2v-A14B", "--image", &image], "start_image"),
    ] {
        let (code, document) = dry_run(dir.path(), args);
        assert_eq!((code, &document["error"]["field"]), (Some(2), &field.into()), "{document}");
    }
}

#[test]
fn a_run_that_cannot_fit_is_blocked_before_and_says_what_would_help() {
    let dir = tempfile::tempdir().unwrap();
    // whole, the decoder would need terabytes for such images, and their attention days
    let large = ["a red circle", "--model", "toy-t2v-A14B", "--size", "1024x1024", "--frames", "253"];
    let (_, before) = dry_run(dir.path(), &large);
    let (_, small) = dry_run(dir.path(), &["a red circle", "--model", "toy-t2v-A14B"]);
    let peak = |document: &Value| document["estimated_peak_mb"].as_f64().unwrap();
    assert!(peak(&before) > 10.0 * peak(&small), "{} {}", peak(&before), peak(&small));

    let full = ["a red circle", "-o", "/proc/o.mp4"];
    let run = wandeck(dir.path(), &[&["generate", "--dry-run", "--json"], &full[..]].concat());
    assert_ne!(run.status.code(), Some(0), "a place that cannot be written to");
}

#[test]
fn a_table_of_ones_own_binds_the_program() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("modes.ron"), "(version: 1, modes: [], colour: 1)").unwrap();
    let (code, document) = dry_run(dir.path(), &["a red circle"]);
    assert_eq!(code, Some(2));
    assert!(document["error"]["message"].as_str().unwrap().contains("colour"), "{document}");
}

#[test]
fn the_model_of_a_sparse_checkpoint_is_judged_by_its_size() {
    let dir = tempfile::tempdir().unwrap();
    let models = dir.path().join("models");
    let model = models.join("ti2v-5B");
    let synth =
        wandeck(dir.path(), &["models", "synth", "--like", "ti2v-5B", "--sparse", model.to_str().unwrap()]);
    assert!(synth.status.success(), "{}", String::from_utf8_lossy(&synth.stderr));

    // Wan's own model goes before the toys, with its official numbers
    let (_, document) = dry_run(dir.path(), &["a cat", "--mode", "ti2v", "--weights", "packed"]);
    assert_eq!(document["model"], "ti2v-5B", "{document}");
    let request = &document["request"];
    assert_eq!((&request["steps"], &request["frames"]), (&50.into(), &121.into()));
    let memory = document["memory"].as_array().unwrap();
    let denoise = memory.iter().find(|stage| stage["stage"] == "denoise_high").unwrap();
    // 5 billion parameters in fp32
    assert!(denoise["peak_mb"].as_f64().unwrap() > 19_000.0, "{denoise}");
    let findings = document["findings"].as_array().unwrap();
    let time = findings.iter().find(|finding| finding["subject"] == "time").unwrap();
    assert_eq!(time["severity"], "warning", "{time}");
    assert!(!time["suggested_fixes"].as_array().unwrap().is_empty(), "{time}");

    // outside the advice a note, outside the range an error
    let (_, document) =
        dry_run(dir.path(), &["a cat", "--model", "ti2v-5B", "--steps", "5", "--frames", "1"]);
    let note =
        document["findings"].as_array().unwrap().iter().find(|finding| finding["subject"] == "settings");
    assert_eq!(note.unwrap()["severity"], "note");
    assert!(note.unwrap()["message"].as_str().unwrap().contains("from 15 to 40"), "{document}");
    for (args, field) in [
        (&["a cat", "--model", "ti2v-5B", "--steps", "61"][..], "steps"),
        (&["a cat", "--model", "ti2v-5B", "--size", "1920x1088"], "size"),
        (&["a cat", "--mode", "ti2v", "--size", "1920x1088"], "size"),
        (&["a cat", "--model", "ti2v-5B", "--lora", "a.safetensors"], "lora"),
    ] {
        let (code, document) = dry_run(dir.path(), args);
        if args.contains(&"--mode") && code == Some(0) {
            // a toy takes what its own limits allow
            assert_eq!(document["model"], "toy-ti2v-5B");
            continue;
        }
        assert_eq!((code, &document["error"]["field"]), (Some(2), &field.into()), "{document}");
    }
}

#[test]
fn a_run_tells_what_was_found_and_learns_from_it() {
    let dir = tempfile::tempdir().unwrap();
    common::copy_all(&common::data_dir().join("runtime"), &dir.path().join("runtime"));
    let output = dir.path().join("made.mp4");
    let args = ["generate", "a red circle", "--steps", "5", "--frames", "1", "--seed", "1", "--json", "-o"];
    let run = wandeck(dir.path(), &[&args[..], &[output.to_str().unwrap()]].concat());
    let printed = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{printed}");
    assert!(printed.contains("t2v with toy-t2v-A14B: only a prompt was given"), "{printed}");
    let (_, document) = dry_run(dir.path(), &["a red circle", "--steps", "5", "--frames", "1"]);
    let time = &document["time"];
    assert_eq!((&time["runs"], &time["same_model"]), (&1.into(), &true.into()), "{document}");
    assert!(time["seconds"].as_f64().unwrap() > 0.0);
}
