//! The linear layers of the blocks, which are nearly all weights and operations of a model.

/// Whether a tensor is the weight of a linear layer in a block of a transformer or text encoder.
pub fn is_block_linear(name: &str, shape: &[usize]) -> bool {
    (name.starts_with("blocks.") || name.starts_with("encoder.block."))
        && shape.len() == 2
        && name.ends_with(".weight")
        && !name.ends_with("relative_attention_bias.weight")
}
