//! Models in int4 and fp8: how they lie, what is read back, and that a stop costs nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::Path;
use std::process::Command;

use crate::common::{self, events_of, finished, frames, worker};
use wandeck::core::{Bytes, CancelToken, Draft, Kind, PrecisionChoice, Quantisation};
use wandeck::jobs::JobSpec;
use wandeck::models;
use wandeck::models::convert::{ConversionOptions, ConversionStep, ConversionTarget, Converted, convert};
use wandeck::onnx::{Dtype, TensorInfo, Weights};
use wandeck::preflight::ModelSize;
use wandeck::presets;

const BLOCK: usize = 32;

fn converted(source: &Path, dir: &Path, to: ConversionTarget) -> Converted {
    let options = ConversionOptions { shard: Bytes(20_000), ..ConversionOptions::new(to) };
    convert(source, dir, options, &CancelToken::new(), &mut |_| {}).unwrap()
}

fn transformer(model: &Path) -> Weights {
    Weights::open(&model.join("transformer"), "diffusion_pytorch_model").unwrap()
}

fn floats(weights: &Weights, name: &str) -> Vec<f32> {
    let info: &TensorInfo = weights.get(name).unwrap();
    assert_eq!(info.dtype, Dtype::F32, "{name}");
    let bytes = weights.bytes(info).unwrap();
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

/// The matrix as any reader of the form would make it.
fn read(weights: &Weights, module: &str, to: ConversionTarget) -> Vec<f32> {
    let info = weights.get(&format!("{module}.weight")).unwrap();
    let scales = floats(weights, &format!("{module}.scale_weight"));
    let bytes = weights.bytes(info).unwrap();
    if to == ConversionTarget::Int4 {
        let integers = bytes.iter().flat_map(|byte| [byte & 15, byte >> 4]);
        return integers.enumerate().map(|(at, bits)| (f32::from(bits) - 8.0) * scales[at / BLOCK]).collect();
    }
    let inputs = info.shape[1];
    let eighth = |byte: u8| {
        let (exponent, mantissa) = (i32::from(byte >> 3 & 15), f32::from(byte & 7));
        let magnitude = match exponent {
            0 => mantissa * 2_f32.powi(-9),
            _ => (8.0 + mantissa) * 2_f32.powi(exponent - 10),
        };
        if byte & 128 == 0 { magnitude } else { -magnitude }
    };
    bytes.iter().enumerate().map(|(at, byte)| eighth(*byte) * scales[at / inputs]).collect()
}

fn relative_l2(found: &[f32], exact: &[f32]) -> f64 {
    assert_eq!(found.len(), exact.len());
    let square = |value: f32| f64::from(value).powi(2);
    let error: f64 = found.iter().zip(exact).map(|(a, b)| square(a - b)).sum();
    (error / exact.iter().map(|value| square(*value)).sum::<f64>()).sqrt()
}

#[test]
fn what_is_read_back_is_what_the_report_says() {
    let dir = tempfile::tempdir().unwrap();
    let source = common::golden_model("tiny-t2v");
    let before = transformer(&source);
    for (to, dtype, errors) in
        [(ConversionTarget::Int4, Dtype::U8, 0.04..0.1), (ConversionTarget::Fp8, Dtype::F8E4M3, 0.015..0.035)]
    {
        let path = dir.path().join(to.word());
        let report = converted(&source, &path, to).report;
        let after = transformer(&path);
        assert!(after.files().len() > 1, "several shards");
        for (name, info) in before.iter() {
            let now = after.get(name).unwrap();
            assert_eq!(now.shape, info.shape, "{name} shows the shape it has");
            let linear = name.starts_with("blocks.") && info.shape.len() == 2;
            assert_eq!(now.dtype == dtype, linear, "{name}");
            assert_eq!(after.quantisation_of(name), to.quantisation().filter(|_| linear), "{name}");
            let Some(module) = name.strip_suffix(".weight").filter(|_| linear) else {
                assert_eq!(after.bytes(now).unwrap(), before.bytes(info).unwrap(), "{name}");
                continue;
            };
            let off = relative_l2(&read(&after, module, to), &floats(&before, name));
            assert!(errors.contains(&off), "{name}: {off}");
            let reported =
                report.layers.iter().find(|layer| layer.component == "transformer" && layer.name == name);
            assert!((reported.unwrap().relative_l2 / off - 1.0).abs() < 1e-4, "{name}: {off} {reported:?}");
        }
        let stored = models::open(&path).unwrap();
        assert_eq!(stored.quantisation(), to.quantisation());
        let again = convert(
            &path,
            &dir.path().join("x"),
            ConversionOptions::new(to),
            &CancelToken::new(),
            &mut |_| {},
        );
        let message = again.unwrap_err().message;
        assert!(message.contains(&format!("is already {}", to.word())), "{message}");
    }
    // fp8 is a form that others read and convert; integers cannot become anything else
    let fp8 = dir.path().join("fp8");
    assert!(
        converted(&fp8, &dir.path().join("fp8-int4"), ConversionTarget::Int4).report.mean_relative_l2 < 0.1
    );
    let small = dir.path().join("int4");
    let error = convert(
        &small,
        &dir.path().join("x"),
        ConversionOptions::new(ConversionTarget::Bf16),
        &CancelToken::new(),
        &mut |_| {},
    );
    assert!(error.unwrap_err().message.contains("is already int4"));
}

#[test]
fn stopped_it_goes_on_as_if_it_had_not_been() {
    let dir = tempfile::tempdir().unwrap();
    let source = common::golden_model("tiny-t2v");
    for to in [ConversionTarget::Int4, ConversionTarget::Fp8] {
        let (path, whole) = (dir.path().join(to.word()), dir.path().join(format!("{}-whole", to.word())));
        let options = ConversionOptions { shard: Bytes(20_000), ..ConversionOptions::new(to) };
        let (cancel, mut total, mut done) = (CancelToken::new(), 0, 0);
        let stop = cancel.clone();
        let stopped = convert(&source, &path, options, &cancel, &mut |step| match step {
            ConversionStep::Total(bytes) => total = bytes.0,
            ConversionStep::Done(bytes) => {
                done += bytes.0;
                if done * 2 > total {
                    stop.cancel();
                }
            }
        });
        assert_eq!(stopped.unwrap_err().kind, Kind::Cancelled);
        assert!(!path.exists(), "the folder appears when it is whole");
        let resumed = convert(&source, &path, options, &CancelToken::new(), &mut |_| {}).unwrap();
        assert!(resumed.resumed_shards > 0 && !resumed.restarted, "{}", resumed.resumed_shards);
        converted(&source, &whole, to);
        for part in ["transformer", "transformer_2", "text_encoder", "vae", ""] {
            for entry in std::fs::read_dir(whole.join(part)).unwrap().map(|entry| entry.unwrap()) {
                if entry.path().is_file() {
                    let other = path.join(part).join(entry.file_name());
                    assert!(
                        std::fs::read(entry.path()).unwrap() == std::fs::read(&other).unwrap(),
                        "{other:?}"
                    );
                }
            }
        }
    }
}

/// The reported precision, and all pixels of the toy's video.
fn video(model: &Path, precision: PrecisionChoice, dir: &Path) -> (String, Vec<u8>) {
    let preset = presets::by_name("toy-t2v").unwrap();
    let draft = Draft { seed: 7, precision, ..preset.draft("a red circle moves right on a navy background") };
    let output = dir.join(format!("{}-video", model.file_name().unwrap().display()));
    let worker = worker();
    let id = worker.submit(JobSpec::new(draft, model.into(), output));
    let events = events_of(&worker, id);
    let outcome = finished(&events);
    assert!(outcome.checks.iter().all(|check| check.passed), "{:?}", outcome.checks);
    (outcome.precision.clone(), frames(&outcome.output))
}

#[test]
fn the_toy_makes_nearly_the_same_video() {
    let dir = tempfile::tempdir().unwrap();
    let toy = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B");
    let (_, exact) = video(&toy, PrecisionChoice::Auto, dir.path());
    for (to, precision, word, share, bound) in [
        (ConversionTarget::Int4, PrecisionChoice::Int4, "int4", 0.6, 2.5),
        (ConversionTarget::Fp8, PrecisionChoice::Auto, "fp32", 0.7, 0.6),
    ] {
        let small = dir.path().join(format!("toy-{}", to.word()));
        let report = converted(&toy, &small, to).report;
        let (before, after) = report.sizes();
        let (reported, rounded) = video(&small, precision, dir.path());
        assert_eq!(reported, word);
        assert_eq!(exact.len(), rounded.len());
        let sum: u64 = exact.iter().zip(&rounded).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        let mean = sum as f64 / exact.len() as f64;
        println!("{word}: {before} -> {after}, layers {:.2e}, mean |d| {mean:.3}", report.mean_relative_l2);
        assert!(mean > 0.0 && mean < bound, "{}: mean |d| of 8-bit values: {mean}", to.word());
        assert!((after.0 as f64) < share * before.0 as f64, "{before} {after}");
    }
}

#[test]
fn what_has_no_whole_blocks_stays() {
    let dir = tempfile::tempdir().unwrap();
    let toy = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-ti2v-5B");
    let path = dir.path().join("toy-int4");
    converted(&toy, &path, ConversionTarget::Int4);
    let (before, after) = (transformer(&toy), transformer(&path));
    // 336 inputs are ten blocks and a half
    let name = "blocks.0.ffn.net.2.weight";
    assert_eq!(after.get(name).unwrap().dtype, before.get(name).unwrap().dtype);
    assert_eq!(after.quantisation_of("blocks.0.ffn.net.0.proj.weight"), Some(Quantisation::Int4));
}

#[test]
fn the_command_states_speed_and_memory_of_the_target() {
    let dir = tempfile::tempdir().unwrap();
    let tiny = common::golden_model("tiny-t2v");
    for (to, words) in [("int4", "the least exact"), ("fp8", "only saves disk space")] {
        let made = dir.path().join(to);
        let result = Command::new(env!("CARGO_BIN_EXE_wandeck"))
            .env("WANDECK_DATA_DIR", common::data_dir())
            .args([
                "models",
                "convert",
                tiny.to_str().unwrap(),
                "--precision",
                to,
                "-o",
                made.to_str().unwrap(),
            ])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&result.stderr);
        assert!(result.status.success() && text.contains(words), "{text}");
        let report: serde_json::Value =
            serde_json::from_slice(&std::fs::read(made.join("conversion.json")).unwrap()).unwrap();
        assert_eq!(report["precision"], to);
        assert!(report["remark"].as_str().unwrap().contains(words), "{report}");
    }
}

#[test]
fn int4_sizes_are_those_on_disk_and_weights_are_unpacked_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let golden = common::golden_model("tiny-t2v");
    let small = dir.path().join("small");
    converted(&golden, &small, ConversionTarget::Int4);
    let sizes = [&golden, &small].map(|path| ModelSize::of(&models::open(path).unwrap()));
    let [full, small] = sizes.each_ref().map(|size| size.transformers[0]);
    // eight matrices of 64 x 64 and two of 64 x 128 in each of two blocks, 20 bytes instead of 128 for each 32
    let weights = 2 * (8 * 64 * 64 + 2 * 64 * 128);
    assert_eq!(full.loaded.0 - small.loaded.0, weights / 32 * (128 - 20));
    assert_eq!((small.loaded, small.mapped), (small.stored, small.stored));
    assert_eq!((full.unpacked, small.unpacked), (Bytes(0), Bytes(64 * 128 * 4)));
}
