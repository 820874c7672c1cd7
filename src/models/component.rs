//! One component from its weights: recognised, its configuration found, and held against what it should have.

use std::path::Path;

use crate::core::{Error, Kind, Result};
use crate::onnx::Weights;
use crate::wan::names::{Naming, Part, Recognised, recognise};
use crate::wan::{
    Component, OriginalConfig, TextEncoderConfig, TransformerConfig, VaeConfig, infer, parameters,
};

/// Parts of names that only transformers with image embeddings have (Wan 2.1's image-to-video models).
const IMAGE_EMBEDDINGS: [&str; 4] = ["img_emb.", "k_img.", "image_embedder.", "add_k_proj."];

/// A component, and what was found odd about it.
pub(super) type Checked<C> = (Component<C>, Vec<String>);

/// A transformer. `config` is what a `config.json` beside it says.
pub(super) fn transformer(
    found: Recognised,
    config: Option<&TransformerConfig>,
) -> Result<Checked<TransformerConfig>> {
    refuse_other_tasks(&found)?;
    let (config, odd) = infer::transformer(&found.weights, config)?;
    parameters::check("transformer", &found.weights, &parameters::transformer(&config))?;
    Ok((Component { config, weights: found.weights }, odd))
}

/// A text encoder.
pub(super) fn text_encoder(
    found: Recognised,
    config: Option<&TextEncoderConfig>,
) -> Result<Checked<TextEncoderConfig>> {
    let (config, odd) = infer::text_encoder(&found.weights, config)?;
    parameters::check("text encoder", &found.weights, &parameters::text_encoder(&config))?;
    Ok((Component { config, weights: found.weights }, odd))
}

/// A video autoencoder.
pub(super) fn vae(found: Recognised, config: Option<&VaeConfig>) -> Result<Checked<VaeConfig>> {
    let (config, odd) = infer::vae(&found.weights, config)?;
    parameters::check("vae", &found.weights, &parameters::vae(&config))?;
    Ok((Component { config, weights: found.weights }, odd))
}

/// `weights`, which should be a `part`.
pub(super) fn expect(part: Part, weights: &Weights) -> Result<Recognised> {
    recognise(weights)?.filter(|found| found.part == part).ok_or_else(|| {
        let what = match part {
            Part::Transformer => "transformer",
            Part::TextEncoder => "UMT5 text encoder",
            Part::Vae => "VAE",
        };
        Error::new(Kind::CorruptModel, format!("{} holds no {what} of Wan's", weights.root().display()))
            .remedy("This is another kind of model; fetch the component again")
    })
}

/// The `config.json` in `dir` of a transformer with original names, if there is one that can be read.
pub(super) fn original_config(dir: &Path, found: &Recognised) -> Option<TransformerConfig> {
    if found.naming != Naming::Original {
        return None;
    }
    let bytes = std::fs::read(dir.join("config.json")).ok()?;
    let config: OriginalConfig = serde_json::from_slice(&bytes).ok()?;
    let text = found.weights.get("condition_embedder.text_embedder.linear_1.weight").ok()?;
    Some(config.transformer(*text.shape.get(1)?))
}

fn refuse_other_tasks(found: &Recognised) -> Result<()> {
    let Some(first) = found.strange.first() else { return Ok(()) };
    let place = found.weights.files().first().map_or_else(|| found.weights.root(), |file| file.as_path());
    let image = found.strange.iter().find(|name| IMAGE_EMBEDDINGS.iter().any(|part| name.contains(part)));
    Err(match image {
        Some(name) => Error::new(
            Kind::Unsupported,
            format!(
                "{} is a Wan 2.1 image-to-video transformer: it reads image embeddings ({name}), and Wan 2.2's do not",
                place.display()
            ),
        )
        .remedy("Fetch the two transformers of Wan 2.2 I2V-A14B, high noise and low noise"),
        None => Error::new(
            Kind::Unsupported,
            format!(
                "{} holds {} tensors that Wan 2.2's text and image to video transformers do not have, for instance {first}",
                place.display(),
                found.strange.len()
            ),
        )
        .remedy("It is made for another task or kept in another precision; fetch the T2V, I2V or TI2V model in fp16, bf16 or fp8_scaled"),
    })
}
