//! The text encoder's parameters.

use super::list::{List, Parameter};
use crate::wan::TextEncoderConfig;

/// Every parameter of the text encoder that `config` describes.
pub fn text_encoder(config: &TextEncoderConfig) -> Vec<Parameter> {
    let (width, inner) = (config.d_model, config.num_heads * config.d_kv);
    let mut list = List::default();
    list.add("shared.weight", &[config.vocab_size, width]);
    for block in 0..config.num_layers {
        let attention = format!("encoder.block.{block}.layer.0");
        list.add(format!("{attention}.layer_norm.weight"), &[width]);
        for part in ["q", "k", "v"] {
            list.add(format!("{attention}.SelfAttention.{part}.weight"), &[inner, width]);
        }
        list.add(format!("{attention}.SelfAttention.o.weight"), &[width, inner]);
        let buckets = [config.relative_attention_num_buckets, config.num_heads];
        list.add(format!("{attention}.SelfAttention.relative_attention_bias.weight"), &buckets);
        let dense = format!("encoder.block.{block}.layer.1");
        list.add(format!("{dense}.layer_norm.weight"), &[width]);
        for part in ["wi_0", "wi_1"] {
            list.add(format!("{dense}.DenseReluDense.{part}.weight"), &[config.d_ff, width]);
        }
        list.add(format!("{dense}.DenseReluDense.wo.weight"), &[width, config.d_ff]);
    }
    list.add("encoder.final_layer_norm.weight", &[width]);
    list.0
}
