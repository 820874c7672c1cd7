//! Opens a diffusers folder: `model_index.json` and a folder for each component.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::chosen;
use super::compatibility;
use super::component;
use super::experts;
use super::info::{Layout, ModelInfo, RoleSource};
use super::open::Opened;
use super::unsupported::{first_unsupported, unsupported_format};
use crate::core::{
    Bytes, ComponentFiles, Error, Expert, Kind, Mode, Result, read_bounded, without_byte_order_mark,
};
use crate::onnx::Weights;
use crate::wan::names::ComponentKind;
use crate::wan::{CheckConfig, Checkpoint, Component, Distilled, ModelIndex, TransformerConfig};

/// The file that marks a diffusers folder.
pub(super) const INDEX_FILE: &str = "model_index.json";
/// The folders of the components that Wan 2.2 has.
const COMPONENTS: [&str; 6] =
    ["scheduler", "text_encoder", "tokenizer", "transformer", "transformer_2", "vae"];
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
pub(super) fn open(dir: &Path, id: String, chosen: &ComponentFiles) -> Result<Opened> {
    let index: ModelIndex = read_json(&dir.join(INDEX_FILE))?;
    let modes = vec![mode_from_index(&index)?];
    let mut notes = Vec::new();
    let transformer = transformer(dir, Expert::High, chosen.high.as_deref(), &mut notes)?;
    let transformer_2 = if dir.join("transformer_2").exists() {
        Some(self::transformer(dir, Expert::Low, chosen.low.as_deref(), &mut notes)?)
    } else {
        None
    };
    let chosen_text = chosen.text_encoder.as_deref();
    let chosen_text =
        chosen_text.map(|path| chosen::open(path, ComponentKind::TextEncoder, "text_encoder")).transpose()?;
    let text_config = read_json(&dir.join("text_encoder/config.json"))?;
    let text = match chosen_text {
        Some(file) => file.recognised,
        None => {
            component::expect(ComponentKind::TextEncoder, &weights(&dir.join("text_encoder"), TEXT_WEIGHTS)?)?
        }
    };
    let (text_encoder, odd) = component::text_encoder(text, Some(&text_config))?;
    notes.extend(odd.into_iter().map(|odd| format!("text_encoder: {odd}")));
    let vae_config = read_json(&dir.join("vae/config.json"))?;
    let vae = match &chosen.vae {
        Some(path) => chosen::open(path, ComponentKind::Vae, "vae")?.recognised,
        None => component::expect(ComponentKind::Vae, &weights(&dir.join("vae"), DIFFUSION_WEIGHTS)?)?,
    };
    let (vae, odd) = component::vae(vae, Some(&vae_config))?;
    notes.extend(odd.into_iter().map(|odd| format!("vae: {odd}")));

    let distilled = Distilled::of(std::slice::from_ref(&id), &transformer.weights);
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
        distilled,
        assumption: None,
        exported: None,
    };
    compatibility::check(&checkpoint, dir)?;
    let unused = unused_components(dir).into_iter();
    notes.extend(unused.map(|name| format!("{name}: Wan 2.2 does not use it; it can be removed")));
    let role_sources = match checkpoint.transformer_2 {
        Some(_) => {
            ["transformer", "transformer_2"].map(|name| RoleSource::FolderName(name.to_owned())).to_vec()
        }
        None => vec![RoleSource::Alone],
    };
    let mut info = ModelInfo::new(&checkpoint, Layout::Diffusers, role_sources, notes);
    info.mark_chosen(chosen);
    Ok(Opened { checkpoint, info })
}

/// The folders of components that no Wan 2.2 model has, such as the image encoder of Wan 2.1.
fn unused_components(dir: &Path) -> Vec<String> {
    const CONFIGS: [&str; 2] = ["config.json", "preprocessor_config.json"];
    let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(std::result::Result::ok);
    let folders = entries.filter(|entry| CONFIGS.iter().any(|config| entry.path().join(config).is_file()));
    let names = folders.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut unused: Vec<_> = names.filter(|name| !COMPONENTS.contains(&name.as_str())).collect();
    unused.sort();
    unused
}

fn transformer(
    dir: &Path,
    place: Expert,
    chosen: Option<&Path>,
    notes: &mut Vec<String>,
) -> Result<Component<TransformerConfig>> {
    let (name, field) = match place {
        Expert::High => ("transformer", "high"),
        Expert::Low => ("transformer_2", "low"),
    };
    let dir = dir.join(name);
    let config: TransformerConfig = read_json(&dir.join("config.json"))?;
    if let Some(path) = chosen {
        let file = chosen::open(path, ComponentKind::Transformer, field)?;
        return component::transformer(file.recognised, Some(&config)).map(|(component, _)| component);
    }
    let weights = weights(&dir, DIFFUSION_WEIGHTS)?;
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
