//! The plan of a conversion: the tensors of each shard, and how each is converted.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::core::{Bytes, Error, Kind, Quantisation, Result, has_fast_int8};
use crate::onnx::{Dtype, INT4_BLOCK, TensorInfo, Weights, scale_of};
use crate::wan::Checkpoint;
use crate::wan::names::is_block_linear;

/// The precision to convert a model to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConversionTarget {
    /// Linear layers of the blocks as 8-bit integers with a scale for each output. The CPU computes with 8-bit integers.
    Int8,
    /// Linear layers of the blocks as 4-bit integers with a scale for each 32 inputs. The CPU computes in fp32.
    Int4,
    /// Linear layers of the blocks as float8 E4M3 with a scale for each output. The CPU computes in fp32.
    Fp8,
    /// All matrices and convolution kernels as bfloat16. The CPU computes in fp32.
    Bf16,
}

impl From<Quantisation> for ConversionTarget {
    fn from(quantisation: Quantisation) -> Self {
        match quantisation {
            Quantisation::Int8 => Self::Int8,
            Quantisation::Int4 => Self::Int4,
        }
    }
}

impl ConversionTarget {
    /// Its name in folder names and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Int4 => "int4",
            Self::Fp8 => "fp8",
            Self::Bf16 => "bf16",
        }
    }

    /// The integer quantisation of its matrices; `None` for floating-point targets.
    pub fn quantisation(self) -> Option<Quantisation> {
        match self {
            Self::Int8 => Some(Quantisation::Int8),
            Self::Int4 => Some(Quantisation::Int4),
            Self::Fp8 | Self::Bf16 => None,
        }
    }

    /// One sentence on its speed and memory use on the CPU of this machine.
    pub fn remark(self) -> &'static str {
        match self {
            Self::Int8 if has_fast_int8() => "int8 needs less memory and is faster than fp32 on this CPU",
            Self::Int8 => {
                "int8 needs less memory; this CPU computes it no faster than fp32, because it has no instructions \
                 for products of 8-bit integers (VNNI)"
            }
            Self::Int4 => "int4 is the smallest and the least exact; on the CPU it is not faster than fp32",
            Self::Fp8 => "fp8 only saves disk space on the CPU: it is converted to fp32 when it is loaded",
            Self::Bf16 => "bf16 only saves disk space on the CPU: it is converted to fp32 when it is loaded",
        }
    }

    /// Stored type and shape of a quantised matrix, and the shape of its scales; `None` for bf16, which has no scales.
    fn scaled(self, outputs: usize, inputs: usize) -> Option<(Dtype, Vec<usize>, Vec<usize>)> {
        let blocks = inputs / INT4_BLOCK;
        match self {
            Self::Int8 => Some((Dtype::I8, vec![inputs, outputs], vec![outputs])),
            Self::Int4 => Some((Dtype::U8, vec![outputs, blocks, INT4_BLOCK / 2], vec![outputs, blocks])),
            Self::Fp8 => Some((Dtype::F8E4M3, vec![outputs, inputs], vec![outputs])),
            Self::Bf16 => None,
        }
    }

    /// Whether this target converts a tensor.
    fn changes(self, name: &str, info: &TensorInfo) -> bool {
        let is_fp8 = info.dtype.is_f8();
        match self {
            Self::Int8 => is_block_linear(name, &info.shape),
            // the inputs must be a multiple of the block size
            Self::Int4 => {
                is_block_linear(name, &info.shape)
                    && info.shape.last().is_some_and(|inputs| inputs.is_multiple_of(INT4_BLOCK))
            }
            Self::Fp8 => is_block_linear(name, &info.shape) && !is_fp8,
            Self::Bf16 => is_large(name, &info.shape) && info.dtype != Dtype::Bf16,
        }
    }
}

/// How a tensor is converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conversion {
    /// The bytes are copied.
    Copy,
    /// Quantised to the target type; its scales are the next tensor of the shard.
    Quantise,
    /// The scales of the matrix before it, written together with the matrix.
    Scales,
    /// Written as floating-point numbers of the tensor's type, without scales.
    Cast,
}

/// A tensor to be written.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    /// Name in the source and in the converted model.
    pub(super) name: String,
    pub(super) dtype: Dtype,
    /// Shape as stored.
    pub(super) shape: Vec<usize>,
    pub(super) conversion: Conversion,
}

