//! A tiny model in every quantised form makes the video that diffusers makes of the form's numbers.
//!
//! Files and frames are those of `tests/golden/toy_forms.py`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use wandeck::core::{Draft, PrecisionChoice, ProviderChoice, Resolution};
use wandeck::jobs::JobSpec;

use crate::common::{self, TestWorker, copy_all, draft, events_of, finished, frames, golden_model};

/// Every form: of the high-noise expert, or of the text encoder.
const FORMS: [&str; 29] = [
    "fp8_per_tensor",
    "fp8_per_row",
    "fp8_parts_of_rows",
    "fp8_tiles",
    "fp8_unscaled",
    "comfy_float8",
    "comfy_int8",
    "comfy_convrot",
    "comfy_mxfp8",
    "comfy_nvfp4",
    "int8_of_lightx2v",
    "int8_of_quanto",
    "F16",
    "BF16",
    "Q8_0",
    "Q4_0",
    "Q4_1",
    "Q5_0",
    "Q5_1",
    "Q2_K",
    "Q3_K",
    "Q4_K",
    "Q5_K",
    "Q6_K",
    "IQ4_NL",
    "IQ4_XS",
    "umt5",
    "umt5_fp8_per_tensor",
    "umt5_comfy_int8",
];

/// The most that a video may differ from diffusers' in fp32 where the CPU computes in int8: mean difference of 8-bit values.
///
/// The numbers of a form become int8 with a scale a row, and the activations int8, too: 0.1 to 0.3 were measured.
const MOST_IN_INT8: f64 = 0.6;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The file of a form.
fn file(form: &str) -> PathBuf {
    let in_forms = |extension: &str| golden().join(format!("forms/{form}.{extension}"));
    let places = [in_forms("safetensors"), in_forms("gguf"), golden().join(format!("gguf/{form}.gguf"))];
    places.into_iter().find(|path| path.exists()).unwrap()
}

/// The model with one component in a form, in `ComfyUI`'s layout.
pub(crate) fn model(dir: &Path, form: &str) -> PathBuf {
    let model = dir.join(form);
    let put = |from: &Path, folder: &str, name: &str| {
        let extension = from.extension().unwrap().to_str().unwrap();
        std::fs::create_dir_all(model.join(folder)).unwrap();
        std::fs::copy(from, model.join(folder).join(format!("{name}.{extension}"))).unwrap();
    };
    let is_text = form.starts_with("umt5");
    let high = if is_text { file("BF16") } else { file(form) };
    put(&high, "diffusion_models", "wan2.2_t2v_high_noise_14B");
    put(&file("low"), "diffusion_models", "wan2.2_t2v_low_noise_14B");
    put(&golden().join("forms/config.json"), "diffusion_models", "config");
    let text =
        if is_text { file(form) } else { golden_model("tiny-t2v").join("text_encoder/model.safetensors") };
    put(&text, "text_encoders", "umt5");
    copy_all(&golden_model("tiny-t2v").join("tokenizer"), &model.join("text_encoders/tokenizer"));
    copy_all(&golden_model("tiny-t2v").join("vae"), &model.join("vae"));
    model
}

/// The frames of a model, and what the transformers computed in.
fn video(worker: &TestWorker, model: &Path, precision: PrecisionChoice) -> (Vec<u8>, String) {
    let asked = Draft {
        size: Resolution::new(48, 32),
        frames: 5,
        steps: 4,
        guidance: 2.0,
        guidance_low: Some(1.5),
        provider: ProviderChoice::Cpu,
        precision,
        ..draft()
    };
    let output = model.join(format!("frames_{precision:?}"));
    let id = worker.submit(JobSpec::new(asked, model.to_path_buf(), output));
    let events = events_of(worker, id);
    let outcome = finished(&events);
    (frames(&outcome.output), outcome.precision.clone())
}

#[test]
fn every_form_has_a_golden_video() {
    let bytes = std::fs::read(golden().join("forms/frames.safetensors")).unwrap();
    let golden = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let made: BTreeSet<_> = golden.names().into_iter().collect();
    assert_eq!(made, FORMS.into_iter().collect());
}

#[test]
fn in_fp32_every_form_makes_the_video_of_its_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let (worker, golden) = (common::worker(), common::tensors(&golden().join("forms/frames.safetensors")));
    for form in FORMS {
        let (found, precision) = video(&worker, &model(dir.path(), form), PrecisionChoice::Fp32);
        let expected = golden.u8(form);
        let equal = found.iter().zip(&expected).filter(|(a, b)| a == b).count() as f64 / found.len() as f64;
        println!("{form}: {equal:.5} equal, {precision}");
        common::assert_same_frames(form, &found, &expected);
    }
}

#[test]
fn as_the_cpu_computes_by_itself_every_form_makes_nearly_that_video() {
    let dir = tempfile::tempdir().unwrap();
    let (worker, golden) = (common::worker(), common::tensors(&golden().join("forms/frames.safetensors")));
    for form in FORMS {
        let (found, precision) = video(&worker, &model(dir.path(), form), PrecisionChoice::Auto);
        let expected = golden.u8(form);
        let total: f64 = found.iter().zip(&expected).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
        let mean = total / expected.len() as f64;
        println!("{form}: {mean:.3} of 255, {precision}");
        let most = if precision == "int8" || form.starts_with("umt5") { MOST_IN_INT8 } else { 0.001 };
        assert!(mean <= most, "{form} in {precision}: {mean} of 255");
    }
}
