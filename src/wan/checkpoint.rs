//! A model whose components belong together: configurations and weights, opened but not loaded.

use std::path::PathBuf;

use super::config::{TextEncoderConfig, TransformerConfig, VaeConfig};
use super::distilled::Distilled;
use super::exported::Exported;
use crate::core::{Limits, Mode, Quantisation, Result, Strides, sha256_hex};
use crate::onnx::{TensorInfo, Weights};

/// One component: its configuration and where its tensors are.
#[derive(Clone, Debug)]
pub struct Component<C> {
    /// Its configuration.
    pub config: C,
    /// Its tensors by name, in files.
    pub weights: Weights,
}

impl<C: std::fmt::Debug> Component<C> {
    /// Identifies this component as it is now, as a key for results computed with it: a hash of its configuration, its
    /// tensors' places, and path, size and modification time of its files.
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
    /// Modes it can run in, the main one first.
    pub modes: Vec<Mode>,
    /// The high-noise expert, or the only transformer.
    pub transformer: Component<TransformerConfig>,
    /// The low-noise expert.
    pub transformer_2: Option<Component<TransformerConfig>>,
    /// Fraction of the 1000 timesteps above which the high-noise expert runs (`boundary_ratio`).
    pub boundary_ratio: Option<f32>,
    /// Whether each token has its own timestep (`expand_timesteps`).
    pub expand_timesteps: bool,
    /// Whether LoRAs may be applied.
    pub lora: bool,
    /// The UMT5 text encoder.
    pub text_encoder: Component<TextEncoderConfig>,
    /// Folder with `tokenizer.json` or `spiece.model`, or a checkpoint file that contains the latter.
    pub tokenizer: PathBuf,
    /// The VAE.
    pub vae: Component<VaeConfig>,
    /// The profile that it brings, if it is distilled.
    pub distilled: Option<Distilled>,
    /// What was assumed of its files where their names leave room for doubt, as a sentence without a full stop.
    pub assumption: Option<String>,
    /// Graphs exported with another program. If present, the components have no weights and no graphs are built.
    pub exported: Option<Exported>,
}

impl Checkpoint {
    /// What requests the model accepts.
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

    /// How the transformers are quantised, if they are.
    pub fn quantisation(&self) -> Option<Quantisation> {
        self.transformer.weights.quantisation()
    }

    /// Ratios between pixels, latent cells and tokens.
    pub fn strides(&self) -> Strides {
        Strides {
            temporal: self.vae.config.scale_factor_temporal,
            spatial: self.vae.config.scale_factor_spatial,
            patch: self.transformer.config.patch_size[1] as u32,
        }
    }

    /// Fails if a checkpoint file is no longer the one whose header was read when the model was opened.
    pub fn check_unchanged(&self) -> Result<()> {
        let transformers =
            std::iter::once(&self.transformer).chain(&self.transformer_2).map(|part| &part.weights);
        transformers
            .chain([&self.text_encoder.weights, &self.vae.weights])
            .try_for_each(Weights::check_unchanged)
    }

    /// Checks the scales of quantised weights as [`Weights::check_scales`] does, and returns the names of the weights that
    /// are nothing but zeros.
    pub fn check_scales(&self) -> Result<Vec<String>> {
        let transformers =
            std::iter::once(&self.transformer).chain(&self.transformer_2).map(|part| &part.weights);
        let mut zeros = Vec::new();
        for weights in transformers.chain([&self.text_encoder.weights]) {
            zeros.extend(weights.check_scales()?);
        }
        Ok(zeros)
    }

    /// SHA-256 over every tensor's name, type, shape and place, and every exported file's size: identifies a model at
    /// the cost of reading its headers. It does not detect changed values.
    pub fn fingerprint(&self) -> String {
        let mut lines = Vec::new();
        let transformers =
            std::iter::once(&self.transformer).chain(&self.transformer_2).map(|part| &part.weights);
        for weights in transformers.chain([&self.text_encoder.weights, &self.vae.weights]) {
            let line = |(name, info): (&str, &TensorInfo)| {
                format!("{name} {:?} {:?} {} {}", info.dtype, info.shape, info.offset, info.len)
            };
            // a model is the same however its weights are repacked to compute
            lines.extend(weights.stored().iter().map(line));
        }
        for graph in self.exported.iter().flat_map(Exported::graphs) {
            let (inputs, outputs) = (&graph.signature.inputs, &graph.signature.outputs);
            lines.push(format!("{} {} {inputs:?} {outputs:?}", graph.name, graph.size().0));
        }
        sha256_hex(lines.join("\n").as_bytes())
    }
}
