//! Says what a checkpoint that is no component of Wan 2.2 seems to be, by the names and shapes of its tensors.

use crate::onnx::Weights;

/// Where a piece of a tensor's name has to be.
#[derive(Clone, Copy, Debug)]
enum Piece {
    /// Anywhere in the name.
    Anywhere(&'static str),
    /// At the start of the name.
    Begins(&'static str),
    /// At the end of the name of a tensor with so many axes.
    WithAxes(&'static str, usize),
}

use Piece::{Anywhere, Begins, WithAxes};

/// What a LoRA seems to be.
pub const LORA: &str = "a LoRA; give it with --lora, or put it into the folder \"loras\"";

/// Pieces of tensor names and the kind of file that has them; the first that is found decides. The names are those that
/// the reference implementations give their modules.
const KINDS: [(&[Piece], &str); 18] = [
    (
        &[
            Anywhere("lora_down"),
            Anywhere("lora_up"),
            Anywhere("lora_A"),
            Anywhere("lora_B"),
            Anywhere("lokr_w"),
            Anywhere("hada_w"),
        ],
        LORA,
    ),
    (&[Anywhere("vace_blocks."), Anywhere("vace_patch_embedding")], "an addition to Wan for VACE"),
    (&[Anywhere("control_model."), Anywhere("controlnet")], "a ControlNet"),
    (
        &[Anywhere("model.layers.0.self_attn.q_proj"), Begins("blk.0.attn_q.")],
        "a language model, which other models use as their text encoder",
    ),
    (
        &[Anywhere("vision_model."), Anywhere("visual.transformer."), Anywhere("visual.patch_embed")],
        "an image encoder, which Wan 2.2 does not use",
    ),
    (&[Anywhere("text_model.encoder."), Anywhere("transformer.resblocks.")], "a CLIP text encoder"),
    (
        &[Anywhere("SelfAttention.q."), Anywhere("enc.blk.")],
        "a T5 text encoder that is not UMT5, or only a part of one",
    ),
    (
        &[Anywhere("double_blocks.0."), Anywhere("double_stream_blocks.0.")],
        "a transformer of FLUX or HunyuanVideo",
    ),
    (
        &[Anywhere("joint_blocks.0."), Anywhere("joint_transformer_blocks.0.")],
        "a transformer of Stable Diffusion 3",
    ),
    (&[Anywhere("attn.add_q_proj"), Anywhere("txt_mod.")], "a transformer of Qwen-Image or FLUX"),
    (&[Anywhere("patchify_proj")], "a transformer of LTX-Video"),
    (
        &[Anywhere("input_blocks.0."), Anywhere("down_blocks.0.attentions.")],
        "a Stable Diffusion checkpoint with a U-Net",
    ),
    (&[Anywhere("transformer_blocks.0.")], "a transformer of another model"),
    (
        &[Anywhere("blocks.0.self_attn.q"), Anywhere("blocks.0.attn1.to_q")],
        "a part of a Wan transformer: it has no patch embedding",
    ),
    (
        &[WithAxes("decoder.conv_in.weight", 4), WithAxes("decoder.conv_in.conv.weight", 4)],
        "a VAE for images",
    ),
    (
        &[
            WithAxes("decoder.conv_in.weight", 5),
            WithAxes("decoder.conv_in.conv.weight", 5),
            WithAxes("decoder.conv1.weight", 5),
        ],
        "a VAE of another video model",
    ),
    (&[WithAxes("decoder.1.weight", 4), WithAxes("decoder.layers.1.weight", 4)], "a small VAE for previews"),
    (&[WithAxes("conv_first.weight", 4), WithAxes("model.0.weight", 4)], "an image upscaler"),
];

/// Number of tensors that are named where nothing else is known.
const NAMED: usize = 3;

/// The key of a GGUF file's metadata with the name of its model.
const ARCHITECTURE: &str = "general.architecture";

/// What `weights`, in which no component of Wan 2.2 was recognised, seem to be: the end of the sentence "It seems to be".
pub fn resemblance(weights: &Weights) -> String {
    let has = |piece: &Piece| {
        weights.iter().any(|(name, info)| match piece {
            Anywhere(text) => name.contains(text),
            Begins(text) => name.starts_with(text),
            WithAxes(text, axes) => name.ends_with(text) && info.shape.len() == *axes,
        })
    };
    let known = KINDS.iter().find(|(pieces, _)| pieces.iter().any(has));
    if let Some((_, what)) = known {
        return (*what).to_owned();
    }
    let count = weights.names().count();
    if count == 0 {
        return "a file without tensors".to_owned();
    }
    if let Some(architecture) = weights.metadata().get(ARCHITECTURE) {
        return format!("a GGUF file of a model called {architecture}");
    }
    let names: Vec<_> = weights.names().take(NAMED).collect();
    let rest = if count > names.len() { ", …" } else { "" };
    format!("another kind of model: its tensors are called {}{rest}", names.join(", "))
}
