//! Checkpoint files that are part of no model are listed with what they seem to be.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs;
use std::path::Path;

use wandeck::core::Kind;
use wandeck::models::synth::{SynthDtype, SynthLayout, SynthModel};
use wandeck::models::{self, OtherFile};

use crate::common::layouts::{Tensors, narrow, save, write};

/// Names of tensors with their shapes.
type Shapes = &'static [(&'static str, &'static [usize])];

/// A file with one tensor for each name and shape.
fn file(path: &Path, tensors: Shapes) {
    let tensor = |(name, shape): &(&str, &[usize])| {
        (
            (*name).to_owned(),
            (safetensors::Dtype::F32, shape.to_vec(), vec![0; shape.iter().product::<usize>() * 4]),
        )
    };
    let tensors: Tensors = tensors.iter().map(tensor).collect();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    save(path, &tensors);
}

fn others(dir: &Path) -> Vec<OtherFile> {
    let all = models::installed(Path::new("/nowhere"), Some(dir));
    let mut others = models::other_files(Path::new("/nowhere"), Some(dir), &all);
    others.retain(|other| other.path.starts_with(dir));
    others
}

#[test]
fn every_file_that_was_not_recognised_is_listed_beside_a_model_that_works() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    write(&narrow(SynthModel::T2vA14b), SynthLayout::Comfy, SynthDtype::Fp32, root);
    assert!(others(root).is_empty());
    let kinds: [(&str, Shapes, &str); 9] = [
        (
            "diffusion_models/a_style",
            &[("diffusion_model.blocks.0.self_attn.q.lora_down.weight", &[4, 8])],
            "a LoRA",
        ),
        (
            "diffusion_models/b_flux",
            &[("double_blocks.0.img_attn.qkv.weight", &[8, 8])],
            "FLUX or HunyuanVideo",
        ),
        (
            "diffusion_models/c_rest",
            &[("blocks.0.self_attn.q.weight", &[8, 8])],
            "a part of a Wan transformer",
        ),
        ("diffusion_models/d_odd", &[("gate.bias", &[8])], "its tensors are called gate.bias"),
        (
            "text_encoders/a_clip",
            &[("text_model.encoder.layers.0.mlp.fc1.weight", &[8, 8])],
            "a CLIP text encoder",
        ),
        (
            "text_encoders/b_t5",
            &[
                ("shared.weight", &[8, 8]),
                ("encoder.block.0.layer.0.SelfAttention.q.weight", &[8, 8]),
                ("encoder.block.1.layer.0.SelfAttention.q.weight", &[8, 8]),
            ],
            "a T5 text encoder that is not UMT5",
        ),
        ("text_encoders/c_llm", &[("model.layers.0.self_attn.q_proj.weight", &[8, 8])], "a language model"),
        ("vae/a_image", &[("decoder.conv_in.weight", &[8, 4, 3, 3])], "a VAE for images"),
        ("vae/b_video", &[("decoder.conv_in.conv.weight", &[8, 4, 3, 3, 3])], "a VAE of another video model"),
    ];
    for (name, tensors, _) in kinds {
        file(&root.join(format!("{name}.safetensors")), tensors);
    }
    // LoRAs in their own folder are listed by themselves
    file(&root.join("vae/loras/b.safetensors"), &[("a.lora_A.weight", &[2, 2])]);
    let found = others(root);
    assert_eq!(found.len(), kinds.len(), "{found:?}");
    for ((name, _, expected), other) in kinds.iter().zip(&found) {
        let what = other.seems_to_be.as_deref().unwrap();
        assert!(what.contains(expected), "{name}: {what}");
        assert_eq!(other.path, root.join(format!("{name}.safetensors")));
        assert!(other.id.ends_with(".safetensors"));
        let text = format!("{:#}", other.error);
        assert_eq!(other.error.kind, Kind::Unsupported);
        assert!(text.contains(name) && text.contains("seems to be") && other.error.remedy_text().is_some());
    }
    assert!(models::open(root).is_ok());
}

#[test]
fn a_damaged_file_and_a_pickle_beside_a_model_are_listed_too() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    write(&narrow(SynthModel::T2vA14b), SynthLayout::Comfy, SynthDtype::Fp32, root);
    fs::write(root.join("vae/wan_vae.ckpt"), "x").unwrap();
    fs::write(root.join("vae/x_vae.safetensors"), "cut").unwrap();
    let found = others(root);
    let kinds: Vec<_> = found.iter().map(|other| (other.id.as_str(), other.error.kind)).collect();
    assert_eq!(kinds, [("wan_vae.ckpt", Kind::Unsupported), ("x_vae.safetensors", Kind::CorruptModel)]);
}

#[test]
fn a_folder_with_nothing_else_says_what_its_file_seems_to_be() {
    let dir = tempfile::tempdir().unwrap();
    file(&dir.path().join("flux.safetensors"), &[("double_blocks.0.img_attn.qkv.weight", &[8, 8])]);
    let error = models::open(dir.path()).unwrap_err();
    assert_eq!(error.kind, Kind::MissingModel);
    assert!(error.message.contains("flux.safetensors seems to be a transformer of FLUX"), "{error:#}");
    // what an error of a model says is not said twice
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("wan_high_noise.safetensors"), "cut").unwrap();
    assert!(others(dir.path()).is_empty());
    assert_eq!(
        models::installed(Path::new("/nowhere"), Some(dir.path()))
            .iter()
            .filter(|model| model.limits.as_ref().is_err_and(|error| error.message.contains("wan_high")))
            .count(),
        1
    );
}
