//! The JSON files of a checkpoint.

use serde_json::{Value, json};

use super::shapes::Shapes;
use crate::core::Mode;
use crate::wan::{TextEncoderConfig, TransformerConfig, VaeConfig};

pub(super) fn model_index(shapes: &Shapes) -> Value {
    let two = shapes.num_experts() == 2;
    let transformer = json!(["diffusers", "WanTransformer3DModel"]);
    let class = if shapes.mode == Mode::I2V { "WanImageToVideoPipeline" } else { "WanPipeline" };
    let boundary = match shapes.mode {
        Mode::T2V => json!(0.875),
        Mode::I2V => json!(0.9),
        Mode::TI2V => Value::Null,
    };
    json!({
        "_class_name": class,
        "boundary_ratio": boundary,
        "expand_timesteps": shapes.mode == Mode::TI2V,
        "scheduler": ["diffusers", "UniPCMultistepScheduler"],
        "text_encoder": ["transformers", "UMT5EncoderModel"],
        "tokenizer": ["transformers", "T5TokenizerFast"],
        "transformer_2": if two { transformer.clone() } else { json!([null, null]) },
        "transformer": transformer,
        "vae": ["diffusers", "AutoencoderKLWan"],
    })
}

pub(in crate::models) fn scheduler(mode: Mode) -> Value {
    json!({
        "_class_name": "UniPCMultistepScheduler",
        "flow_shift": if mode == Mode::TI2V { 5.0 } else { 3.0 },
        "num_train_timesteps": 1000,
        "prediction_type": "flow_prediction",
        "solver_order": 2,
        "solver_type": "bh2",
        "use_flow_sigmas": true,
    })
}

pub(in crate::models) fn transformer(config: &TransformerConfig) -> Value {
    json!({
        "_class_name": "WanTransformer3DModel",
        "added_kv_proj_dim": null,
        "attention_head_dim": config.attention_head_dim,
        "cross_attn_norm": config.cross_attn_norm,
        "eps": config.eps,
        "ffn_dim": config.ffn_dim,
        "freq_dim": config.freq_dim,
        "image_dim": null,
        "in_channels": config.in_channels,
        "num_attention_heads": config.num_attention_heads,
        "num_layers": config.num_layers,
        "out_channels": config.channels_out(),
        "patch_size": config.patch_size,
        "qk_norm": "rms_norm_across_heads",
        "rope_max_seq_len": config.rope_max_seq_len,
        "text_dim": config.text_dim,
    })
}

/// `config.json` beside a transformer with original names.
pub(super) fn original(config: &TransformerConfig, mode: Mode) -> Value {
    json!({
        "_class_name": "WanModel",
        "dim": config.width(),
        "eps": config.eps,
        "ffn_dim": config.ffn_dim,
        "freq_dim": config.freq_dim,
        "in_dim": config.in_channels,
        "model_type": mode,
        "num_heads": config.num_attention_heads,
        "num_layers": config.num_layers,
        "out_dim": config.channels_out(),
        "text_len": 512,
    })
}

pub(in crate::models) fn text_encoder(config: &TextEncoderConfig) -> Value {
    json!({
        "architectures": ["UMT5EncoderModel"],
        "d_ff": config.d_ff,
        "d_kv": config.d_kv,
        "d_model": config.d_model,
        "dense_act_fn": "gelu_new",
        "feed_forward_proj": "gated-gelu",
        "is_gated_act": true,
        "layer_norm_epsilon": config.layer_norm_epsilon,
        "model_type": "umt5",
        "num_heads": config.num_heads,
        "num_layers": config.num_layers,
        "relative_attention_max_distance": config.relative_attention_max_distance,
        "relative_attention_num_buckets": config.relative_attention_num_buckets,
        "vocab_size": config.vocab_size,
    })
}

pub(in crate::models) fn vae(config: &VaeConfig) -> Value {
    json!({
        "_class_name": "AutoencoderKLWan",
        "attn_scales": [],
        "base_dim": config.base_dim,
        "decoder_base_dim": config.decoder_base_dim,
        "dim_mult": config.dim_mult,
        "dropout": 0.0,
        "in_channels": config.in_channels,
        "is_residual": config.is_residual,
        "latents_mean": config.latents_mean,
        "latents_std": config.latents_std,
        "num_res_blocks": config.num_res_blocks,
        "out_channels": config.out_channels,
        "patch_size": config.patch_size,
        "scale_factor_spatial": config.scale_factor_spatial,
        "scale_factor_temporal": config.scale_factor_temporal,
        "temperal_downsample": config.temperal_downsample,
        "z_dim": config.z_dim,
    })
}
