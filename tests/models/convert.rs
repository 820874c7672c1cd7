//! Converted models: the same numbers within a bound, the same bytes twice, and nothing lost when stopped.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{self, events_of, finished, frames, worker};
use wandeck::core::{Bytes, CancelToken, Draft, Kind, PrecisionChoice, Quantisation};
use wandeck::jobs::JobSpec;
use wandeck::media::read_metadata;
use wandeck::models::convert::{
    ConversionOptions, ConversionStep, ConversionTarget as To, Converted, convert,
};
use wandeck::models::{self, synth};
use wandeck::onnx::{Dtype, Weights};
use wandeck::presets;

/// Several shards for each component of tests/golden's models.
const SMALL_SHARD: Bytes = Bytes(20_000);

fn converted(source: &Path, dir: &Path, to: To) -> Converted {
    let options = ConversionOptions { shard: SMALL_SHARD, ..ConversionOptions::new(to) };
    convert(source, dir, options, &CancelToken::new(), &mut |_| {}).unwrap()
}

/// Files below `dir` with their bytes, by path.
fn bytes_of(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.strip_prefix(dir).unwrap().to_path_buf(), fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn twice_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let source = common::golden_model("tiny-t2v");
    for to in [To::Int8, To::Int4, To::Fp8, To::Bf16] {
        let [one, two] = ["one", "two"].map(|name| {
            let path = dir.path().join(format!("{name}-{}", to.word()));
            converted(&source, &path, to);
            bytes_of(&path)
        });
        assert!(one.len() > 12 && one.iter().any(|(path, _)| path.ends_with("conversion.json")));
        assert!(one == two, "{to:?}");
    }
}

#[test]
fn the_linear_layers_of_the_blocks_are_integers() {
    let dir = tempfile::tempdir().unwrap();
    let (source, path) = (common::golden_model("tiny-t2v"), dir.path().join("tiny"));
    let done = converted(&source, &path, To::Int8);
    let weights = Weights::open(&path.join("transformer"), "diffusion_pytorch_model").unwrap();
    assert!(weights.files().len() > 1, "several shards");
    let before = Weights::open(&source.join("transformer"), "diffusion_pytorch_model").unwrap();
    for (name, info) in before.iter() {
        let after = weights.get(name).unwrap();
        assert_eq!(after.shape, info.shape, "{name} shows the shape it has");
        let linear = name.starts_with("blocks.") && info.shape.len() == 2;
        assert_eq!(after.dtype == Dtype::I8, linear, "{name}");
        assert_eq!(weights.quantisation_of(name).is_some(), linear, "{name}");
        if !linear {
            assert_eq!(weights.bytes(after).unwrap(), before.bytes(info).unwrap(), "{name}");
        }
    }
    // what is read back is what was there, within half a step of each output's scale
    let name = "blocks.0.ffn.net.0.proj.weight";
    let (exact, rounded) = (before.get(name).unwrap(), weights.get(name).unwrap());
    let [outputs, inputs] = exact.shape[..] else { panic!("{:?}", exact.shape) };
    let floats = |bytes: Vec<u8>| -> Vec<f32> {
        bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
    };
    let exact = floats(before.bytes(exact).unwrap());
    let scale = weights.get("blocks.0.ffn.net.0.proj.scale_weight").unwrap();
    let scale = floats(weights.bytes(scale).unwrap());
    let rounded = weights.bytes(rounded).unwrap();
    for output in 0..outputs {
        for input in 0..inputs {
            let value = f32::from(rounded[input * outputs + output].cast_signed()) * scale[output];
            let off = (value - exact[output * inputs + input]).abs();
            assert!(off <= scale[output] * 0.501, "{output} {input}: {off} of {}", scale[output]);
        }
    }
    let report = done.report;
    // rounding to 8 bits of normal numbers: a step of 3.x deviations / 127, over the root of 12
    assert!(report.layers.iter().all(|layer| (1e-3..2e-2).contains(&layer.relative_l2)), "{report:?}");
    assert_eq!(
        report.worst(1)[0].relative_l2,
        report.layers.iter().map(|l| l.relative_l2).fold(0.0, f64::max)
    );
    let again = convert(
        &path,
        &dir.path().join("x"),
        ConversionOptions::new(To::Int8),
        &CancelToken::new(),
        &mut |_| {},
    );
    assert!(again.unwrap_err().message.contains("is already int8"));
}

