//! Opens a diffusers folder: `model_index.json` and a folder for each component.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::compatibility;
use super::component;
use super::experts;
use super::info::{Layout, ModelInfo, RoleSource};
use super::open::Opened;
use super::unsupported::{first_unsupported, unsupported_format};
use crate::core::{Bytes, Error, Expert, Kind, Mode, Result, read_bounded, without_byte_order_mark};
use crate::onnx::Weights;
use crate::wan::names::ComponentKind;
use crate::wan::{CheckConfig, Checkpoint, Component, ModelIndex, TransformerConfig};

/// The file that marks a diffusers folder.
pub(super) const INDEX_FILE: &str = "model_index.json";
/// Largest configuration that is read.
pub(super) const MAX_JSON: Bytes = Bytes(4 << 20);
/// File stem of the weights of transformers and VAEs.
const DIFFUSION_WEIGHTS: &str = "diffusion_pytorch_model";
/// File stem of the weights of text encoders (transformers library).
const TEXT_WEIGHTS: &str = "model";

/// Whether `dir` is a diffusers folder.
pub(super) fn is_one(dir: &Path) -> bool {
    dir.join(INDEX_FILE).exists()
}

/// Opens the folder and checks that its components belong together.
pub(super) fn open(dir: &Path, id: String) -> Result<Opened> {
    let index: ModelIndex = read_json(&dir.join(INDEX_FILE))?;
    let modes = vec![mode_from_index(&index)?];
    let mut notes = Vec::new();
    let transformer = transformer(dir, "transformer", Expert::High, &mut notes)?;
    let transformer_2 = if dir.join("transformer_2").exists() {
        Some(self::transformer(dir, "transformer_2", Expert::Low, &mut notes)?)
    } else {
        None
    };
    let text = weights(&dir.join("text_encoder"), TEXT_WEIGHTS)?;
    let text_config = read_json(&dir.join("text_encoder/config.json"))?;
    let text = component::expect(ComponentKind::TextEncoder, &text)?;
    let (text_encoder, odd) = component::text_encoder(text, Some(&text_config))?;
    notes.extend(odd.into_iter().map(|odd| format!("text_encoder: {odd}")));
    let vae = weights(&dir.join("vae"), DIFFUSION_WEIGHTS)?;
    let vae_config = read_json(&dir.join("vae/config.json"))?;
    let (vae, odd) = component::vae(component::expect(ComponentKind::Vae, &vae)?, Some(&vae_config))?;
    notes.extend(odd.into_iter().map(|odd| format!("vae: {odd}")));

    let checkpoint = Checkpoint {
        id,
        modes,
        transformer,
        transformer_2,
        boundary_ratio: index.boundary_ratio,
        expand_timesteps: index.expand_timesteps,
        lora: index.lora.unwrap_or(!index.expand_timesteps),
        text_encoder,
        tokenizer: dir.join("tokenizer"),
        vae,
        exported: None,
    };
    compatibility::check(&checkpoint, dir)?;
    let role_sources = match checkpoint.transformer_2 {
        Some(_) => {
            ["transformer", "transformer_2"].map(|name| RoleSource::FolderName(name.to_owned())).to_vec()
        }
        None => vec![RoleSource::Alone],
    };
    let info = ModelInfo::new(&checkpoint, Layout::Diffusers, role_sources, notes);
    Ok(Opened { checkpoint, info })
}

fn transformer(
    dir: &Path,
    name: &str,
    place: Expert,
    notes: &mut Vec<String>,
) -> Result<Component<TransformerConfig>> {
    let dir = dir.join(name);
    let weights = weights(&dir, DIFFUSION_WEIGHTS)?;
    let config: TransformerConfig = read_json(&dir.join("config.json"))?;
    // the folder's name says which expert it should be, and a link may point to the other expert's file
    if let Some(file) = weights.files().first()
        && let Some((said, _)) = experts::expert_of_file(file, &weights)?
        && said != place
    {
        return Err(experts::contradiction(file, place, said));
    }
    let found = component::expect(ComponentKind::Transformer, &weights)?;
    let (component, odd) = component::transformer(found, Some(&config))?;
    notes.extend(odd.into_iter().map(|odd| format!("{name}: {odd}; the weights' value is used")));
    Ok(component)
}

fn weights(dir: &Path, stem: &str) -> Result<Weights> {
    Weights::open(dir, stem).map_err(|error| match first_unsupported(dir) {
        Some(pickle) if error.kind == Kind::MissingModel => unsupported_format(&pickle),
        _ => error,
    })
}

fn read_json<T: DeserializeOwned + CheckConfig>(path: &Path) -> Result<T> {
    let bytes = read_bounded(path, MAX_JSON).map_err(|error| {
        Error::new(Kind::MissingModel, format!("Cannot read {}", path.display()))
            .because(error)
            .remedy("The diffusers folder is incomplete; download the model again")
    })?;
    let invalid = || {
        Error::new(Kind::CorruptModel, format!("{} is not valid", path.display()))
            .remedy("Download the file again")
    };
    let config: T =
        serde_json::from_slice(without_byte_order_mark(&bytes)).map_err(|error| invalid().because(error))?;
    config.check().map_err(|what| invalid().because(std::io::Error::other(what)))?;
    Ok(config)
}

pub(super) fn mode_from_index(index: &ModelIndex) -> Result<Mode> {
    match index.class_name.as_str() {
        _ if index.expand_timesteps => Ok(Mode::TI2V),
        "WanPipeline" => Ok(Mode::T2V),
        "WanImageToVideoPipeline" => Ok(Mode::I2V),
        other => Err(Error::new(
            Kind::Unsupported,
            format!("The model is made for the pipeline {other}, which is not a Wan pipeline"),
        )
        .remedy("Choose a Wan 2.2 model")),
    }
}
