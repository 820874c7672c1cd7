//! Checks that the components of a model belong together.

use std::path::Path;

use super::component;
use crate::core::{Error, Kind, Mode, Result};
use crate::wan::{Checkpoint, Component, TransformerConfig};

/// Buckets and maximum distance of UMT5's relative positions, which `wan::text::relative_buckets` computes.
const RELATIVE_POSITIONS: (usize, usize) = (32, 128);
/// A small tensor that training changes in every expert.
const SAMPLE: &str = "scale_shift_table";

/// Input channels of a transformer for `mode`, with latents of `z_dim` channels.
pub(super) fn expected_channels(mode: Mode, z_dim: usize, temporal: u32) -> usize {
    match mode {
        // noise, mask of the given frames, encoded frames
        Mode::I2V => z_dim * 2 + temporal as usize,
        Mode::T2V | Mode::TI2V => z_dim,
    }
}

/// Fails with all contradictions between the configurations of the components.
pub(super) fn check(model: &Checkpoint, dir: &Path) -> Result<()> {
    component::check_colours(&model.vae.config, model.vae.weights.root())?;
    let mut wrong = Vec::new();
    let vae = &model.vae.config;
    let mode = model.modes.first().copied().unwrap_or(Mode::T2V);
    let expected = expected_channels(mode, vae.z_dim, vae.scale_factor_temporal);
    let experts = std::iter::once(("transformer", &model.transformer.config))
        .chain(model.transformer_2.as_ref().map(|second| ("transformer_2", &second.config)));
    for (name, config) in experts {
        if config.channels_out() != vae.z_dim {
            wrong.push(format!(
                "the {name} has {} output channels and the VAE {} latent channels: the VAE belongs to another model",
                config.channels_out(),
                vae.z_dim
            ));
        } else if config.in_channels != expected {
            wrong.push(format!("the {name} has {} input channels, expected {expected}", config.in_channels));
        }
        if config.text_dim != model.text_encoder.config.d_model {
            wrong.push(format!(
                "the {name} expects prompt embeddings of width {} and the text encoder returns {}",
                config.text_dim, model.text_encoder.config.d_model
            ));
        }
    }
    wrong.extend(statistics(model));
    wrong.extend(positions(model));
    match (&model.transformer_2, model.boundary_ratio) {
        (None, Some(_)) => {
            return Err(Error::new(
                Kind::MissingModel,
                format!("{} lacks transformer_2, its low-noise expert", dir.display()),
            )
            .remedy("Download the folder transformer_2 of this model"));
        }
        (Some(_), None) => wrong.push(
            "there are two experts, and model_index.json has no boundary_ratio to switch at".to_owned(),
        ),
        _ => {}
    }
    if mode == Mode::TI2V && model.transformer_2.is_some() {
        wrong.push("a ti2v model has one transformer, and there is a transformer_2".to_owned());
    }
    if let Some(low) = &model.transformer_2 {
        wrong.extend(same_expert_twice(&model.transformer, low)?);
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Kind::CorruptModel,
        format!("The components in {} do not belong together: {}", dir.display(), wrong.join("; ")),
    )
    .remedy("Download the component that belongs to another model again"))
}

fn statistics(model: &Checkpoint) -> Option<String> {
    let vae = &model.vae.config;
    let fits = vae.latents_mean.len() == vae.z_dim && vae.latents_std.len() == vae.z_dim;
    (!fits).then(|| {
        format!(
                "the VAE has {} latent channels and its config.json {} means and {} deviations: one of the two files \
                 belongs to another model",
            vae.z_dim,
            vae.latents_mean.len(),
            vae.latents_std.len()
        )
    })
}

fn positions(model: &Checkpoint) -> Option<String> {
    let text = &model.text_encoder.config;
    let found = (text.relative_attention_num_buckets, text.relative_attention_max_distance);
    (found != RELATIVE_POSITIONS).then(|| {
        format!(
            "the text encoder has {} position buckets up to distance {}; UMT5 has {} up to {}",
            found.0, found.1, RELATIVE_POSITIONS.0, RELATIVE_POSITIONS.1
        )
    })
}

/// Reports experts of different sizes, and one expert given twice.
fn same_expert_twice(
    high: &Component<TransformerConfig>,
    low: &Component<TransformerConfig>,
) -> Result<Option<String>> {
    let size = |config: &TransformerConfig| (config.width(), config.num_layers, config.ffn_dim);
    if size(&high.config) != size(&low.config) {
        return Ok(Some("the two experts have different sizes".to_owned()));
    }
    if high.weights.files() == low.weights.files() {
        return Ok(Some("both experts are the same file".to_owned()));
    }
    let (a, b) = (high.weights.get(SAMPLE)?, low.weights.get(SAMPLE)?);
    if a.dtype == b.dtype && a.len == b.len && high.weights.bytes(a)? == low.weights.bytes(b)? {
        return Ok(Some("both experts have the same values, so one is a copy of the other".to_owned()));
    }
    Ok(None)
}
