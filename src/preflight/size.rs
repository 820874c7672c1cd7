//! How large a model's networks are on disk and in memory.

use crate::core::{Bytes, Quantisation, Stage, Strides};
use crate::onnx::{Dtype, TensorInfo, Weights};
use crate::wan::exported::{Exported, ExportedGraph};
use crate::wan::{Checkpoint, TextEncoderConfig, TransformerConfig, VaeConfig};

/// The transformer's largest matrix, which is used on one row and never there twice.
const ONE_ROW: &str = "time_proj";

/// One network's weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetSize {
    /// As they lie in the files.
    pub stored: Bytes,
    /// As they are in memory: on the CPU, 16-bit and fp8 weights become fp32.
    pub loaded: Bytes,
    /// The part of `loaded` that can stay pages of the files, which the system drops and reads again.
    pub mapped: Bytes,
    /// The largest tensor in memory; it is there twice for a moment.
    pub largest: Bytes,
    /// The largest 4-bit matrix in fp32: read in place, each is unpacked for every product.
    pub unpacked: Bytes,
}

impl NetSize {
    /// Over the tensors whose names are counted.
    fn of(weights: &Weights, counted: impl Fn(&str) -> bool) -> Self {
        let mut size = Self::default();
        for (name, info) in weights.iter().filter(|(name, _)| counted(name)) {
            let loaded = loaded(info);
            size.stored.0 += info.len;
            size.loaded.0 += loaded;
            size.mapped.0 += if loaded == info.len { loaded } else { 0 };
            if weights.integers_of(name) == Some(Quantisation::Int4) {
                let elements = info.shape.iter().product::<usize>() as u64;
                size.unpacked = size.unpacked.max(Bytes(elements * Dtype::F32.size() as u64));
            }
            if !name.contains(ONE_ROW) {
                size.largest = size.largest.max(Bytes(loaded));
            }
        }
        size
    }
}

fn networks(exported: &Exported) -> Vec<(Stage, NetSize)> {
    let stages = [
        (Stage::Text, Some(&exported.text_encoder)),
        (Stage::Image, exported.vae_encoder.as_ref()),
        (Stage::DenoiseHigh, Some(&exported.transformer)),
        (Stage::DenoiseLow, exported.transformer_2.as_ref()),
        (Stage::Decode, Some(&exported.vae_decoder)),
    ];
    // the files are read whole
    let size = |graph: &ExportedGraph| NetSize {
        stored: graph.size(),
        loaded: graph.widened(),
        ..NetSize::default()
    };
    stages.into_iter().filter_map(|(stage, graph)| Some((stage, size(graph?)))).collect()
}

/// Bytes of a tensor once the CPU computes with it.
fn loaded(info: &TensorInfo) -> u64 {
    match info.dtype {
        Dtype::Bf16 | Dtype::F16 => info.len * 2,
        Dtype::F8E4M3 | Dtype::F8E5M2 => info.len * 4,
        _ => info.len,
    }
}

/// A model as far as its cost goes.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSize {
    /// Its name.
    pub id: String,
    /// `wan::Checkpoint::fingerprint`.
    pub fingerprint: String,
    /// The high-noise expert, or the only transformer, and the low-noise expert.
    pub transformers: Vec<NetSize>,
    /// How the transformers are built.
    pub transformer: TransformerConfig,
    /// The text encoder without its table, of which rows are read in place.
    pub text_encoder: NetSize,
    /// How it is built.
    pub text: TextEncoderConfig,
    /// The VAE's way down.
    pub vae_encoder: NetSize,
    /// The VAE's way up.
    pub vae_decoder: NetSize,
    /// How it is built.
    pub vae: VaeConfig,
    /// How much a video shrinks.
    pub strides: Strides,
    /// The integers that the transformers compute in, if they do.
    pub integers: Option<Quantisation>,
    /// A picture takes the place of the first latent frame instead of beside the noise.
    pub expand_timesteps: bool,
    /// The networks of an exported model, with the stage of each.
    pub exported: Option<Vec<(Stage, NetSize)>>,
}

impl ModelSize {
    /// The sizes of `model`.
    pub fn of(model: &Checkpoint) -> Self {
        let everything = |_: &str| true;
        let transformers = std::iter::once(&model.transformer).chain(&model.transformer_2);
        let encodes = |name: &str| name.starts_with("encoder.") || name.starts_with("quant_conv");
        let table = |name: &str| name == "shared.weight" || name.contains("embed_tokens");
        Self {
            id: model.id.clone(),
            fingerprint: model.fingerprint(),
            transformers: transformers.map(|part| NetSize::of(&part.weights, everything)).collect(),
            transformer: model.transformer.config.clone(),
            text_encoder: NetSize::of(&model.text_encoder.weights, |name| !table(name)),
            text: model.text_encoder.config.clone(),
            vae_encoder: NetSize::of(&model.vae.weights, encodes),
            vae_decoder: NetSize::of(&model.vae.weights, |name| !encodes(name)),
            vae: model.vae.config.clone(),
            strides: model.strides(),
            integers: model.integers(),
            expand_timesteps: model.expand_timesteps,
            exported: model.exported.as_ref().map(networks),
        }
    }
}
