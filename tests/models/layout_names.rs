//! The maps between original and diffusers names, and the lists of parameters, against what diffusers' and
//! transformers' models hold. The lists are made by tests/golden/names.py.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use wandeck::onnx::Weights;
use wandeck::wan::names::{TEXT_ENCODER, TRANSFORMER, VaePlan};
use wandeck::wan::parameters::{self, Parameter};
use wandeck::wan::{TextEncoderConfig, TransformerConfig, VaeConfig, infer};

use crate::common;

type Names = BTreeMap<String, Vec<(String, String, Vec<usize>)>>;

fn names(part: &str) -> Vec<(String, String, Vec<usize>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/refs/names.json");
    let mut names: Names = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let names = names.remove(part).unwrap();
    assert!(names.len() > 20, "{part}");
    names
}

fn same_both_ways(
    part: &str,
    diffusers: impl Fn(&str) -> Option<String>,
    original: impl Fn(&str) -> Option<String>,
) {
    for (theirs, ours, _) in names(part) {
        assert_eq!(diffusers(&theirs).as_deref(), Some(ours.as_str()), "{part}: {theirs}");
        assert_eq!(original(&ours).as_deref(), Some(theirs.as_str()), "{part}: {ours}");
    }
}

#[test]
fn names_change_as_diffusers_changes_them() {
    same_both_ways("transformer", |name| TRANSFORMER.diffusers(name), |name| TRANSFORMER.original(name));
    same_both_ways("text_encoder", |name| TEXT_ENCODER.diffusers(name), |name| TEXT_ENCODER.original(name));
    for (part, is_residual) in [("vae21", false), ("vae22", true)] {
        let has: BTreeSet<_> = names(part).into_iter().map(|(theirs, ..)| theirs).collect();
        let plan = VaePlan::from_original(|name| has.contains(name)).unwrap();
        assert_eq!(plan, VaePlan { is_residual, levels: 4, blocks: 2 }, "{part}");
        let renamer = plan.renamer();
        same_both_ways(part, |name| renamer.diffusers(name), |name| renamer.original(name));
    }
}

#[test]
fn names_of_other_models_have_no_translation() {
    for name in [
        "img_emb.proj.0.bias",
        "blocks.0.cross_attn.k_img.weight",
        "vace_blocks.0.modulation",
        "blocks.x.norm3.weight",
        "blocks.0.norm2.weight",
        "blocks.0.self_attn.q.lora_A.weight",
        "patch_embedding_mlp.weight",
        "",
    ] {
        assert_eq!(TRANSFORMER.diffusers(name), None, "{name}");
    }
}

fn transformer() -> TransformerConfig {
    TransformerConfig {
        num_attention_heads: 2,
        attention_head_dim: 128,
        in_channels: 16,
        out_channels: Some(16),
        text_dim: 384,
        freq_dim: 64,
        ffn_dim: 640,
        num_layers: 2,
        patch_size: [1, 2, 2],
        cross_attn_norm: true,
        eps: 1e-6,
        rope_max_seq_len: 1024,
    }
}

fn text_encoder() -> TextEncoderConfig {
    TextEncoderConfig {
        vocab_size: 384,
        d_model: 96,
        d_kv: 16,
        d_ff: 224,
        num_layers: 2,
        num_heads: 4,
        relative_attention_num_buckets: 32,
        relative_attention_max_distance: 128,
        layer_norm_epsilon: 1e-6,
    }
}

#[test]
fn parameters_are_those_of_diffusers_models() {
    let vae21 = VaeConfig { base_dim: 8, ..VaeConfig::default() };
    let vae22 = VaeConfig { base_dim: 8, decoder_base_dim: Some(12), ..VaeConfig::wan_2_2() };
    for (part, found) in [
        ("transformer", parameters::transformer(&transformer())),
        ("text_encoder", parameters::text_encoder(&text_encoder())),
        ("vae21", parameters::vae(&vae21)),
        ("vae22", parameters::vae(&vae22)),
    ] {
        let by_name = |list: Vec<Parameter>| {
            list.into_iter().map(|one| (one.name, one.shape)).collect::<BTreeMap<_, _>>()
        };
        let count = found.len();
        let expected: BTreeMap<_, _> =
            names(part).into_iter().map(|(_, name, shape)| (name, shape)).collect();
        assert_eq!(by_name(found), expected, "{part}");
        assert_eq!(count, expected.len(), "{part}: none twice");
    }
}

/// Every configuration of tests/golden is found again from the shapes alone, but for what shapes do not show.
#[test]
fn configurations_follow_from_shapes() {
    for model in ["tiny-t2v", "tiny-i2v", "tiny-ti2v"] {
        let dir = common::golden_model(model).join("transformer");
        let config: TransformerConfig = common::config(&dir);
        let weights = Weights::open(&dir, "diffusion_pytorch_model").unwrap();
        let (found, odd) = infer::transformer(&weights, Some(&config)).unwrap();
        assert_eq!((found, odd), (config.clone(), vec![]), "{model}");
        // its head is 32 wide, which no tensor shows, and 64 is no multiple of 128
        assert!(infer::transformer(&weights, None).is_err());
        let forked = TransformerConfig { in_channels: 99, ffn_dim: 1, ..config.clone() };
        let (found, odd) = infer::transformer(&weights, Some(&forked)).unwrap();
        assert_eq!((found, odd.len()), (config, 2), "{model}: shapes win");
    }
    for model in ["tiny-t2v", "tiny-ti2v"] {
        let dir = common::golden_model(model).join("vae");
        let config: VaeConfig = common::config(&dir);
        let weights = Weights::open(&dir, "diffusion_pytorch_model").unwrap();
        let (found, odd) = infer::vae(&weights, Some(&config)).unwrap();
        let decoder_base_dim = config.decoder_base_dim.or(Some(config.base_dim));
        assert_eq!((found, odd), (VaeConfig { decoder_base_dim, ..config }, vec![]), "{model}");
        let (alone, _) = infer::vae(&weights, None).unwrap();
        let official = if model == "tiny-t2v" { VaeConfig::default() } else { VaeConfig::wan_2_2() };
        assert_eq!(alone.latents_mean, official.latents_mean, "{model}");
    }
    let dir = common::golden_model("tiny-t2v/text_encoder");
    let config: TextEncoderConfig = common::config(&dir);
    let (found, odd) = infer::text_encoder(&Weights::open(&dir, "model").unwrap(), Some(&config)).unwrap();
    assert_eq!((found, odd), (config, vec![]));
}
