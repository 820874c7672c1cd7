//! Inputs that once ended the program, hung it or took all memory.

use std::fs;
use std::path::{Path, PathBuf};

use wandeck::core::{CancelToken, Kind};
use wandeck::media::{Reader, SourceImage};
use wandeck::models;
use wandeck::wan::text::Tokenizer;

use crate::common;
use crate::program::Desk;

/// A screen of 64x64 with one image of 65535x65535 in 50 bytes.
fn poison_gif() -> Vec<u8> {
    let mut bytes = b"GIF89a\x40\0\x40\0\x80\0\0\0\0\0\xff\xff\xff".to_vec();
    bytes.extend(b",\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x4c\x01\0;");
    bytes
}

fn toy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name)
}

#[test]
fn a_poisoned_image_fails_its_own_job_only() {
    let desk = Desk::new();
    let image = desk.path("poison.gif");
    fs::write(&image, poison_gif()).unwrap();
    let (a, image) = (desk.path("a.mp4"), image.to_str().unwrap().to_owned());
    let args = ["queue", "add", "moves left", "--model", "toy-i2v-A14B", "--image", &image, "--steps", "2"];
    desk.run(&[&args[..], &["--frames", "5", "--size", "64x64", "-o", a.to_str().unwrap()]].concat());
    let good = desk.add("b.mp4", &[]);
    desk.work();
    assert!(good.exists());
    assert!(!desk.statuses().iter().any(|status| status == "interrupted" || status == "queued"));
    assert!(Reader::open(Path::new(&image)).is_err());
}

#[test]
#[cfg(unix)]
fn pipes_and_devices_are_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe.png");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe.as_path(), Path::new("/dev/zero"), Path::new("/dev/random")] {
        assert!(SourceImage::open(path).is_err() && Reader::open(path).is_err(), "{}", path.display());
        assert!(SourceImage::last_of(path, &CancelToken::new()).is_err(), "{}", path.display());
        assert!(wandeck::onnx::Weights::from_files(&[path.to_path_buf()]).is_err(), "{}", path.display());
    }
    // one in a models folder hides no other model
    let models = dir.path().join("models");
    common::copy_all(&toy("toy-t2v-A14B"), &models.join("good"));
    for bad in ["bad/transformer", "worse"] {
        fs::create_dir_all(models.join(bad)).unwrap();
        let pipe = models.join(bad).join("diffusion_pytorch_model.safetensors");
        assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
    }
    fs::copy(toy("toy-t2v-A14B").join("model_index.json"), models.join("bad/model_index.json")).unwrap();
    let found = models::installed(dir.path(), Some(&models));
    assert!(found.iter().any(|model| model.id == "good" && model.limits.is_ok()));
    assert!(found.iter().any(|model| model.id == "bad" && model.limits.is_err()));
}

#[test]
fn nested_boxes_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut nested = Vec::new();
    for _ in 0..20_000 {
        let mut outer = (nested.len() as u32 + 8).to_be_bytes().to_vec();
        outer.extend(b"moov");
        outer.append(&mut nested);
        nested = outer;
        if nested.len() > 100_000 {
            break;
        }
    }
    for depth in [nested.len(), 3_800] {
        let mut file = b"\0\0\0\x14ftypisom\0\0\0\0isom".to_vec();
        file.extend(&nested[..8]);
        file.extend(&nested[nested.len() - depth + 8..]);
        let inner = (depth as u32).to_be_bytes();
        file[20..24].copy_from_slice(&inner);
        let path = dir.path().join("nested.mp4");
        fs::write(&path, file).unwrap();
        assert!(Reader::open(&path).is_err());
    }
}

#[test]
fn a_block_number_does_not_size_anything() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("m");
    common::copy_all(&toy("toy-t2v-A14B"), &model);
    let path = model.join("text_encoder/model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let length = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let header = std::str::from_utf8(&bytes[8..8 + length]).unwrap().trim_end();
    let end = bytes.len() - 8 - length;
    let more = format!(
        r#","encoder.block.1000000000.layer.0.layer_norm.weight":{{"dtype":"F32","shape":[0],"data_offsets":[{end},{end}]}}}}"#
    );
    let header = format!("{}{more}", header.strip_suffix('}').unwrap());
    let mut changed = (header.len() as u64).to_le_bytes().to_vec();
    changed.extend(header.as_bytes());
    changed.extend(&bytes[8 + length..]);
    fs::write(&path, changed).unwrap();
    let error = models::open(&model).unwrap_err();
    assert_eq!(error.kind, Kind::CorruptModel, "{error:#}");
    assert!(error.message.contains("1000000000"), "{error:#}");
}

#[test]
fn numbers_of_configurations_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let golden = common::golden_model("tiny-t2v-onnx");
    let cases = [
        ("transformer/config.json", "patch_size", "[0, 0, 0]"),
        ("transformer/config.json", "num_layers", "9223372036854775808"),
        ("vae_decoder/config.json", "scale_factor_spatial", "0"),
        ("vae_decoder/config.json", "z_dim", "1099511627776"),
        ("text_encoder/config.json", "num_heads", "0"),
    ];
    for (number, (file, key, value)) in cases.into_iter().enumerate() {
        let model = dir.path().join(number.to_string());
        common::copy_all(&golden, &model);
        let path = model.join(file);
        let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        config[key] = serde_json::from_str(value).unwrap();
        fs::write(&path, config.to_string()).unwrap();
        let error = models::open(&model).unwrap_err();
        assert!(format!("{error:#}").contains(key), "{key}: {error:#}");
    }
}

#[test]
fn crafted_tokenizers_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let shipped = fs::read(toy("toy-t2v-A14B").join("tokenizer/tokenizer.json")).unwrap();
    let grow = serde_json::json!({"type": "Replace", "pattern": {"String": "a"}, "content": "a".repeat(200)});
    for normalizer in [
        serde_json::json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
        serde_json::json!({"type": "Sequence", "normalizers": [grow, grow, grow, grow]}),
    ] {
        let mut file: serde_json::Value = serde_json::from_slice(&shipped).unwrap();
        file["normalizer"] = normalizer;
        fs::write(dir.path().join("tokenizer.json"), file.to_string()).unwrap();
        assert_eq!(Tokenizer::open(dir.path()).unwrap_err().kind, Kind::CorruptModel);
    }
}
