//! What is said about folders that do not make a model: what is wrong, why, and what to do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::layouts::{load, narrow, save, write};
use wandeck::core::{Error, Kind};
use wandeck::models::synth::{SynthDtype, SynthLayout, SynthModel};
use wandeck::models::{self, Layout};

use crate::common;

const HIGH: &str = "diffusion_models/wan2.2_t2v_high_noise_14B_fp32.safetensors";
const LOW: &str = "diffusion_models/wan2.2_t2v_low_noise_14B_fp32.safetensors";
const VAE: &str = "vae/wan_2.1_vae.safetensors";
const TEXT: &str = "text_encoders/umt5_xxl_fp32.safetensors";

fn comfy(like: SynthModel) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(&narrow(like), SynthLayout::Comfy, SynthDtype::Fp32, dir.path());
    dir
}

fn check_error(dir: &Path, kind: Kind, words: &[&str]) -> Error {
    let error = models::open(dir).unwrap_err();
    let text = format!("{error:#}");
    assert_eq!(error.kind, kind, "{text}");
    for word in words {
        assert!(text.contains(word), "\"{word}\" is not in: {text}");
    }
    assert!(error.remedy_text().is_some(), "{text}");
    error
}

#[test]
fn pickles_and_empty_gguf_files_are_refused_with_a_way_out() {
    for (lost, found, words) in [
        (VAE, "vae/Wan2.1_VAE.pth", "PyTorch pickle"),
        (TEXT, "text_encoders/models_t5_umt5-xxl-enc-bf16.pth", "PyTorch pickle"),
        (TEXT, "text_encoders/umt5_xxl.pt", "PyTorch pickle"),
        (VAE, "vae/wan_vae.ckpt", "PyTorch pickle"),
    ] {
        let dir = comfy(SynthModel::T2vA14b);
        fs::rename(dir.path().join(lost), dir.path().join(found)).unwrap();
        check_error(
            dir.path(),
            Kind::Unsupported,
            &[words, found, "Comfy-Org/Wan_2.2_ComfyUI_Repackaged", "save_file"],
        );
        check_error(&dir.path().join(found), Kind::Unsupported, &[words]);
    }
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("Wan2.2-T2V-A14B-HighNoise-Q4_K_S.gguf"), b"GGUF").unwrap();
    check_error(dir.path(), Kind::CorruptModel, &["HighNoise-Q4_K_S.gguf", "again"]);

    let dir = tempfile::tempdir().unwrap();
    write(&narrow(SynthModel::Ti2v5b), SynthLayout::Diffusers, SynthDtype::Fp32, dir.path());
    let stem = dir.path().join("transformer/diffusion_pytorch_model");
    fs::rename(stem.with_extension("safetensors"), stem.with_extension("bin")).unwrap();
    check_error(dir.path(), Kind::Unsupported, &["PyTorch pickle", "diffusion_pytorch_model.bin"]);
}

#[test]
fn damaged_files_are_reported() {
    let cut = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() - 100]).unwrap();
    };
    let pointer =
        |path: &Path| fs::write(path, "version https://git-lfs.github.com/spec/v1\noid sha256:0\n").unwrap();
    for file in [HIGH, LOW, VAE, TEXT] {
        let dir = comfy(SynthModel::T2vA14b);
        cut(&dir.path().join(file));
        check_error(dir.path(), Kind::CorruptModel, &["truncated or damaged", file, "Fetch the file again"]);
        pointer(&dir.path().join(file));
        check_error(dir.path(), Kind::CorruptModel, &["git-LFS pointer", file, "git lfs pull"]);
    }
    let dir = tempfile::tempdir().unwrap();
    write(&narrow(SynthModel::Ti2v5b), SynthLayout::Original, SynthDtype::Fp32, dir.path());
    let whole = dir.path().join("diffusion_pytorch_model.safetensors");
    fs::rename(whole, dir.path().join("diffusion_pytorch_model-00002-of-00003.safetensors")).unwrap();
    let lost = "diffusion_pytorch_model-00001-of-00003.safetensors is missing";
    check_error(dir.path(), Kind::MissingModel, &[lost]);
}

