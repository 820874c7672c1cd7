//! Builds one component from weights: recognises it, finds its configuration and checks names and shapes.

use std::path::Path;

use super::diffusers::MAX_JSON;
use crate::core::{Error, Kind, Result, read_bounded, without_byte_order_mark};
use crate::onnx::Weights;
use crate::wan::names::{ComponentKind, Recognised, recognise};
use crate::wan::{
    CheckConfig as _, Component, OriginalConfig, TextEncoderConfig, TransformerConfig, VaeConfig, infer,
    parameters,
};

/// Substrings of tensor names that only transformers with image embeddings have (Wan 2.1's image-to-video models).
const IMAGE_EMBEDDINGS: [&str; 4] = ["img_emb.", "k_img.", "image_embedder.", "add_k_proj."];

/// A component, and notes about contradictions that were resolved.
pub(super) type Checked<C> = (Component<C>, Vec<String>);

/// Builds a transformer; `config` is the `config.json` beside it, if there is one.
pub(super) fn transformer(
    found: Recognised,
    config: Option<&TransformerConfig>,
) -> Result<Checked<TransformerConfig>> {
    check_task(&found)?;
    let (config, odd) = infer::transformer(&found.weights, config)?;
    parameters::check("transformer", &found.weights, &parameters::transformer(&config))?;
    Ok((Component { config, weights: found.weights }, odd))
}

/// Builds a text encoder; `config` is its `config.json`, if there is one.
pub(super) fn text_encoder(
    found: Recognised,
    config: Option<&TextEncoderConfig>,
) -> Result<Checked<TextEncoderConfig>> {
    let (config, odd) = infer::text_encoder(&found.weights, config)?;
    parameters::check("text encoder", &found.weights, &parameters::text_encoder(&config))?;
    Ok((Component { config, weights: found.weights }, odd))
}

/// Builds a VAE; `config` is its `config.json`, if there is one.
pub(super) fn vae(found: Recognised, config: Option<&VaeConfig>) -> Result<Checked<VaeConfig>> {
    let (config, odd) = infer::vae(&found.weights, config)?;
    parameters::check("vae", &found.weights, &parameters::vae(&config))?;
    Ok((Component { config, weights: found.weights }, odd))
}

/// Fails if the VAE's images have other channels than red, green and blue.
pub(super) fn check_colours(config: &VaeConfig, path: &Path) -> Result<()> {
    const COLOURS: usize = 3;
    let expected = COLOURS * config.patch_size.unwrap_or(1).pow(2);
    let (input, output) = (config.in_channels, config.out_channels);
    if (input, output) == (expected, expected) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Unsupported,
        format!(
            "The VAE {} takes images of {input} channels and gives {output}, instead of {expected} and {expected}: it is a \
             variant, for instance for upscaling or with an alpha channel",
            path.display()
        ),
    )
    .remedy("Use wan_2.1_vae for the 14B models and wan2.2_vae for the 5B model"))
}

/// Recognises `weights` as a component of this kind, or fails.
pub(super) fn expect(kind: ComponentKind, weights: &Weights) -> Result<Recognised> {
    recognise(weights)?.into_iter().find(|found| found.kind == kind).ok_or_else(|| {
        let what = match kind {
            ComponentKind::Transformer => "transformer",
            ComponentKind::TextEncoder => "UMT5 text encoder",
            ComponentKind::Vae => "VAE",
        };
        Error::new(Kind::CorruptModel, format!("{} is not a {what} of Wan", weights.root().display()))
            .remedy("Download the component again, or choose another model")
    })
}

/// The `config.json` in `dir` of a transformer, as Wan or as diffusers writes it; `None` if there is none that can be read.
pub(super) fn config_beside(dir: &Path, found: &Recognised) -> Option<TransformerConfig> {
    let bytes = read_bounded(&dir.join("config.json"), MAX_JSON).ok()?;
    let bytes = without_byte_order_mark(&bytes);
    let Ok(original) = serde_json::from_slice::<OriginalConfig>(bytes) else {
        let config: TransformerConfig = serde_json::from_slice(bytes).ok()?;
        return config.check().is_ok().then_some(config);
    };
    original.check().ok()?;
    let text = found.weights.get("condition_embedder.text_embedder.linear_1.weight").ok()?;
    Some(original.transformer(*text.shape.get(1)?))
}

fn check_task(found: &Recognised) -> Result<()> {
    let Some(first) = found.unknown.first() else { return Ok(()) };
    let place = found.weights.files().first().map_or_else(|| found.weights.root(), |file| file.as_path());
    let image = found.unknown.iter().find(|name| IMAGE_EMBEDDINGS.iter().any(|part| name.contains(part)));
    Err(match image {
        Some(name) => Error::new(
            Kind::Unsupported,
            format!(
                "{} is a Wan 2.1 image-to-video transformer: it needs image embeddings ({name}), which Wan 2.2 does not use",
                place.display()
            ),
        )
        .remedy("Download the two transformers of Wan 2.2 I2V-A14B, high noise and low noise"),
        None => Error::new(
            Kind::Unsupported,
            format!(
                "{} has {} tensors that are unknown in Wan 2.2's T2V, I2V and TI2V transformers, for instance {first}",
                place.display(),
                found.unknown.len()
            ),
        )
        .remedy("It may be made for another task or stored in an unsupported precision. Download the T2V, I2V or TI2V model in fp16, bf16 or fp8_scaled"),
    })
}
