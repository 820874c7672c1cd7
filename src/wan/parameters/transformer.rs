//! The transformer's parameters.

use super::list::{List, Parameter};
use crate::wan::TransformerConfig;

/// Every parameter of the transformer that `config` describes.
pub fn transformer(config: &TransformerConfig) -> Vec<Parameter> {
    let (width, mut list) = (config.width(), List::default());
    let [pt, ph, pw] = config.patch_size;
    list.add("scale_shift_table", &[1, 2, width]);
    list.layer("patch_embedding", &[width, config.in_channels, pt, ph, pw]);
    let embedder = "condition_embedder";
    list.layer(&format!("{embedder}.time_embedder.linear_1"), &[width, config.freq_dim]);
    list.layer(&format!("{embedder}.time_embedder.linear_2"), &[width, width]);
    list.layer(&format!("{embedder}.time_proj"), &[6 * width, width]);
    list.layer(&format!("{embedder}.text_embedder.linear_1"), &[width, config.text_dim]);
    list.layer(&format!("{embedder}.text_embedder.linear_2"), &[width, width]);
    for block in 0..config.num_layers {
        let block = format!("blocks.{block}");
        list.add(format!("{block}.scale_shift_table"), &[1, 6, width]);
        for attention in ["attn1", "attn2"] {
            for part in ["to_q", "to_k", "to_v", "to_out.0"] {
                list.layer(&format!("{block}.{attention}.{part}"), &[width, width]);
            }
            for norm in ["norm_q", "norm_k"] {
                list.add(format!("{block}.{attention}.{norm}.weight"), &[width]);
            }
        }
        if config.cross_attn_norm {
            list.layer(&format!("{block}.norm2"), &[width]);
        }
        list.layer(&format!("{block}.ffn.net.0.proj"), &[config.ffn_dim, width]);
        list.layer(&format!("{block}.ffn.net.2"), &[width, config.ffn_dim]);
    }
    list.layer("proj_out", &[config.channels_out() * pt * ph * pw, width]);
    list.0
}
