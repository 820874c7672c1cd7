//! What exported components cannot do: sizes that they were not made for; see [`crate::wan::exported`].

use ndarray::ArrayViewD;

use super::encode_whole::FixedClip;
use super::networks::TimestepForm;
use crate::core::{Error, GenRequest, Kind, Result};
use crate::wan::Checkpoint;
use crate::wan::exported::{ExportedGraph, FILE};

/// Fails if fixed sizes or a missing file do not allow a request whose latent has the shape `latent`. One error lists
/// everything.
pub(super) fn check_sizes(model: &Checkpoint, request: &GenRequest, latent: [usize; 5]) -> Result<()> {
    let [_, z, t, h, w] = latent;
    let Some(exported) = &model.exported else { return Ok(()) };
    let has_image = request.starts_from_image();
    let patch: usize = model.transformer.config.patch_size.iter().product();
    let transformers = || std::iter::once(&exported.transformer).chain(&exported.transformer_2);
    let seen = [1, model.transformer.config.in_channels, t, h, w];
    let mut wrong: Vec<_> =
        transformers().filter_map(|graph| graph.size_difference("hidden_states", &seen)).collect();
    for graph in transformers() {
        let form = TimestepForm::of(graph);
        if form.is_per_token {
            wrong.extend(graph.size_difference("timestep", &[1, t * h * w / patch.max(1)]));
        } else if has_image && model.expand_timesteps {
            let takes = graph.input("timestep").map(ToString::to_string).unwrap_or_default();
            wrong.push(format!(
                "the {} takes timestep as {takes}, and a start image needs one for each token, [1, S]",
                graph.name
            ));
        }
    }
    wrong.extend(only_size_difference(&exported.vae_decoder, &[1, z, t, h, w]));
    if has_image {
        match &exported.vae_encoder {
            Some(graph) => wrong.extend(encoder_difference(graph, model, request)),
            None => {
                return Err(Error::new(
                    Kind::MissingModel,
                    format!("{} has no vae_encoder/{FILE}, without which it takes no start image", model.id),
                )
                .field("start_image")
                .remedy("Leave the start image out, or export the VAE's encoder into that file"));
            }
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Kind::Unsupported,
        format!(
            "The exported model cannot make {} frames of {}: {}",
            request.frames.0,
            request.size,
            wrong.join("; ")
        ),
    )
    .remedy("Take the size it was exported for, or export it with open dimensions"))
}

fn only_size_difference(graph: &ExportedGraph, dims: &[usize]) -> Option<String> {
    graph.size_difference(&graph.only_input()?.name, dims)
}

/// An encoder for more frames than are needed works too.
fn encoder_difference(graph: &ExportedGraph, model: &Checkpoint, request: &GenRequest) -> Option<String> {
    let needed = if model.expand_timesteps { 1 } else { request.frames.0 as usize };
    let frames = FixedClip::of(graph).frames.map_or(needed, |fixed| fixed.max(needed));
    let [height, width] = [request.size.height, request.size.width].map(|side| side as usize);
    only_size_difference(graph, &[1, 3, frames, height, width])
}

/// The error for an output of a shape that does not fit the input.
pub(super) fn unexpected_shape(name: &str, found: &ArrayViewD<'_, f32>) -> Error {
    Error::new(
        Kind::CorruptModel,
        format!("The exported {name} returned the shape {:?}, which does not fit its input", found.shape()),
    )
    .remedy("Export it again with open dimensions")
}
