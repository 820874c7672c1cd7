//! Sizes of a model's components on disk and in memory.

use crate::core::{Bytes, Quantisation, Stage, Strides};
use crate::onnx::{Dtype, TensorInfo, Weights};
use crate::wan::exported::{Exported, ExportedGraph};
use crate::wan::graphs::is_embedding_table;
use crate::wan::{Checkpoint, TextEncoderConfig, TransformerConfig, VaeConfig};

/// Name of the transformer's largest matrix; it is multiplied with a single row and never exists twice.
const TIMESTEP_PROJECTION: &str = "time_proj";

/// Size of one component's weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ComponentSize {
    /// Bytes in the files.
    pub stored: Bytes,
    /// Bytes in memory: on the CPU, 16-bit and fp8 weights become fp32.
    pub loaded: Bytes,
    /// How much of `loaded` can stay pages of the files, which the system can drop and read again.
    pub mapped: Bytes,
    /// The largest tensor in memory; it exists twice for a moment while it is packed.
    pub largest: Bytes,
    /// The largest int4 matrix in fp32: weights that are read in place are unpacked for each product.
    pub unpacked: Bytes,
    /// The part of 8-bit weights.
    pub eight_bit: EightBitPart,
}

/// Weights of 8 bits, which stay what they are on a GPU and are dequantised for each product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EightBitPart {
    /// Bytes on the GPU, as in the files.
    pub stored: Bytes,
    /// Bytes of `loaded` that are of these weights.
    pub loaded: Bytes,
    /// Number of values of the largest matrix.
    pub largest: u64,
}

impl ComponentSize {
    /// Adds up the tensors whose names `counted` accepts.
    fn of(weights: &Weights, counted: impl Fn(&str) -> bool) -> Self {
        let mut size = Self::default();
        for (name, info) in weights.iter().filter(|(name, _)| counted(name)) {
            let loaded = loaded(info);
            size.stored.0 += info.len;
            size.loaded.0 += loaded;
            size.mapped.0 += if loaded == info.len { loaded } else { 0 };
            let elements = info.shape.iter().product::<usize>() as u64;
            let quantisation = weights.quantisation_of(name);
            if quantisation == Some(Quantisation::Int4) {
                size.unpacked = size.unpacked.max(Bytes(elements * Dtype::F32.size() as u64));
            }
            if quantisation == Some(Quantisation::Int8) || info.dtype.is_f8() {
                size.eight_bit.stored.0 += info.len;
                size.eight_bit.loaded.0 += loaded;
                size.eight_bit.largest = size.eight_bit.largest.max(elements);
            }
            if !name.contains(TIMESTEP_PROJECTION) {
                size.largest = size.largest.max(Bytes(loaded));
            }
        }
        size
    }
}

fn exported_components(exported: &Exported) -> Vec<(Stage, ComponentSize)> {
    let stages = [
        (Stage::Text, Some(&exported.text_encoder)),
        (Stage::Image, exported.vae_encoder.as_ref()),
        (Stage::DenoiseHigh, Some(&exported.transformer)),
        (Stage::DenoiseLow, exported.transformer_2.as_ref()),
        (Stage::Decode, Some(&exported.vae_decoder)),
    ];
    // ONNX Runtime reads these files whole
    let size = |graph: &ExportedGraph| ComponentSize {
        stored: graph.size(),
        loaded: graph.size_in_memory(),
        ..ComponentSize::default()
    };
    stages.into_iter().filter_map(|(stage, graph)| Some((stage, size(graph?)))).collect()
}

/// Bytes of a tensor in memory once the CPU computes with it.
fn loaded(info: &TensorInfo) -> u64 {
    match info.dtype {
        Dtype::Bf16 | Dtype::F16 => info.len * 2,
        dtype if dtype.is_f8() => info.len * 4,
        _ => info.len,
    }
}

/// Sizes and configurations of a model's components: what its cost depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSize {
    /// The model's name.
    pub id: String,
    /// `wan::Checkpoint::fingerprint`.
    pub fingerprint: String,
    /// The high-noise and the low-noise expert, or the only transformer.
    pub transformers: Vec<ComponentSize>,
    /// Configuration of the transformers.
    pub transformer: TransformerConfig,
    /// The text encoder without its embedding table, whose rows are read in place.
    pub text_encoder: ComponentSize,
    /// The text encoder's embedding table in its file; a GPU holds all of it.
    pub text_table: Bytes,
    /// Configuration of the text encoder.
    pub text: TextEncoderConfig,
    /// The VAE's encoder.
    pub vae_encoder: ComponentSize,
    /// The VAE's decoder.
    pub vae_decoder: ComponentSize,
    /// Configuration of the VAE.
    pub vae: VaeConfig,
    /// Ratios between pixels, latent cells and tokens.
    pub strides: Strides,
    /// How the transformers are quantised, if they are.
    pub quantisation: Option<Quantisation>,
    /// Whether the start image replaces the first latent frame (`expand_timesteps` of `model_index.json`) instead of
    /// being given in channels beside the noise.
    pub expand_timesteps: bool,
    /// The components of an exported model, each with its stage.
    pub exported: Option<Vec<(Stage, ComponentSize)>>,
}

impl ModelSize {
    /// Measures `model` by its headers.
    pub fn of(model: &Checkpoint) -> Self {
        let every_tensor = |_: &str| true;
        let transformers = std::iter::once(&model.transformer).chain(&model.transformer_2);
        let is_encoder = |name: &str| name.starts_with("encoder.") || name.starts_with("quant_conv");
        let tables = model.text_encoder.weights.iter().filter(|(name, _)| is_embedding_table(name));
        Self {
            id: model.id.clone(),
            fingerprint: model.fingerprint(),
            transformers: transformers
                .map(|expert| ComponentSize::of(&expert.weights, every_tensor))
                .collect(),
            transformer: model.transformer.config.clone(),
            text_encoder: ComponentSize::of(&model.text_encoder.weights, |name| !is_embedding_table(name)),
            text_table: Bytes(tables.map(|(_, info)| info.len).max().unwrap_or_default()),
            text: model.text_encoder.config.clone(),
            vae_encoder: ComponentSize::of(&model.vae.weights, is_encoder),
            vae_decoder: ComponentSize::of(&model.vae.weights, |name| !is_encoder(name)),
            vae: model.vae.config.clone(),
            strides: model.strides(),
            quantisation: model.quantisation(),
            expand_timesteps: model.expand_timesteps,
            exported: model.exported.as_ref().map(exported_components),
        }
    }
}