#[test]
fn parts_that_are_missing_are_named() {
    for (file, words) in [
        (LOW, "but not its low-noise expert"),
        (HIGH, "but not its high-noise expert"),
        (VAE, "needs Wan 2.1's VAE (wan_2.1_vae)"),
        (TEXT, "needs the UMT5-XXL text encoder"),
    ] {
        let dir = comfy(SynthModel::T2vA14b);
        fs::remove_file(dir.path().join(file)).unwrap();
        check_error(dir.path(), Kind::MissingModel, &[words, "t2v-128"]);
    }
    let dir = tempfile::tempdir().unwrap();
    check_error(dir.path(), Kind::MissingModel, &["No model found", "model_index.json"]);
    check_error(&dir.path().join("nowhere"), Kind::MissingModel, &["No model found"]);
}

/// A transformer whose file says nothing, beside one that says what it is.
#[test]
fn a_diffusers_folder_without_its_second_expert_says_so() {
    let dir = tempfile::tempdir().unwrap();
    write(&narrow(SynthModel::T2vA14b), SynthLayout::Diffusers, SynthDtype::Fp32, dir.path());
    fs::remove_dir_all(dir.path().join("transformer_2")).unwrap();
    check_error(dir.path(), Kind::MissingModel, &["lacks transformer_2, its low-noise expert", "Download"]);
}

#[test]
fn ambiguous_experts_are_not_guessed() {
    let dir = comfy(SynthModel::T2vA14b);
    let copy = "diffusion_models/wan2.2_t2v_high_noise_14B_fp32_v2.safetensors";
    fs::copy(dir.path().join(HIGH), dir.path().join(copy)).unwrap();
    fs::rename(dir.path().join(LOW), dir.path().join("diffusion_models/other_low_noise.safetensors"))
        .unwrap();
    assert!(models::open(dir.path()).is_ok(), "a copy of one content is no second expert");
    let mut other = load(&dir.path().join(copy));
    other.get_mut("head.modulation").unwrap().2[0] ^= 1;
    save(&dir.path().join(copy), &other);
    let words = ["2 files are named as the high-noise expert", HIGH, copy, "NAME_low_noise.safetensors"];
    check_error(dir.path(), Kind::Input, &words);

    // the width of the official models, of which there are always two
    let mut shapes = narrow(SynthModel::T2vA14b);
    shapes.transformer.num_attention_heads = 40;
    shapes.transformer.num_layers = 1;
    let dir = tempfile::tempdir().unwrap();
    let plan =
        models::synth::plan(&shapes, SynthLayout::Comfy, SynthDtype::Fp32, &common::layouts::ALL).unwrap();
    let weights = models::synth::SynthWeights { seed: 1, sparse: true };
    plan.write(dir.path(), weights, &wandeck::core::CancelToken::new(), &mut |_| {}).unwrap();
    assert_eq!(models::open(dir.path()).unwrap().id, "t2v-A14B-fp32");
    let mut files = [HIGH, LOW].map(str::to_owned);
    // a resolution is not a noise level
    for names in [["one", "two"], ["wanHIGHres", "wanLOWres"]] {
        for (file, name) in files.iter_mut().zip(names) {
            let to = format!("diffusion_models/{name}.safetensors");
            fs::rename(dir.path().join(&*file), dir.path().join(&to)).unwrap();
            *file = to;
        }
        let words =
            ["Cannot tell which expert of t2v-A14B", "neither high nor low noise", &files[0], &files[1]];
        let error = check_error(dir.path(), Kind::Input, &words);
        assert!(error.remedy_text().unwrap().contains("--high FILE --low FILE"), "{error:#}");
    }
}

