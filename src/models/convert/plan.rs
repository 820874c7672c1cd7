//! What a converted model consists of: which tensors lie in which shard, and what becomes of each.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::core::{Bytes, Error, Kind, Quantisation, Result};
use crate::onnx::{Dtype, INT4_BLOCK, TensorInfo, Weights};
use crate::wan::Checkpoint;

/// What a model is converted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConversionTarget {
    /// Linear layers of the blocks as 8-bit integers: a quarter of fp32, and computed as such on the CPU.
    Int8,
    /// The same layers as 4-bit integers: a sixth of fp32, computed on the CPU.
    Int4,
    /// The same layers as 8-bit floats (E4M3) with a scale for each output: on the CPU computed in fp32.
    Fp8,
    /// Matrices as bfloat16: half of fp32; on the CPU computed in fp32.
    Bf16,
}

impl ConversionTarget {
    /// Its word in names and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Int4 => "int4",
            Self::Fp8 => "fp8",
            Self::Bf16 => "bf16",
        }
    }

    /// What its matrices are, where they become integers.
    pub fn integers(self) -> Option<Quantisation> {
        match self {
            Self::Int8 => Some(Quantisation::Int8),
            Self::Int4 => Some(Quantisation::Int4),
            Self::Fp8 | Self::Bf16 => None,
        }
    }

    /// What to expect of it on the CPU, in a sentence.
    pub fn remark(self) -> &'static str {
        match self {
            Self::Int8 => "int8 is computed as such on the CPU: less memory, and faster than fp32",
            Self::Int4 => {
                "int4 is the smallest and the furthest from full precision; on the CPU it is no faster than fp32, int8 is"
            }
            Self::Fp8 => {
                "fp8 becomes fp32 on the CPU when it is loaded: less on disk, no less memory, not faster"
            }
            Self::Bf16 => {
                "bf16 becomes fp32 on the CPU when it is loaded: less on disk, no less memory, not faster"
            }
        }
    }

    /// How a matrix is stored that has scales beside it: its type and shape, and the shape of the scales.
    fn scaled(self, outputs: usize, inputs: usize) -> Option<(Dtype, Vec<usize>, Vec<usize>)> {
        let blocks = inputs / INT4_BLOCK;
        match self {
            Self::Int8 => Some((Dtype::I8, vec![inputs, outputs], vec![outputs])),
            Self::Int4 => Some((Dtype::U8, vec![outputs, blocks, INT4_BLOCK / 2], vec![outputs, blocks])),
            Self::Fp8 => Some((Dtype::F8E4M3, vec![outputs, inputs], vec![outputs])),
            Self::Bf16 => None,
        }
    }

    /// Whether a tensor of `component` is written anew.
    fn changes(self, component: &str, name: &str, info: &TensorInfo) -> bool {
        let is_fp8 = matches!(info.dtype, Dtype::F8E4M3 | Dtype::F8E5M2);
        match self {
            Self::Int8 => is_linear(component, name, &info.shape),
            // what has no whole blocks stays
            Self::Int4 => {
                is_linear(component, name, &info.shape)
                    && info.shape.last().is_some_and(|inputs| inputs.is_multiple_of(INT4_BLOCK))
            }
            Self::Fp8 => is_linear(component, name, &info.shape) && !is_fp8,
            Self::Bf16 => is_large(name, &info.shape) && info.dtype != Dtype::Bf16,
        }
    }
}

/// What becomes of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Its bytes are copied.
    Copy,
    /// Rounded to what the target is, with the scales in the tensor after it.
    Scaled,
    /// Filled when the matrix before it is.
    Scales,
    /// Rounded.
    Bf16,
}

/// A tensor to be written.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    /// Its name here and there.
    pub(super) name: String,
    pub(super) dtype: Dtype,
    /// As stored.
    pub(super) shape: Vec<usize>,
    pub(super) how: How,
}

impl Tensor {
    pub(super) fn size(&self) -> u64 {
        (self.shape.iter().product::<usize>() * self.dtype.size()) as u64
    }
}

/// A file to be written.
#[derive(Clone, Debug)]
pub(super) struct Shard<'c> {
    /// Below the model's folder.
    pub(super) path: PathBuf,
    /// Folder of the component.
    pub(super) component: &'static str,
    pub(super) source: &'c Weights,
    pub(super) tensors: Vec<Tensor>,
}

impl Shard<'_> {
    pub(super) fn size(&self) -> u64 {
        self.tensors.iter().map(Tensor::size).sum()
    }
}