#[test]
fn bf16_halves_and_runs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tiny-bf16");
    let done = converted(&common::golden_model("tiny-t2v"), &path, To::Bf16);
    // eight bits of mantissa: half a unit in the last place over the root of 3, of what is between 1 and 2
    assert!(done.report.layers.iter().all(|layer| (1e-3..2.5e-3).contains(&layer.relative_l2)));
    let checkpoint = models::open(&path).unwrap();
    assert_eq!(checkpoint.transformer.weights.get("proj_out.weight").unwrap().dtype, Dtype::Bf16);
    assert_eq!(checkpoint.vae.weights.get("decoder.conv_in.weight").unwrap().dtype, Dtype::F32);
    let (_, pixels) = video("tiny-t2v", &path, PrecisionChoice::Auto, dir.path());
    assert!(!pixels.is_empty());
}

#[test]
fn stopped_it_goes_on_and_a_changed_source_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let source = common::whole_golden_model("tiny-t2v", dir.path());
    let (path, options) = (
        dir.path().join("out"),
        ConversionOptions { shard: SMALL_SHARD, ..ConversionOptions::new(To::Int8) },
    );
    let stop_after = |share: f64| {
        let (cancel, mut total, mut done) = (CancelToken::new(), 0, 0);
        let stop = cancel.clone();
        let result = convert(&source, &path, options, &cancel, &mut |step| match step {
            ConversionStep::Total(bytes) => total = bytes.0,
            ConversionStep::Done(bytes) => {
                done += bytes.0;
                if done as f64 > share * total as f64 {
                    stop.cancel();
                }
            }
        });
        assert_eq!(result.unwrap_err().kind, Kind::Cancelled);
        assert!(!path.exists(), "the folder appears when it is whole");
    };
    stop_after(0.3);
    let stopped = bytes_of(&dir.path().join("out.unfinished"));
    assert!(stopped.iter().all(|(path, _)| path.extension().unwrap() != "part"), "no half files");
    let written = |dir: &Path| {
        let mut first = fs::read_dir(dir.join("transformer")).unwrap().map(|entry| entry.unwrap().path());
        let first = first.find(|path| path.to_string_lossy().contains("-00001-of")).unwrap();
        fs::metadata(first).unwrap().modified().unwrap()
    };
    let models = models::installed(Path::new("nowhere"), Some(dir.path()));
    assert!(models.iter().all(|model| model.id != "out.unfinished"), "{models:?}");
    let others = models::other_files(Path::new("nowhere"), Some(dir.path()), &models);
    let other = others.iter().find(|other| other.id == "out.unfinished").unwrap();
    assert!(other.error.message.contains("The conversion is not finished"), "{}", other.error);
    let first = written(&dir.path().join("out.unfinished"));
    let done = convert(&source, &path, options, &CancelToken::new(), &mut |_| {}).unwrap();
    assert!(done.resumed_shards > 0 && !done.restarted, "{}", done.resumed_shards);
    assert_eq!(written(&path), first, "the first shard was not written again");
    let whole = dir.path().join("whole");
    converted(&source, &whole, To::Int8);
    assert!(bytes_of(&path) == bytes_of(&whole), "as if it had not been stopped");

    fs::remove_dir_all(&path).unwrap();
    stop_after(0.3);
    let shard = source.join("vae/diffusion_pytorch_model.safetensors");
    let bytes = fs::read(&shard).unwrap();
    fs::remove_file(&shard).unwrap();
    fs::write(&shard, bytes).unwrap();
    let done = convert(&source, &path, options, &CancelToken::new(), &mut |_| {}).unwrap();
    assert!(done.resumed_shards == 0 && done.restarted, "the same numbers in a newer file");
    let taken = convert(&source, &path, options, &CancelToken::new(), &mut |_| {}).unwrap_err();
    assert!(taken.kind == Kind::Input && taken.message.contains("already exists"), "{taken:#}");
}