#[test]
fn swapped_and_doubled_experts_are_noticed() {
    let dir = comfy(SynthModel::T2vA14b);
    fs::copy(dir.path().join(HIGH), dir.path().join(LOW)).unwrap();
    check_error(dir.path(), Kind::CorruptModel, &["have the same values"]);

    let dir = tempfile::tempdir().unwrap();
    write(&narrow(SynthModel::I2vA14b), SynthLayout::Original, SynthDtype::Fp32, dir.path());
    let [high, low] = ["high_noise_model", "low_noise_model"].map(|name| dir.path().join(name));
    let file = "diffusion_pytorch_model.safetensors";
    fs::rename(low.join(file), high.join("wan2.2_i2v_low_noise.safetensors")).unwrap();
    check_error(dir.path(), Kind::CorruptModel, &["disagree", "swap them back"]);

    #[cfg(unix)]
    {
        let files = comfy(SynthModel::T2vA14b);
        let dir = tempfile::tempdir().unwrap();
        write(&narrow(SynthModel::T2vA14b), SynthLayout::Diffusers, SynthDtype::Fp32, dir.path());
        for (place, file) in [("transformer", LOW), ("transformer_2", HIGH)] {
            let place = dir.path().join(place).join("diffusion_pytorch_model.safetensors");
            fs::remove_file(&place).unwrap();
            std::os::unix::fs::symlink(files.path().join(file), &place).unwrap();
        }
        check_error(dir.path(), Kind::CorruptModel, &["disagree"]);
    }
}

#[test]
fn parts_of_other_models_are_noticed() {
    let (t2v, i2v, ti2v) =
        (comfy(SynthModel::T2vA14b), comfy(SynthModel::I2vA14b), comfy(SynthModel::Ti2v5b));
    // the 5B model's VAE beside a 14B model
    fs::remove_file(t2v.path().join(VAE)).unwrap();
    fs::copy(ti2v.path().join("vae/wan2.2_vae.safetensors"), t2v.path().join("vae/wan2.2_vae.safetensors"))
        .unwrap();
    let words = [
        "latents of 16 channels",
        "wan2.2_vae.safetensors has 48",
        "belongs to another model",
        "wan_2.1_vae",
    ];
    check_error(t2v.path(), Kind::CorruptModel, &words);

    // Wan 2.1's image-to-video transformers have the same channels, and layers for image embeddings
    let old = tempfile::tempdir().unwrap();
    write(&narrow(SynthModel::I2vA14b), SynthLayout::Comfy, SynthDtype::Fp32, old.path());
    let [high, low] = ["high", "low"].map(|word| {
        old.path().join(format!("diffusion_models/wan2.2_i2v_{word}_noise_14B_fp32.safetensors"))
    });
    fs::remove_file(low).unwrap();
    let mut tensors = load(&high);
    tensors.insert("img_emb.proj.0.bias".to_owned(), (safetensors::Dtype::F32, vec![1], vec![0; 4]));
    save(&high, &tensors);
    check_error(
        old.path(),
        Kind::Unsupported,
        &["Wan 2.1 image-to-video", "img_emb.proj.0.bias", "I2V-A14B"],
    );
    tensors.remove("img_emb.proj.0.bias");
    tensors.insert("vace_blocks.0.norm3.bias".to_owned(), (safetensors::Dtype::F32, vec![1], vec![0; 4]));
    save(&high, &tensors);
    check_error(old.path(), Kind::Unsupported, &["1 tensors", "vace_blocks.0.norm3.bias", "another task"]);
    tensors.remove("vace_blocks.0.norm3.bias");
    tensors.remove("blocks.1.norm3.bias");
    save(&high, &tensors);
    check_error(old.path(), Kind::CorruptModel, &["incomplete or invalid", "blocks.1.norm2.bias is missing"]);

    // a T5 of another model has position biases in its first block alone
    let text = i2v.path().join(TEXT);
    let mut tensors = load(&text);
    tensors.remove("encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight");
    save(&text, &tensors);
    check_error(i2v.path(), Kind::MissingModel, &["needs the UMT5-XXL text encoder"]);
}

