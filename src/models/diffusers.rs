//! A diffusers folder (`model_index.json` and a folder for each component) as a [`Checkpoint`].

use std::path::Path;

use serde::de::DeserializeOwned;

use super::exported;
use crate::core::{Error, Kind, Mode, Result};
use crate::onnx::Weights;
use crate::wan::{Checkpoint, Component, ModelIndex, TextEncoderConfig, TransformerConfig, VaeConfig};

/// File stem of transformers and VAEs.
const DIFFUSION_WEIGHTS: &str = "diffusion_pytorch_model";
/// File stem of transformers-library models.
const TEXT_WEIGHTS: &str = "model";

/// Buckets and largest distance of UMT5's relative positions, which `wan::text::relative_buckets` computes.
const RELATIVE_POSITIONS: (usize, usize) = (32, 128);

/// Opens the folder and checks that its components belong together. Headers are read, weights are not.
pub fn open(dir: &Path) -> Result<Checkpoint> {
    if exported::is_exported(dir) {
        return exported::open(dir);
    }
    let index: ModelIndex = read_json(&dir.join("model_index.json"))?;
    let transformer: Component<TransformerConfig> = component(dir, "transformer", DIFFUSION_WEIGHTS)?;
    let transformer_2 = if dir.join("transformer_2").exists() {
        Some(component(dir, "transformer_2", DIFFUSION_WEIGHTS)?)
    } else {
        None
    };
    let checkpoint = Checkpoint {
        id: dir.file_name().unwrap_or(dir.as_os_str()).to_string_lossy().into_owned(),
        modes: vec![mode_from_index(&index)?],
        transformer,
        transformer_2,
        boundary_ratio: index.boundary_ratio,
        expand_timesteps: index.expand_timesteps,
        lora: index.lora.unwrap_or(!index.expand_timesteps),
        text_encoder: component::<TextEncoderConfig>(dir, "text_encoder", TEXT_WEIGHTS)?,
        tokenizer: dir.join("tokenizer"),
        vae: component::<VaeConfig>(dir, "vae", DIFFUSION_WEIGHTS)?,
        exported: None,
    };
    check_pairs(&checkpoint, dir)?;
    Ok(checkpoint)
}

fn component<C: DeserializeOwned>(dir: &Path, name: &str, stem: &str) -> Result<Component<C>> {
    let dir = dir.join(name);
    Ok(Component { config: read_json(&dir.join("config.json"))?, weights: Weights::open(&dir, stem)? })
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).map_err(|error| {
        Error::new(Kind::MissingModel, format!("Cannot read {}", path.display()))
            .because(error)
            .remedy("This is no complete diffusers folder; fetch the model again")
    })?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Error::new(Kind::CorruptModel, format!("{} is not as expected", path.display()))
            .because(error)
            .remedy("Fetch the file again")
    })
}

fn mode_from_index(index: &ModelIndex) -> Result<Mode> {
    match index.class_name.as_str() {
        _ if index.expand_timesteps => Ok(Mode::TI2V),
        "WanPipeline" => Ok(Mode::T2V),
        "WanImageToVideoPipeline" => Ok(Mode::I2V),
        other => Err(Error::new(
            Kind::Unsupported,
            format!("The model is made for {other}, not for a Wan pipeline"),
        )
        .remedy("Choose a Wan 2.2 model in the diffusers layout")),
    }
}

/// Components that were made for each other agree in these numbers.
fn check_pairs(model: &Checkpoint, dir: &Path) -> Result<()> {
    let (dit, vae, text) = (&model.transformer.config, &model.vae.config, &model.text_encoder.config);
    let experts = std::iter::once(("transformer", dit))
        .chain(model.transformer_2.as_ref().map(|second| ("transformer_2", &second.config)));
    let expected_channels = match model.modes[..] {
        // noise, mask of the frames that are given, encoded frames
        [Mode::I2V] => vae.z_dim * 2 + vae.scale_factor_temporal as usize,
        _ => vae.z_dim,
    };
    let mut wrong = Vec::new();
    for (name, config) in experts {
        if config.channels_out() != vae.z_dim {
            wrong.push(format!(
                "the {name} makes latents of {} channels and the vae has {}: this is another model's vae",
                config.channels_out(),
                vae.z_dim
            ));
        } else if config.in_channels != expected_channels {
            wrong.push(format!(
                "the {name} takes {} channels where this pipeline gives {expected_channels}",
                config.in_channels
            ));
        }
        if config.text_dim != text.d_model {
            wrong.push(format!(
                "the {name} reads text of width {} and the text_encoder writes {}",
                config.text_dim, text.d_model
            ));
        }
    }
    if vae.latents_mean.len() != vae.z_dim || vae.latents_std.len() != vae.z_dim {
        wrong.push(format!(
            "the vae has {} means and {} deviations for {} latent channels",
            vae.latents_mean.len(),
            vae.latents_std.len(),
            vae.z_dim
        ));
    }
    if (text.relative_attention_num_buckets, text.relative_attention_max_distance) != RELATIVE_POSITIONS {
        wrong.push(format!(
            "the text_encoder has {} position buckets up to distance {} where UMT5 has {} up to {}",
            text.relative_attention_num_buckets,
            text.relative_attention_max_distance,
            RELATIVE_POSITIONS.0,
            RELATIVE_POSITIONS.1
        ));
    }
    if model.transformer_2.is_some() != model.boundary_ratio.is_some() {
        wrong.push("a boundary_ratio and a transformer_2 go together, and one of them is missing".to_owned());
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Kind::CorruptModel,
        format!("{} does not fit together: {}", dir.display(), wrong.join("; ")),
    )
    .remedy("Fetch the component that is from another model again"))
}