#[test]
fn every_layout_and_fp8_can_be_converted() {
    let dir = tempfile::tempdir().unwrap();
    let mut shapes = synth::Shapes::official(synth::SynthModel::Ti2v5b);
    shapes.transformer.num_attention_heads = 2;
    shapes.transformer.attention_head_dim = 128;
    shapes.transformer.ffn_dim = 320;
    shapes.transformer.num_layers = 1;
    shapes.transformer.text_dim = 64;
    shapes.text_encoder.d_model = 64;
    shapes.text_encoder.d_ff = 96;
    shapes.text_encoder.d_kv = 16;
    shapes.text_encoder.num_heads = 4;
    shapes.text_encoder.num_layers = 2;
    shapes.text_encoder.vocab_size = 128;
    let parts =
        [synth::SynthComponent::Transformer, synth::SynthComponent::TextEncoder, synth::SynthComponent::Vae];
    shapes.vae.base_dim = 8;
    shapes.vae.decoder_base_dim = Some(8);
    for (layout, dtype) in [
        (synth::SynthLayout::Original, synth::SynthDtype::Bf16),
        (synth::SynthLayout::Comfy, synth::SynthDtype::Fp8Scaled),
        (synth::SynthLayout::Diffusers, synth::SynthDtype::Fp16),
    ] {
        let source = dir.path().join(format!("{layout:?}"));
        let weights = synth::SynthWeights { seed: 3, sparse: false };
        synth::plan(&shapes, layout, dtype, &parts)
            .unwrap()
            .write(&source, weights, &CancelToken::new(), &mut |_| {})
            .unwrap();
        let path = dir.path().join(format!("{layout:?}-int8"));
        let options = ConversionOptions::new(To::Int8);
        let done = convert(&source, &path, options, &CancelToken::new(), &mut |_| {}).unwrap();
        let (was, is) = (models::open(&source).unwrap(), models::open(&path).unwrap());
        assert!(is.quantisation() == Some(Quantisation::Int8) && was.quantisation().is_none());
        assert_eq!((is.modes.clone(), is.lora), (was.modes.clone(), was.lora));
        assert_eq!(is.transformer.config, was.transformer.config);
        assert_eq!(is.text_encoder.config, was.text_encoder.config);
        assert_eq!(is.vae.config, was.vae.config);
        assert_eq!(done.report.layers.len(), 10 + 14, "{layout:?}");
        assert!(done.report.layers.iter().all(|layer| layer.relative_l2 < 2e-2), "{:?}", done.report);
        wandeck::wan::text::Tokenizer::open(&is.tokenizer).unwrap();
    }
}

/// The reported precision, and all pixels of the preset's video.
fn video(preset: &str, model: &Path, precision: PrecisionChoice, dir: &Path) -> (String, Vec<u8>) {
    let preset = presets::by_name(preset).unwrap_or_else(|_| presets::by_name("toy-t2v").unwrap());
    let draft = Draft { seed: 7, precision, ..preset.draft("a red circle moves right on a blue background") };
    let output = dir.join(format!("{}-{precision:?}", model.file_name().unwrap().display()));
    let worker = worker();
    let id = worker.submit(JobSpec::new(draft, model.into(), output));
    let events = events_of(&worker, id);
    let outcome = finished(&events);
    assert!(outcome.checks.iter().all(|check| check.passed), "{:?}", outcome.checks);
    (outcome.precision.clone(), frames(&outcome.output))
}

#[test]
fn the_toy_in_int8_makes_nearly_the_same_video() {
    let dir = tempfile::tempdir().unwrap();
    let toy = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B");
    let small = dir.path().join("toy-int8");
    let done = converted(&toy, &small, To::Int8);
    let (before, after) = done.report.sizes();
    let (word, exact) = video("toy-t2v", &toy, PrecisionChoice::Auto, dir.path());
    assert_eq!(word, "fp32");
    let (word, rounded) = video("toy-t2v", &small, PrecisionChoice::Int8, dir.path());
    assert_eq!(word, "int8");
    assert_eq!(exact.len(), rounded.len());
    let sum: u64 = exact.iter().zip(&rounded).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    let mean = sum as f64 / exact.len() as f64;
    println!(
        "{before} -> {after}, mean layer error {:.2e}, mean |d| {mean:.3}",
        done.report.mean_relative_l2
    );
    assert!(mean > 0.0 && mean < 1.0, "mean |d| of 8-bit values: {mean}");
    assert!(after.0 * 4 < before.0 * 3, "{before} {after}");
}

