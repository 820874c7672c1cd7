//! Opens a folder of ONNX components that were exported with another program.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::compatibility::expected_channels;
use super::diffusers::{MAX_JSON, mode_from_index};
use super::info::{ComponentInfo, Layout, ModelInfo};
use super::open::Opened;
use crate::core::{ComponentFiles, Error, Kind, Mode, Result, read_bounded, without_byte_order_mark};
use crate::onnx::Weights;
use crate::wan::exported::{Exported, ExportedGraph, FILE, Interface};
use crate::wan::{
    CheckConfig, Checkpoint, Component, ModelIndex, TextEncoderConfig, TransformerConfig, VaeConfig,
};

/// Whether `dir` holds exported components.
pub(super) fn is_one(dir: &Path) -> bool {
    ["transformer", "vae_decoder", "text_encoder"].iter().any(|name| dir.join(name).join(FILE).exists())
}

/// The folder, and the problems found in it so far.
struct Found<'a> {
    dir: &'a Path,
    wrong: Vec<String>,
}

/// Opens the folder; an exported model cannot use files for its components.
pub(super) fn open_with(dir: &Path, id: String, chosen: &ComponentFiles) -> Result<Opened> {
    if let Some((field, _)) = chosen.iter().next() {
        return Err(Error::new(
            Kind::Input,
            format!("{id} is exported: its components cannot be replaced by files"),
        )
        .field(field)
        .remedy("Choose another model, or remove the file"));
    }
    open(dir, id)
}

/// Opens the folder by its headers. One error lists all problems in all components.
fn open(dir: &Path, id: String) -> Result<Opened> {
    let mut found = Found { dir, wrong: Vec::new() };
    let index: Option<ModelIndex> = found.json(&["model_index.json"]);
    let text: Option<TextEncoderConfig> = found.json(&["text_encoder/config.json"]);
    let places = ["vae_decoder/config.json", "vae_encoder/config.json", "vae/config.json"];
    let vae: Option<VaeConfig> = found.json(&places);
    let transformer: Option<TransformerConfig> = found.json(&["transformer/config.json"]);
    let is_pair = dir.join("transformer_2").exists()
        || index.as_ref().is_some_and(|index| index.boundary_ratio.is_some());
    let transformer_2: Option<TransformerConfig> =
        if is_pair { found.json(&["transformer_2/config.json"]) } else { None };
    let graphs = [
        found.graph("text_encoder", text.as_ref().map(Interface::text_encoder)),
        found.graph("transformer", transformer.as_ref().map(Interface::transformer)),
        if is_pair {
            found.graph("transformer_2", transformer_2.as_ref().map(Interface::transformer))
        } else {
            None
        },
        found.graph("vae_decoder", vae.as_ref().map(Interface::vae_decoder)),
    ];
    let encoder = if dir.join("vae_encoder").join(FILE).exists() {
        found.graph("vae_encoder", vae.as_ref().map(Interface::vae_encoder))
    } else {
        None
    };
    let mode = index.as_ref().and_then(|index| found.mode(index, is_pair));
    if mode == Some(Mode::I2V) && !dir.join("vae_encoder").join(FILE).exists() {
        found.wrong.push(format!("vae_encoder/{FILE} is missing; an image-to-video model needs it"));
    }
    if let (Some(transformer), Some(text), Some(vae)) = (&transformer, &text, &vae) {
        for transformer in std::iter::once(transformer).chain(&transformer_2) {
            found.check_components(transformer, mode, text, vae);
        }
    }
    let all = (index.zip(mode), text, transformer, vae, graphs);
    let (
        true,
        (Some((index, mode)), Some(text), Some(transformer), Some(vae), [Some(a), Some(b), c, Some(d)]),
    ) = (found.wrong.is_empty(), all)
    else {
        return Err(found.error());
    };
    let no_weights = Weights::from_files(&[])?;
    let exported =
        Exported { text_encoder: a, transformer: b, transformer_2: c, vae_encoder: encoder, vae_decoder: d };
    let info = info(&exported);
    let checkpoint = Checkpoint {
        id,
        modes: vec![mode],
        transformer: Component { config: transformer, weights: no_weights.clone() },
        transformer_2: transformer_2.map(|config| Component { config, weights: no_weights.clone() }),
        boundary_ratio: index.boundary_ratio,
        expand_timesteps: index.expand_timesteps,
        lora: false,
        text_encoder: Component { config: text, weights: no_weights.clone() },
        tokenizer: dir.join("tokenizer"),
        vae: Component { config: vae, weights: no_weights },
        distilled: None,
        assumption: None,
        exported: Some(exported),
    };
    Ok(Opened { checkpoint, info })
}

