//! Files with odd prefixes and extensions, and all components in one file: read like the plain ones.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;
use wandeck::core::CancelToken;
use wandeck::models;
use wandeck::models::synth::{SynthDtype, SynthLayout, SynthModel};
use wandeck::wan::Checkpoint;

use crate::common::layouts::{ALL, Tensors, load, narrow, save, weights, write};

fn comfy(dir: &Path) {
    write(&narrow(SynthModel::Ti2v5b), SynthLayout::Comfy, SynthDtype::Bf16, dir);
}

/// The only checkpoint file of a folder.
fn file(dir: &Path, folder: &str) -> PathBuf {
    let mut files = fs::read_dir(dir.join(folder)).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.extension().is_some_and(|extension| extension == "safetensors")).unwrap()
}

/// All tensors of all components: component, name, bytes.
fn content(model: &Checkpoint) -> Vec<(&'static str, String, Vec<u8>)> {
    let all = weights(model).into_iter();
    all.flat_map(|(component, weights)| {
        weights.iter().map(move |(name, info)| (component, name.to_owned(), weights.bytes(info).unwrap()))
    })
    .collect()
}

fn prefixed(tensors: Tensors, prefix: &str) -> Tensors {
    tensors.into_iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)).collect()
}

#[test]
fn prefixes_of_saved_models_are_taken_off() {
    let dir = tempfile::tempdir().unwrap();
    comfy(dir.path());
    let plain = content(&models::open(dir.path()).unwrap());
    let file = file(dir.path(), "diffusion_models");
    let tensors = load(&file);
    for prefix in ["model.diffusion_model.", "model.", "transformer.", "_orig_mod.", "model._orig_mod."] {
        save(&file, &prefixed(tensors.clone(), prefix));
        let opened = models::open(dir.path()).unwrap_or_else(|error| panic!("{prefix}: {error:#}"));
        assert!(content(&opened) == plain, "{prefix}");
    }
}

#[test]
fn odd_extensions_are_found() {
    let dir = tempfile::tempdir().unwrap();
    comfy(dir.path());
    let plain = content(&models::open(dir.path()).unwrap());
    for (folder, extension) in
        [("diffusion_models", "SAFETENSORS"), ("vae", "sft"), ("text_encoders", "SafeTensors")]
    {
        let file = file(dir.path(), folder);
        fs::rename(&file, file.with_extension(extension)).unwrap();
    }
    assert!(content(&models::open(dir.path()).unwrap()) == plain);
    // all in one place, and none of them called .safetensors
    let flat = tempfile::tempdir().unwrap();
    for (folder, extension) in
        [("diffusion_models", "SAFETENSORS"), ("vae", "sft"), ("text_encoders", "SafeTensors")]
    {
        for entry in fs::read_dir(dir.path().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == extension) {
                fs::rename(&path, flat.path().join(path.file_name().unwrap())).unwrap();
            }
        }
    }
    let listed = models::installed(dir.path(), Some(flat.path()));
    assert!(listed.iter().any(|model| model.path.starts_with(flat.path())), "{listed:?}");
}

#[test]
fn an_all_in_one_file_is_read_as_its_three_components() {
    let dir = tempfile::tempdir().unwrap();
    comfy(dir.path());
    let plain = content(&models::open(dir.path()).unwrap());
    let mut all = Tensors::new();
    for (folder, prefix) in [
        ("diffusion_models", "model.diffusion_model."),
        ("text_encoders", "text_encoders.umt5xxl.transformer."),
        ("vae", "vae."),
    ] {
        all.extend(prefixed(load(&file(dir.path(), folder)), prefix));
    }
    for folder in ["checkpoints", "models/checkpoints"] {
        let alone = tempfile::tempdir().unwrap();
        save(&alone.path().join(folder).join("wan2.2-ti2v-rapid-aio.safetensors"), &all);
        let opened = models::open(alone.path()).unwrap();
        assert!(content(&opened) == plain, "{folder}");
        // the tokenizer is in the same file
        wandeck::wan::text::Tokenizer::open(&opened.tokenizer).unwrap();
    }
}