impl Tensor {
    pub(super) fn size(&self) -> u64 {
        (self.shape.iter().product::<usize>() * self.dtype.size()) as u64
    }
}

/// A file to be written.
#[derive(Clone, Debug)]
pub(super) struct Shard<'c> {
    /// Path relative to the model's folder.
    pub(super) path: PathBuf,
    /// Folder name of the component.
    pub(super) component: &'static str,
    pub(super) source: &'c Weights,
    pub(super) tensors: Vec<Tensor>,
}

impl Shard<'_> {
    pub(super) fn size(&self) -> u64 {
        self.tensors.iter().map(Tensor::size).sum()
    }
}

/// Plans the weight files of a model converted to `target`, each about `shard` in size.
///
/// Fails with [`Kind::Input`] if the model is quantised or nothing would change.
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
    let changed = |tensor: &Tensor| tensor.conversion != Conversion::Copy;
    let integers = model.quantisation().or_else(|| model.text_encoder.weights.quantisation());
    if integers.is_some() || !all.iter().flat_map(|shard| &shard.tensors).any(changed) {
        let has = integers.map_or_else(|| target.word(), Quantisation::word);
        return Err(Error::new(Kind::Input, format!("{} is already {has}", model.id))
            .remedy("Use it as it is, or convert the original model"));
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
        let tensors = planned(source, name, target);
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

/// The tensors to write for the source tensor `name`: one, two with scales, or none if it is an outdated scale.
fn planned(source: &Weights, name: &str, target: Option<ConversionTarget>) -> Vec<Tensor> {
    let Ok(info) = source.get(name) else { return Vec::new() };
    let changes = |name: &str| {
        source.get(name).is_ok_and(|info| target.is_some_and(|target| target.changes(name, info)))
    };
    let is_packed = |name: &str| source.is_packed(name);
    let tensor = |dtype, shape: &[usize], conversion| Tensor {
        name: name.to_owned(),
        dtype,
        shape: shape.to_vec(),
        conversion,
    };
    if let Some(module) = name.strip_suffix(".scale_weight")
        && (changes(&format!("{module}.weight")) || is_packed(&format!("{module}.weight")))
    {
        // the matrix is converted and gets new scales or none
        return Vec::new();
    }
    if !changes(name) {
        let (dtype, conversion) =
            if is_packed(name) { (info.widened(), Conversion::Cast) } else { (info.dtype, Conversion::Copy) };
        return vec![tensor(dtype, &info.shape, conversion)];
    }
    let form = match (target, &info.shape[..]) {
        (Some(target), &[outputs, inputs]) => target.scaled(outputs, inputs),
        _ => None,
    };
    let Some((dtype, shape, scales)) = form else {
        return vec![tensor(Dtype::Bf16, &info.shape, Conversion::Cast)];
    };
    let scales =
        Tensor { name: scale_of(name), dtype: Dtype::F32, shape: scales, conversion: Conversion::Scales };
    vec![tensor(dtype, &shape, Conversion::Quantise), scales]
}

/// Whether a tensor is a matrix or convolution kernel. The timestep embedding is excluded: diffusers keeps it in fp32.
fn is_large(name: &str, shape: &[usize]) -> bool {
    shape.len() >= 2 && name.ends_with(".weight") && !name.contains("time_embedder")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linear_layers_of_blocks_are_converted() {
        for (name, shape, linear, large) in [
            ("blocks.3.attn1.to_q.weight", &[8, 8][..], true, true),
            ("blocks.3.attn1.to_q.bias", &[8], false, false),
            ("blocks.3.attn1.norm_q.weight", &[8], false, false),
            ("blocks.3.scale_shift_table", &[1, 6, 8], false, false),
            ("proj_out.weight", &[4, 8], false, true),
            ("patch_embedding.weight", &[8, 4, 1, 2, 2], false, true),
            ("condition_embedder.time_embedder.linear_1.weight", &[8, 8], false, false),
            ("encoder.block.0.layer.1.DenseReluDense.wo.weight", &[8, 8], true, true),
            ("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", &[32, 2], false, true),
            ("shared.weight", &[9, 8], false, true),
        ] {
            assert_eq!((is_block_linear(name, shape), is_large(name, shape)), (linear, large), "{name}");
        }
    }
}