fn wandeck() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wandeck"));
    command.env("WANDECK_DATA_DIR", common::data_dir());
    command
}

#[test]
fn the_command_converts_and_says_what_is_wrong() {
    common::runtime();
    let dir = tempfile::tempdir().unwrap();
    let tiny = common::golden_model("tiny-t2v");
    let output = dir.path().join("made");
    let run = |args: &[&str]| {
        let result = wandeck().args(args).output().unwrap();
        let text =
            String::from_utf8_lossy(&result.stdout).into_owned() + &String::from_utf8_lossy(&result.stderr);
        (result.status.code().unwrap(), text)
    };
    let (tiny, made) = (tiny.to_str().unwrap(), output.to_str().unwrap());
    let (code, text) = run(&["generate", "a", "--model", tiny, "--precision", "int8"]);
    assert!(code == 2 && text.contains("wandeck models convert tiny-t2v --precision int8"), "{text}");
    let (code, text) = run(&["generate", "a", "--model", tiny, "--precision", "bf16"]);
    assert!(code == 2 && text.contains("does not compute in bf16"), "{text}");

    let (code, text) = run(&["models", "convert", tiny, "--precision", "int8", "-o", made, "--json"]);
    assert_eq!(code, 0, "{text}");
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["status"], "done");
    assert_eq!(document["worst"].as_array().unwrap().len(), 5);
    let video = dir.path().join("a.mp4");
    let (code, text) = run(&[
        "generate",
        "a",
        "--model",
        made,
        "--precision",
        "int8",
        "--size",
        "32x32",
        "--frames",
        "5",
        "--steps",
        "2",
        "-o",
        video.to_str().unwrap(),
        "--json",
    ]);
    assert_eq!(code, 0, "{text}");
    let document: serde_json::Value =
        serde_json::from_str(text.lines().find(|l| l.starts_with('{')).unwrap()).unwrap();
    assert_eq!(document["precision"], "int8");
    let record: serde_json::Value = serde_json::from_str(&read_metadata(&video).unwrap().unwrap()).unwrap();
    assert_eq!((&record["precision"], &record["request"]["precision"]), (&"int8".into(), &"int8".into()));

    // a folder below a file cannot be created, even by root
    let below = output.join("model_index.json/x");
    let (code, text) =
        run(&["models", "convert", tiny, "--precision", "int8", "-o", below.to_str().unwrap()]);
    assert!(code == 1 && text.contains("Cannot write") && text.contains("with -o"), "{text}");
}

#[test]
#[cfg(unix)]
fn a_write_that_fails_says_so_and_leaves_no_half_file() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("made");
    // the shell's limit on the size of a file stands for a disk that has no more room
    let line = format!(
        "trap '' XFSZ; ulimit -f 8; exec '{}' models convert '{}' --precision int8 -o '{}'",
        env!("CARGO_BIN_EXE_wandeck"),
        common::golden_model("tiny-t2v").display(),
        output.display()
    );
    let result = Command::new("bash").args(["-c", &line]).output().unwrap();
    let text = String::from_utf8_lossy(&result.stderr);
    assert_eq!(result.status.code(), Some(1), "{text}");
    assert!(text.contains("Cannot write") && text.contains("File too large"), "{text}");
    assert!(!output.exists());
    let left = bytes_of(&dir.path().join("made.unfinished"));
    assert!(left.iter().all(|(path, _)| path.extension().unwrap() != "part"), "{left:?}");
    // and with room again it goes on
    converted_after(&output);
}

fn converted_after(output: &Path) {
    let options = ConversionOptions::new(To::Int8);
    let source = common::golden_model("tiny-t2v");
    convert(&source, output, options, &CancelToken::new(), &mut |_| {}).unwrap();
    assert!(models::open(output).unwrap().quantisation().is_some());
}