/// Writes the headers of files, with a prefix for each, as that of one file whose values are zeros.
fn save_sparse(path: &Path, parts: &[(PathBuf, &str)]) {
    let (mut all, mut size) = (serde_json::Map::new(), 0);
    for (file, prefix) in parts {
        let mut file = fs::File::open(file).unwrap();
        let mut length = [0; 8];
        file.read_exact(&mut length).unwrap();
        let mut header = vec![0; u64::from_le_bytes(length) as usize];
        file.read_exact(&mut header).unwrap();
        let header: serde_json::Map<String, Value> = serde_json::from_slice(&header).unwrap();
        for (name, mut tensor) in header.into_iter().filter(|(name, _)| name != "__metadata__") {
            let offsets = tensor["data_offsets"].as_array().unwrap().iter();
            let [begin, end]: [u64; 2] =
                offsets.map(|at| at.as_u64().unwrap()).collect::<Vec<_>>().try_into().unwrap();
            tensor["data_offsets"] = serde_json::json!([size, size + end - begin]);
            size += end - begin;
            all.insert(format!("{prefix}{name}"), tensor);
        }
    }
    let header = serde_json::to_vec(&all).unwrap();
    let mut file = fs::File::create(path).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(&header).unwrap();
    file.set_len(8 + header.len() as u64 + size).unwrap();
}

/// The width of the official models, of which there are two experts otherwise.
#[test]
fn an_all_in_one_file_of_14b_has_one_transformer() {
    let mut shapes = narrow(SynthModel::T2vA14b);
    (shapes.transformer.num_attention_heads, shapes.transformer.num_layers) = (40, 1);
    let dir = tempfile::tempdir().unwrap();
    let plan = models::synth::plan(&shapes, SynthLayout::Comfy, SynthDtype::Bf16, &ALL).unwrap();
    let weights = models::synth::SynthWeights { seed: 1, sparse: true };
    plan.write(dir.path(), weights, &CancelToken::new(), &mut |_| {}).unwrap();
    let folder = dir.path().join("diffusion_models");
    fs::remove_file(folder.join("wan2.2_t2v_low_noise_14B_bf16.safetensors")).unwrap();
    let high = folder.join("wan2.2_t2v_high_noise_14B_bf16.safetensors");
    let file = folder.join("wan2.2-t2v-rapid-aio-v10.safetensors");
    fs::rename(high, &file).unwrap();
    let opened = models::inspect(dir.path()).unwrap();
    assert!(opened.checkpoint.transformer_2.is_none());
    assert_eq!(opened.checkpoint.id, "t2v-14B-rapid_aio_v10-bf16", "no variant of t2v-A14B");
    assert_eq!(opened.info.components[0].role_source, Some(models::RoleSource::Alone));
    assert_eq!(opened.checkpoint.distilled.unwrap().settings.steps, 4);
    // what its name does not say, its components do
    let alone = tempfile::tempdir().unwrap();
    let parts = [("diffusion_models", "model."), ("text_encoders", "text_encoders."), ("vae", "vae.")];
    let parts = parts.map(|(folder, prefix)| (self::file(dir.path(), folder), prefix));
    save_sparse(&alone.path().join("remix.safetensors"), &parts);
    let opened = models::open(alone.path()).unwrap();
    assert!(opened.transformer_2.is_none() && opened.boundary_ratio.is_none());
    // nothing says it of a transformer alone
    fs::rename(file, folder.join("remix.safetensors")).unwrap();
    let error = models::open(dir.path()).unwrap_err();
    assert!(error.message.contains("Cannot tell which expert of t2v-A14B"), "{error:#}");
}

#[test]
fn the_heads_of_a_file_are_those_of_the_config_beside_it_in_either_form() {
    let dir = tempfile::tempdir().unwrap();
    let mut shapes = narrow(SynthModel::Ti2v5b);
    shapes.transformer.num_attention_heads = 2;
    write(&shapes, SynthLayout::Comfy, SynthDtype::Bf16, dir.path());
    let config = &shapes.transformer;
    let original = serde_json::json!({"dim": 256, "ffn_dim": config.ffn_dim, "freq_dim": config.freq_dim, "in_dim": 48,
        "out_dim": 48, "num_heads": 4, "num_layers": config.num_layers, "eps": 1e-6, "model_type": "ti2v"});
    let diffusers = serde_json::json!({"num_attention_heads": 4, "attention_head_dim": 64, "in_channels": 48,
        "out_channels": 48, "text_dim": config.text_dim, "freq_dim": config.freq_dim, "ffn_dim": config.ffn_dim,
        "num_layers": config.num_layers, "patch_size": [1, 2, 2]});
    let heads = || models::open(dir.path()).unwrap().transformer.config.num_attention_heads;
    assert_eq!(heads(), 2);
    for (form, config) in [("Wan's", original), ("diffusers'", diffusers)] {
        fs::write(dir.path().join("diffusion_models/config.json"), config.to_string()).unwrap();
        assert_eq!(heads(), 4, "{form}");
    }
}
