//! Videos of GGUF models: the same as those of the numbers that their blocks stand for.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use safetensors::Dtype;
use wandeck::core::CancelToken;
use wandeck::models::convert::{ConversionOptions, ConversionTarget, convert};
use wandeck::onnx::Weights;
use wandeck::wan::names::TRANSFORMER;

use crate::common;
use crate::common::gguf::{GgufTensor, GgufType, write_gguf};
use crate::common::layouts::{Tensors, floats, save};

const TOY: &str = "models/toy-t2v-A14B";
/// Wan's own configuration of the toy's transformers; their heads are not 128 wide.
const CONFIG: &str = r#"{"dim": 192, "ffn_dim": 768, "freq_dim": 256, "in_dim": 16, "out_dim": 16, "num_heads": 4,
    "num_layers": 6, "eps": 1e-6, "model_type": "t2v"}"#;

fn toy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(TOY)
}

/// llama.cpp's name of a tensor of the text encoder.
fn llama(name: &str) -> String {
    const PAIRS: [(&str, &str); 10] = [
        ("layer.0.layer_norm", "attn_norm"),
        ("layer.0.SelfAttention.q", "attn_q"),
        ("layer.0.SelfAttention.k", "attn_k"),
        ("layer.0.SelfAttention.v", "attn_v"),
        ("layer.0.SelfAttention.o", "attn_o"),
        ("layer.0.SelfAttention.relative_attention_bias", "attn_rel_b"),
        ("layer.1.layer_norm", "ffn_norm"),
        ("layer.1.DenseReluDense.wi_0", "ffn_gate"),
        ("layer.1.DenseReluDense.wi_1", "ffn_up"),
        ("layer.1.DenseReluDense.wo", "ffn_down"),
    ];
    let Some((number, rest)) = name.strip_prefix("encoder.block.").and_then(|rest| rest.split_once('.'))
    else {
        return if name == "shared.weight" { "token_embd.weight" } else { "enc.output_norm.weight" }
            .to_owned();
    };
    let (_, theirs) = PAIRS.iter().find(|(ours, _)| rest == format!("{ours}.weight")).unwrap();
    format!("enc.blk.{number}.{theirs}.weight")
}

/// Writes a component as GGUF under the names that `rename` gives, and as fp32 safetensors under the names that `keep`
/// gives, the numbers of it.
fn write_both(
    source: &Path,
    [gguf, wide]: [&Path; 2],
    kind: GgufType,
    [rename, keep]: [&dyn Fn(&str) -> String; 2],
) {
    let weights = Weights::from_files(&[source.to_path_buf()]).unwrap();
    let tensors = || weights.iter().filter(|(name, _)| *name != "encoder.embed_tokens.weight");
    let written: Vec<_> = tensors()
        .map(|(name, info)| GgufTensor {
            name: rename(name),
            shape: info.shape.clone(),
            kind: GgufType::fitting(kind, &info.shape),
            values: floats(&weights, info),
        })
        .collect();
    let numbers = write_gguf(gguf, &written);
    let named = tensors().zip(numbers).map(|((name, info), numbers)| {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        (keep(name), (Dtype::F32, info.shape.clone(), bytes))
    });
    save(wide, &named.collect::<Tensors>());
}

/// The toy in `ComfyUI`'s layout as GGUF files in `dir/gguf`, and with the numbers of these in `dir/wide`.
fn models(dir: &Path, kind: GgufType) -> [PathBuf; 2] {
    let both = ["gguf", "wide"].map(|name| dir.join(name));
    let [gguf, wide] = &both;
    let word = format!("{kind:?}");
    let original = |name: &str| TRANSFORMER.original(name).unwrap();
    for (part, noise) in [("transformer", "high_noise"), ("transformer_2", "low_noise")] {
        let source = toy().join(part).join("diffusion_pytorch_model.safetensors");
        let name = format!("diffusion_models/wan2.2_t2v_{noise}_14B_{word}");
        let files = [gguf.join(format!("{name}.gguf")), wide.join(format!("{name}.safetensors"))];
        write_both(&source, [&files[0], &files[1]], kind, [&original, &original]);
    }
    let source = toy().join("text_encoder/model.safetensors");
    let files = [gguf.join("text_encoders/umt5.gguf"), wide.join("text_encoders/umt5.safetensors")];
    write_both(&source, [&files[0], &files[1]], kind, [&llama, &str::to_owned]);
    for model in &both {
        std::fs::write(model.join("diffusion_models/config.json"), CONFIG).unwrap();
        common::copy_all(&toy().join("tokenizer"), &model.join("text_encoders/tokenizer"));
        common::copy_all(&toy().join("vae"), &model.join("vae"));
    }
    both
}