fn info(exported: &Exported) -> ModelInfo {
    let component = |graph: &ExportedGraph| ComponentInfo {
        role: graph.name,
        files: graph.files().cloned().collect(),
        size: graph.size(),
        precision: "onnx",
        role_source: None,
    };
    let components = exported.graphs().map(component).collect();
    let no_encoder = format!(
        "vae_encoder/{FILE} is missing: the model accepts no images, and its previews are learned from the videos it makes"
    );
    let notes = if exported.vae_encoder.is_none() { vec![no_encoder] } else { Vec::new() };
    ModelInfo { layout: Layout::ExportedOnnx, components, notes, distilled: None }
}

impl Found<'_> {
    /// Reads the first of these files that exists.
    fn json<T: DeserializeOwned + CheckConfig>(&mut self, paths: &[&str]) -> Option<T> {
        let Some(path) = paths.iter().map(|path| self.dir.join(path)).find(|path| path.exists()) else {
            self.wrong.push(format!("{} is missing", paths.join(" or ")));
            return None;
        };
        let read = read_bounded(&path, MAX_JSON).map_err(|error| error.to_string());
        let parsed = read.and_then(|bytes| {
            serde_json::from_slice(without_byte_order_mark(&bytes)).map_err(|error| error.to_string())
        });
        let parsed = parsed.and_then(|config: T| config.check().map(|()| config));
        parsed.map_err(|error| self.wrong.push(format!("{} is not valid: {error}", paths[0]))).ok()
    }

    fn graph(&mut self, name: &'static str, interface: Option<Interface>) -> Option<ExportedGraph> {
        if !self.dir.join(name).join(FILE).exists() {
            self.wrong.push(format!("{name}/{FILE} is missing"));
            return None;
        }
        match ExportedGraph::read(self.dir, name) {
            Ok(graph) => {
                let differences = interface.map(|wanted| wanted.differences(name, &graph.signature));
                self.wrong.extend(differences.into_iter().flatten());
                Some(graph)
            }
            Err(error) => {
                self.wrong.push(format!("{name}: {error}"));
                None
            }
        }
    }

    /// The mode by `model_index.json`.
    fn mode(&mut self, index: &ModelIndex, is_pair: bool) -> Option<Mode> {
        if is_pair && index.boundary_ratio.is_none() {
            self.wrong.push(
                "model_index.json has no boundary_ratio, which a model with a transformer_2 needs".to_owned(),
            );
        }
        mode_from_index(index).map_err(|error| self.wrong.push(error.message)).ok()
    }

    fn check_components(
        &mut self,
        transformer: &TransformerConfig,
        mode: Option<Mode>,
        text: &TextEncoderConfig,
        vae: &VaeConfig,
    ) {
        let z = vae.z_dim;
        let taken = mode.map(|mode| expected_channels(mode, z, vae.scale_factor_temporal));
        if taken.is_some_and(|taken| transformer.channels_out() != z || transformer.in_channels != taken) {
            self.wrong.push(format!(
                "the transformer has {} input and {} output channels; with a VAE of {z} latent channels it needs {} input channels",
                transformer.in_channels,
                transformer.channels_out(),
                taken.unwrap_or_default(),
            ));
        }
        if transformer.text_dim != text.d_model {
            self.wrong.push(format!(
                "the transformer expects prompt embeddings of width {} and the text encoder returns {}",
                transformer.text_dim, text.d_model
            ));
        }
        if vae.latents_mean.len() != vae.z_dim || vae.latents_std.len() != vae.z_dim {
            self.wrong.push(format!(
                "the VAE has {} means and {} deviations for {} latent channels",
                vae.latents_mean.len(),
                vae.latents_std.len(),
                vae.z_dim
            ));
        }
    }

    fn error(self) -> Error {
        let (dir, wrong) = (self.dir.display(), self.wrong.join("; "));
        Error::new(Kind::CorruptModel, format!("The exported model in {dir} cannot be used: {wrong}"))
            .remedy("Export the components again with the expected names, types and sizes")
    }
}