#[cfg(unix)]
#[test]
fn hub_caches_of_links_open() {
    for layout in [SynthLayout::Diffusers, SynthLayout::Comfy, SynthLayout::Original] {
        let hub = tempfile::tempdir().unwrap();
        let repo = hub.path().join("models--Wan-AI--Wan2.2-T2V-A14B");
        let snapshot = repo.join("snapshots/0123abc");
        write(&narrow(SynthModel::T2vA14b), layout, SynthDtype::Fp32, &snapshot);
        fs::create_dir_all(repo.join("blobs")).unwrap();
        fs::create_dir_all(repo.join("refs")).unwrap();
        fs::write(repo.join("refs/main"), "0123abc").unwrap();
        let mut files = Vec::new();
        list(&snapshot, &mut files);
        for (index, file) in files.iter().enumerate() {
            let blob = repo.join(format!("blobs/{index:064}"));
            fs::rename(file, &blob).unwrap();
            let up = "../".repeat(file.strip_prefix(&repo).unwrap().components().count() - 1);
            std::os::unix::fs::symlink(format!("{up}blobs/{index:064}"), file).unwrap();
        }
        for path in [&snapshot, &repo] {
            let opened = models::inspect(path).unwrap();
            assert!(
                opened.info.components[0].files[0].starts_with(repo.canonicalize().unwrap().join("blobs"))
            );
            for (_, graph) in common::layouts::all_graphs(&opened.checkpoint).iter().take(1) {
                assert!(!common::layouts::outputs(graph).is_empty());
            }
        }
        assert_eq!(
            models::installed(Path::new("/nowhere"), Some(hub.path()))
                .iter()
                .filter(|m| m.limits.is_ok() && m.path.starts_with(hub.path()))
                .count(),
            1
        );
        fs::remove_file(repo.join(format!("blobs/{:064}", 0))).unwrap();
        assert!(models::open(&repo).is_err());
    }
}

fn list(dir: &Path, files: &mut Vec<PathBuf>) {
    for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() { list(&path, files) } else { files.push(path) }
    }
}

#[test]
fn a_folder_of_several_models_lists_each() {
    let all = tempfile::tempdir().unwrap();
    let merge = |from: tempfile::TempDir| {
        let mut files = Vec::new();
        list(from.path(), &mut files);
        for file in files {
            let to = all.path().join(file.strip_prefix(from.path()).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::rename(file, to).unwrap();
        }
    };
    merge(comfy(SynthModel::T2vA14b));
    merge(comfy(SynthModel::I2vA14b));
    merge(comfy(SynthModel::Ti2v5b));
    let fp8 = tempfile::tempdir().unwrap();
    write(&narrow(SynthModel::I2vA14b), SynthLayout::Comfy, SynthDtype::Fp8Scaled, fp8.path());
    merge(fp8);
    let installed = models::installed(Path::new("/nowhere"), Some(all.path()));
    let ours: Vec<_> = installed.iter().filter(|model| model.path.starts_with(all.path())).collect();
    let ids: Vec<_> = ours.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["i2v-128-fp32", "i2v-128-fp8_scaled", "t2v-128-fp32", "ti2v-128-fp32"]);
    for model in &ours {
        let opened = models::inspect(&model.path).unwrap();
        assert_eq!((&opened.checkpoint.id, opened.info.layout), (&model.id, Layout::Comfy));
        // two text encoders lie there; the more precise one is taken, and that is said
        assert!(
            opened.info.notes.iter().any(|note| note.contains("Of 2 text encoders")),
            "{:?}",
            opened.info
        );
        let found = models::find(&model.id, Path::new("/nowhere"), Some(all.path())).unwrap();
        assert_eq!(found, model.path);
    }
    let error = check_error(all.path(), Kind::Input, &["holds 4 models", "Choose one"]);
    assert_eq!(error.field_name(), Some("model"));
}
