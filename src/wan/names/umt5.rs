//! Module names of the text encoder (`wan/modules/t5.py` and transformers).

use super::table::Table;

/// The text encoder's modules.
pub const TEXT_ENCODER: Table = Table {
    blocks: ("blocks.", "encoder.block."),
    inside: &[
        ("norm1", "layer.0.layer_norm"),
        ("attn.q", "layer.0.SelfAttention.q"),
        ("attn.k", "layer.0.SelfAttention.k"),
        ("attn.v", "layer.0.SelfAttention.v"),
        ("attn.o", "layer.0.SelfAttention.o"),
        ("pos_embedding.embedding", "layer.0.SelfAttention.relative_attention_bias"),
        ("norm2", "layer.1.layer_norm"),
        ("ffn.gate.0", "layer.1.DenseReluDense.wi_0"),
        ("ffn.fc1", "layer.1.DenseReluDense.wi_1"),
        ("ffn.fc2", "layer.1.DenseReluDense.wo"),
    ],
    outside: &[("token_embedding", "shared"), ("norm", "encoder.final_layer_norm")],
};

/// The text encoder's modules in GGUF files of llama.cpp (`gguf-py/gguf/constants.py`), as the first of each pair.
pub(super) const LLAMA_TEXT_ENCODER: Table = Table {
    blocks: ("enc.blk.", "encoder.block."),
    inside: &[
        ("attn_norm", "layer.0.layer_norm"),
        ("attn_q", "layer.0.SelfAttention.q"),
        ("attn_k", "layer.0.SelfAttention.k"),
        ("attn_v", "layer.0.SelfAttention.v"),
        ("attn_o", "layer.0.SelfAttention.o"),
        ("attn_rel_b", "layer.0.SelfAttention.relative_attention_bias"),
        ("ffn_norm", "layer.1.layer_norm"),
        ("ffn_gate", "layer.1.DenseReluDense.wi_0"),
        ("ffn_up", "layer.1.DenseReluDense.wi_1"),
        ("ffn_down", "layer.1.DenseReluDense.wo"),
    ],
    outside: &[("token_embd", "shared"), ("enc.output_norm", "encoder.final_layer_norm")],
};