/// The frames that the program makes of a model, and what it says; repacked weights lie in the data folder.
fn video(data_dir: &Path, model: &Path, precision: &str) -> (Vec<u8>, String) {
    let dir = tempfile::tempdir().unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_wandeck"))
        .args(["generate", "a red circle moves right on a black background", "--model"])
        .arg(model)
        .args(["--seed", "7", "--size", "64x64", "--frames", "9", "--steps", "6", "--guidance", "1.5"])
        .args(["--shift", "3", "--provider", "cpu", "--precision", precision, "-o"])
        .arg(dir.path().join("frames"))
        .env("WANDECK_DATA_DIR", data_dir)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned() + &String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}");
    (common::frames(&dir.path().join("frames")), said)
}

fn equal(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).filter(|(a, b)| a == b).count() as f64 / a.len() as f64
}

/// Mean difference of 8-bit values.
fn difference(a: &[u8], b: &[u8]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
}

fn assert_video_of_numbers(kind: GgufType, word: &str) {
    let data_dir = common::fresh_data_dir();
    let video = |model: &Path, precision: &str| video(data_dir.path(), model, precision);
    let dir = tempfile::tempdir().unwrap();
    let [gguf, wide] = models(dir.path(), kind);
    let (exact, _) = video(&wide, "fp32");
    let (found, said) = video(&gguf, "fp32");
    assert!(equal(&found, &exact) >= 0.999, "{word} in fp32: {} equal", equal(&found, &exact));
    assert!(said.contains("repacked from Q8_0") && said.contains(word), "{said}");

    // without a word about precision, the CPU computes with int8, as after `models convert`
    let int8 = dir.path().join("int8");
    let options = ConversionOptions::new(ConversionTarget::Int8);
    convert(&wide, &int8, options, &CancelToken::new(), &mut |_| {}).unwrap();
    let (converted, _) = video(&int8, "auto");
    let (found, said) = video(&gguf, "auto");
    assert!(equal(&found, &converted) >= 0.999, "{word} in int8: {} equal", equal(&found, &converted));
    assert!(said.contains("int8 repacked from Q8_0") && said.contains(word), "{said}");
    // 0.22 with Q8_0 and 0.25 with Q4_K: what rounding to int8 adds to the blocks' own error
    assert!(difference(&found, &exact) < 0.5, "{word}: {} of 255", difference(&found, &exact));

    // a GGUF model is a source of conversions, too
    let again = dir.path().join("again");
    convert(&gguf, &again, options, &CancelToken::new(), &mut |_| {}).unwrap();
    assert!(equal(&video(&again, "auto").0, &converted) >= 0.999, "{word} converted");
}

#[test]
fn q8_0_makes_the_video_of_its_numbers() {
    assert_video_of_numbers(GgufType::Q8_0, "Q8_0");
}

#[test]
fn q4_k_makes_the_video_of_its_numbers() {
    assert_video_of_numbers(GgufType::Q4K, "Q4_K");
}

#[test]
fn experts_of_one_size_and_one_time_keep_their_own_weights() {
    let data_dir = common::fresh_data_dir();
    let video = |model: &Path| video(data_dir.path(), model, "fp32").0;
    let dir = tempfile::tempdir().unwrap();
    let [gguf, wide] = models(dir.path(), GgufType::Q8_0);
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let experts =
        std::fs::read_dir(gguf.join("diffusion_models")).unwrap().map(|entry| entry.unwrap().path());
    let experts = experts.filter(|path| path.extension().is_some_and(|extension| extension == "gguf"));
    let sizes = experts.map(|path| {
        let file = File::options().append(true).open(path).unwrap();
        file.set_modified(time).unwrap();
        file.metadata().unwrap().len()
    });
    let sizes: Vec<_> = sizes.collect();
    assert!(matches!(sizes[..], [high, low] if high == low), "{sizes:?}");
    let (found, exact) = (video(&gguf), video(&wide));
    assert!(equal(&found, &exact) >= 0.999, "{} equal", equal(&found, &exact));
}
