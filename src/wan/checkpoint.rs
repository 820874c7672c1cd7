//! A model whose components fit together: configurations and weights, opened but not loaded.

use std::path::PathBuf;

use super::config::{TextEncoderConfig, TransformerConfig, VaeConfig};
use super::exported::Exported;
use crate::core::{Limits, Mode, Quantisation, Result, Strides, sha256_hex};
use crate::onnx::{TensorInfo, Weights};

/// One network: how it is built and where its tensors are.
#[derive(Clone, Debug)]
pub struct Component<C> {
    /// How it is built.
    pub config: C,
    /// Where its tensors are.
    pub weights: Weights,
}

impl<C: std::fmt::Debug> Component<C> {
    /// Tells this network, as it is now, from every other: its configuration, its tensors' places, and path, size
    /// and time of the last change of its files. A key for what is computed with it.
    pub fn identity(&self) -> String {
        let mut lines = vec![format!("{:?}", self.config)];
        lines.extend(self.weights.iter().map(|(name, info)| format!("{name} {info:?}")));
        for path in self.weights.files() {
            let about = std::fs::metadata(path).ok();
            let changed = about.as_ref().and_then(|about| about.modified().ok());
            lines.push(format!("{} {:?} {changed:?}", path.display(), about.map(|about| about.len())));
        }
        sha256_hex(lines.join("\n").as_bytes())
    }
}

/// A complete Wan model.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Name shown to people.
    pub id: String,
    /// Modes it offers, its natural one first.
    pub modes: Vec<Mode>,
    /// The high-noise expert, or the only transformer.
    pub transformer: Component<TransformerConfig>,
    /// The low-noise expert.
    pub transformer_2: Option<Component<TransformerConfig>>,
    /// Share of the 1000 timesteps from which on the high-noise expert works (`boundary_ratio`).
    pub boundary_ratio: Option<f32>,
    /// A timestep per token (`expand_timesteps`).
    pub expand_timesteps: bool,
    /// Whether LoRAs may change it.
    pub lora: bool,
    /// UMT5 encoder.
    pub text_encoder: Component<TextEncoderConfig>,
    /// Folder with `tokenizer.json` or `spiece.model`, or a file of weights that carries the latter.
    pub tokenizer: PathBuf,
    /// Video autoencoder.
    pub vae: Component<VaeConfig>,
    /// Graphs that others exported. Where they are, the components have no weights and no graphs are written.
    pub exported: Option<Exported>,
}

impl Checkpoint {
    /// What requests this model can take.
    pub fn limits(&self) -> Limits {
        Limits {
            model: self.id.clone(),
            modes: self.modes.clone(),
            strides: self.strides(),
            max_positions: self.transformer.config.rope_max_seq_len,
            lora: self.lora,
            quantisation: self.quantisation(),
        }
    }

    /// The integers that the transformers' matrices are, if they are any.
    pub fn quantisation(&self) -> Option<Quantisation> {
        self.transformer.weights.quantisation()
    }

    /// How much the VAE and the patch embedding shrink a video.
    pub fn strides(&self) -> Strides {
        Strides {
            temporal: self.vae.config.scale_factor_temporal,
            spatial: self.vae.config.scale_factor_spatial,
            patch: self.transformer.config.patch_size[1] as u32,
        }
    }

    /// Fails if a file of weights is not the one whose header was read when the model was opened.
    pub fn check_unchanged(&self) -> Result<()> {
        let transformers =
            std::iter::once(&self.transformer).chain(&self.transformer_2).map(|part| &part.weights);
        transformers
            .chain([&self.text_encoder.weights, &self.vae.weights])
            .try_for_each(Weights::check_unchanged)
    }

    /// SHA-256 over every tensor's name, type, shape and place, and every file's size: tells models apart at
    /// the cost of their headers. It does not see changed numbers; full hashes belong to verification.
    pub fn fingerprint(&self) -> String {
        let mut lines = Vec::new();
        let transformers =
            std::iter::once(&self.transformer).chain(&self.transformer_2).map(|part| &part.weights);
        for weights in transformers.chain([&self.text_encoder.weights, &self.vae.weights]) {
            let line = |(name, info): (&str, &TensorInfo)| {
                format!("{name} {:?} {:?} {} {}", info.dtype, info.shape, info.offset, info.len)
            };
            lines.extend(weights.iter().map(line));
        }
        for graph in self.exported.iter().flat_map(Exported::graphs) {
            let (inputs, outputs) = (&graph.signature.inputs, &graph.signature.outputs);
            lines.push(format!("{} {} {inputs:?} {outputs:?}", graph.name, graph.size().0));
        }
        sha256_hex(lines.join("\n").as_bytes())
    }
}
