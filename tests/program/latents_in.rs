//! `--latents-in`: a video from a fixed latent file.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::Path;
use std::process::Output;

use safetensors::Dtype;

use crate::common::layouts::{Tensors, save};
use crate::common::{self, golden, golden_model};

/// The request of `refs/pipeline_t2v.json` but for its seed.
fn generate(latents: &Path, output: &Path) -> Output {
    common::program(&common::data_dir())
        .args(["generate", "a red circle moves left on a white background", "--model"])
        .arg(golden_model("tiny-t2v"))
        .args(["--negative", "a blurred grey square", "--size", "96x64", "--frames", "9", "--steps", "6"])
        .args([
            "--guidance",
            "4,3",
            "--shift",
            "12",
            "--seed",
            "7",
            "--provider",
            "cpu",
            "--precision",
            "fp32",
        ])
        .arg("--latents-in")
        .arg(latents)
        .arg("-o")
        .arg(output)
        .output()
        .unwrap()
}

fn file(dir: &Path, name: &str, shape: &[usize], values: &[f32]) -> std::path::PathBuf {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let path = dir.join("latents.safetensors");
    save(&path, &Tensors::from([(name.to_owned(), (Dtype::F32, shape.to_vec(), bytes))]));
    path
}

#[test]
fn the_noise_of_a_seed_in_a_file_makes_the_video_of_that_seed() {
    common::runtime();
    let dir = tempfile::tempdir().unwrap();
    let noise = golden("noise").f32("s42_n4608");
    let latents = file(dir.path(), "latents", &[1, 16, 3, 8, 12], noise.as_slice().unwrap());
    let output = dir.path().join("frames");
    let done = generate(&latents, &output);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    common::assert_same_frames(
        "pipeline_t2v",
        &common::frames(&output),
        &golden("pipeline_t2v").u8("frames"),
    );
}

#[test]
fn latents_that_do_not_fit_are_refused_before_any_work() {
    common::runtime();
    let dir = tempfile::tempdir().unwrap();
    let zeros = vec![0.0; 4608];
    let mut with_nan = zeros.clone();
    with_nan[4000] = f32::NAN;
    let shape = [1, 16, 3, 8, 12];
    let refused = |path: &Path| {
        let output = dir.path().join("frames");
        let done = generate(path, &output);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.code() == Some(2) && !output.exists(), "{said}");
        assert!(said.contains("latents") && !said.contains("step 1"), "{said}");
        said
    };
    let said = refused(&file(dir.path(), "latents", &[1, 16, 3, 12, 8], &zeros));
    assert!(said.contains("[1, 16, 3, 12, 8]") && said.contains("[1, 16, 3, 8, 12]"), "{said}");
    let said = refused(&file(dir.path(), "latents", &[16, 3, 8, 12], &zeros));
    assert!(said.contains("[16, 3, 8, 12]"), "{said}");
    let said = refused(&file(dir.path(), "latents", &shape, &with_nan));
    assert!(said.contains("not finite"), "{said}");
    let said = refused(&file(dir.path(), "samples", &shape, &zeros));
    assert!(said.contains("no fp32 tensor called latents"), "{said}");
    let text = dir.path().join("text.safetensors");
    std::fs::write(&text, "not tensors").unwrap();
    assert!(refused(&text).contains("cannot be read"));
    assert!(refused(&dir.path().join("gone.safetensors")).contains("cannot be read"));
}