/// Every file of weights.
pub(super) fn shards(model: &Checkpoint, target: ConversionTarget, shard: Bytes) -> Result<Vec<Shard<'_>>> {
    let transformers = [
        ("transformer", Some(&model.transformer.weights)),
        ("transformer_2", model.transformer_2.as_ref().map(|second| &second.weights)),
    ];
    let mut all = Vec::new();
    for (component, weights) in transformers {
        if let Some(weights) = weights {
            all.extend(component_shards(component, weights, Some(target), shard));
        }
    }
    all.extend(component_shards("text_encoder", &model.text_encoder.weights, Some(target), shard));
    let changed = |tensor: &Tensor| tensor.how != How::Copy;
    let integers = model.quantisation().or_else(|| model.text_encoder.weights.quantisation());
    if integers.is_some() || !all.iter().flat_map(|shard| &shard.tensors).any(changed) {
        let has = integers.map_or_else(|| target.word(), Quantisation::word);
        return Err(Error::new(Kind::Input, format!("{} is in {has} already", model.id))
            .remedy("Use it as it is, or convert the model it was made from"));
    }
    all.extend(component_shards("vae", &model.vae.weights, None, shard));
    Ok(all)
}

fn component_shards<'c>(
    component: &'static str,
    source: &'c Weights,
    target: Option<ConversionTarget>,
    shard: Bytes,
) -> Vec<Shard<'c>> {
    let stem = if component == "text_encoder" { "model" } else { "diffusion_pytorch_model" };
    let mut groups: Vec<Vec<Tensor>> = vec![Vec::new()];
    let mut size = 0;
    for (name, _) in source.iter() {
        let tensors = planned(component, source, name, target);
        let more: u64 = tensors.iter().map(Tensor::size).sum();
        if size > 0 && size + more > shard.0 {
            groups.push(Vec::new());
            size = 0;
        }
        size += more;
        groups.last_mut().into_iter().for_each(|group| group.extend(tensors.iter().cloned()));
    }
    let count = groups.len();
    let name = |index: usize| match count {
        1 => format!("{stem}.safetensors"),
        _ => format!("{stem}-{:05}-of-{count:05}.safetensors", index + 1),
    };
    let shard = |(index, tensors)| {
        let path = PathBuf::from(component).join(name(index));
        Shard { path, component, source, tensors }
    };
    groups.into_iter().enumerate().map(shard).collect()
}

/// What is written for the tensor `name`: itself, itself with its scales, or nothing.
fn planned(component: &str, source: &Weights, name: &str, target: Option<ConversionTarget>) -> Vec<Tensor> {
    let Ok(info) = source.get(name) else { return Vec::new() };
    let changes = |name: &str| {
        source.get(name).is_ok_and(|info| target.is_some_and(|target| target.changes(component, name, info)))
    };
    let tensor =
        |dtype, shape: &[usize], how| Tensor { name: name.to_owned(), dtype, shape: shape.to_vec(), how };
    if let Some(module) = name.strip_suffix(".scale_weight")
        && changes(&format!("{module}.weight"))
    {
        // its matrix is written anew, with scales of its own or none
        return Vec::new();
    }
    if !changes(name) {
        return vec![tensor(info.dtype, &info.shape, How::Copy)];
    }
    let form = match (target, &info.shape[..]) {
        (Some(target), &[outputs, inputs]) => target.scaled(outputs, inputs),
        _ => None,
    };
    let Some((dtype, shape, scales)) = form else {
        return vec![tensor(Dtype::Bf16, &info.shape, How::Bf16)];
    };
    let module = name.strip_suffix(".weight").unwrap_or(name);
    let scales =
        Tensor { name: format!("{module}.scale_weight"), dtype: Dtype::F32, shape: scales, how: How::Scales };
    vec![tensor(dtype, &shape, How::Scaled), scales]
}

/// Linear layers of the blocks, which hold nearly all of the weights and of the work.
fn is_linear(component: &str, name: &str, shape: &[usize]) -> bool {
    let in_block = match component {
        "text_encoder" => name.starts_with("encoder.block."),
        _ => name.starts_with("blocks."),
    };
    in_block
        && shape.len() == 2
        && name.ends_with(".weight")
        && !name.ends_with("relative_attention_bias.weight")
}

/// Matrices and kernels; the embedding of time stays exact, as diffusers keeps it.
fn is_large(name: &str, shape: &[usize]) -> bool {
    shape.len() >= 2 && name.ends_with(".weight") && !name.contains("time_embedder")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linear_layers_of_blocks_change() {
        for (component, name, shape, linear, large) in [
            ("transformer", "blocks.3.attn1.to_q.weight", &[8, 8][..], true, true),
            ("transformer", "blocks.3.attn1.to_q.bias", &[8], false, false),
            ("transformer", "blocks.3.attn1.norm_q.weight", &[8], false, false),
            ("transformer", "blocks.3.scale_shift_table", &[1, 6, 8], false, false),
            ("transformer", "proj_out.weight", &[4, 8], false, true),
            ("transformer", "patch_embedding.weight", &[8, 4, 1, 2, 2], false, true),
            ("transformer", "condition_embedder.time_embedder.linear_1.weight", &[8, 8], false, false),
            ("text_encoder", "encoder.block.0.layer.1.DenseReluDense.wo.weight", &[8, 8], true, true),
            (
                "text_encoder",
                "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
                &[32, 2],
                false,
                true,
            ),
            ("text_encoder", "shared.weight", &[9, 8], false, true),
        ] {
            assert_eq!((is_linear(component, name, shape), is_large(name, shape)), (linear, large), "{name}");
        }
    }
}
