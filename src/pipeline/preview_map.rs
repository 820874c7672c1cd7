//! The preview's map of a VAE: kept by earlier runs, fitted to its encoder, or learned from decoded videos.

use ndarray::ArrayD;

use super::cache::{TensorCache, key};
use super::context::RunContext;
use super::encode_whole::FixedClip;
use super::networks::{ImageEncoderSource, Loader};
use super::preview::PreviewMap;
use super::preview_draw::ClipShape;
use super::preview_fit::{fit, learn};
use crate::core::{Frame, Kind, Result};
use crate::wan::Checkpoint;

/// The map of this VAE for previews, fitted the first time.
pub(super) fn preview_map(loader: Loader<'_>, context: &mut RunContext<'_>) -> Result<Option<PreviewMap>> {
    let vae = &loader.checkpoint.vae;
    let key = preview_key(loader.checkpoint);
    let kept = context.cache.get(&key).and_then(|kept| PreviewMap::from_tensor(kept, vae.config.z_dim));
    if kept.is_some() {
        return Ok(kept);
    }
    let Some(encoder) = ImageEncoderSource::of(loader, ClipShape::default().cells)? else {
        context.reporter.note(
            "There is no vae_encoder/model.onnx: previews are learned from this model's videos and begin with the \
             second one",
        );
        return Ok(None);
    };
    let stride = vae.config.scale_factor_spatial.max(1) as usize;
    let shape = encoder
        .file()
        .map_or_else(ClipShape::default, |graph| ClipShape::within(FixedClip::of(graph), stride));
    context.reporter.note("Fitting the preview to this VAE, once");
    match encoder.with(None, |encoder| fit(encoder, shape, stride, context)) {
        Ok(Some(map)) => {
            context.cache.put(&key, &map.tensor());
            Ok(Some(map))
        }
        Err(error) if error.kind == Kind::Cancelled => Err(error),
        other => {
            let why = other.err().map_or_else(String::new, |error| format!(": {error:#}"));
            context.reporter.warn(format!("No preview: it could not be fitted to this VAE{why}"));
            Ok(None)
        }
    }
}

/// A small image for each latent frame of the normalised latent `[1, z, T, h, w]`, by the map that an earlier run kept
/// for the VAE of `model`; `None` if there is none.
pub fn kept_preview(
    model: &Checkpoint,
    latent: &ArrayD<f32>,
    cache: &mut dyn TensorCache,
) -> Option<Vec<Frame>> {
    let channels = model.vae.config.z_dim;
    let is_latent = latent.ndim() == 5 && latent.shape().starts_with(&[1, channels]);
    let kept = cache.get(&preview_key(model)).filter(|_| is_latent);
    let map = kept.and_then(|kept| PreviewMap::from_tensor(kept, channels))?;
    Some(map.frames(&latent.view()))
}

/// Whether previews of `model` are learned from its videos, because it has no encoder.
pub(super) fn is_learned(model: &Checkpoint) -> bool {
    model.exported.as_ref().is_some_and(|exported| exported.vae_encoder.is_none())
}

/// Learns the map of a model that has no encoder from a decoded video and those before it.
pub(super) fn learn_preview(
    model: &Checkpoint,
    video: &[Frame],
    latent: &ArrayD<f32>,
    cache: &mut dyn TensorCache,
) {
    let map_key = preview_key(model);
    let sums_key = key("preview sums", &[&map_key]);
    let learned = learn(cache.get(&sums_key), video, latent);
    if let Some(map) = learned.map() {
        cache.put(&map_key, &map.tensor());
    }
    cache.put(&sums_key, &learned.tensor());
}

/// The key of this VAE's map.
fn preview_key(model: &Checkpoint) -> String {
    let mut identity = model.vae.identity();
    if let Some(exported) = &model.exported {
        identity += &exported.vae_encoder.as_ref().unwrap_or(&exported.vae_decoder).identity();
    }
    key("preview", &[&identity])
}
