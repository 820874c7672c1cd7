//! The pipeline's values as exported components take them, and back; see [`crate::wan::exported`].

use std::time::Instant;

use ndarray::{Array1, ArrayD, ArrayView3, ArrayViewD, Axis, Slice};

use super::decode::{FrameSink, frames_from_chunk};
use super::encode_text::PromptRows;
use super::story::Story;
use crate::core::{CancelToken, Error, GenRequest, Kind, Result, Stage};
use crate::engine::{Input, Session};
use crate::onnx::{Dim, Dtype, Graph};
use crate::wan::exported::ExportedGraph;
use crate::wan::graphs::{StreamGraph, TEXT_TOKENS};
use crate::wan::{Checkpoint, VaeConfig};

/// Where a network comes from.
pub(super) enum Network<'a> {
    /// A graph over the checkpoint's weights.
    Built(Box<Graph>),
    /// A file of others.
    Exported(&'a ExportedGraph),
}

/// How latents become frames.
pub(super) enum Decoder<'a> {
    /// As a stream, over the checkpoint's weights.
    Stream(Box<StreamGraph>),
    /// A whole clip.
    Exported(&'a ExportedGraph),
}

/// How an exported transformer takes a timestep.
pub(super) struct TimestepForm {
    whole: bool,
    per_token: bool,
}

impl TimestepForm {
    pub(super) fn of(graph: &ExportedGraph) -> Self {
        let value = graph.input("timestep");
        Self {
            whole: value.is_some_and(|value| value.is(Dtype::I64)),
            per_token: value.is_some_and(|value| value.dims.len() == 2),
        }
    }
}

/// Refuses a request that a fixed size of some file does not allow, in one error.
pub(super) fn check_sizes(model: &Checkpoint, request: &GenRequest, latent: &[usize; 5]) -> Result<()> {
    let Some(exported) = &model.exported else { return Ok(()) };
    let transformers = std::iter::once(&exported.transformer).chain(&exported.transformer_2);
    let wrong: Vec<_> = transformers
        .filter_map(|graph| graph.size_difference("hidden_states", latent))
        .chain(exported.vae_decoder.size_difference("latent_sample", latent))
        .collect();
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

/// The text encoder's rows `[tokens, width]`; a file of fixed length gets padding and a mask.
pub(super) fn encode(
    session: &mut Session,
    graph: &ExportedGraph,
    mut tokens: Vec<i64>,
    cancel: &CancelToken,
) -> Result<ArrayD<f32>> {
    let count = tokens.len();
    let length = match graph.input("input_ids").map(|value| &value.dims[..]) {
        Some([_, Dim::Is(fixed)]) => *fixed,
        _ => count,
    };
    if count > length {
        return Err(Error::new(
            Kind::Unsupported,
            format!("The exported text_encoder reads {length} tokens and the prompt has {count}"),
        )
        .field("prompt")
        .remedy("Shorten the prompt, or export the text_encoder with an open length"));
    }
    tokens.resize(length, 0);
    let mask = (0..length).map(|at| i64::from(at < count)).collect::<Array1<i64>>();
    let (ids, mask) = (Array1::from_vec(tokens).insert_axis(Axis(0)), mask.insert_axis(Axis(0)));
    let inputs = vec![
        ("input_ids", Input::I64(ids.view().into_dyn())),
        ("attention_mask", Input::I64(mask.view().into_dyn())),
    ];
    let hidden = session.run(inputs, cancel)?.swap_remove(0);
    let hidden = hidden.view()?;
    if hidden.ndim() != 3 || hidden.shape()[1] != length {
        return Err(unexpected("text_encoder", &hidden));
    }
    Ok(hidden.index_axis(Axis(0), 0).slice_axis(Axis(0), Slice::from(..count)).to_owned())
}

/// The velocity for `latent` at `timestep`.
pub(super) fn predict(
    session: &mut Session,
    form: &TimestepForm,
    latent: &ArrayD<f32>,
    (timestep, text): (f32, &PromptRows),
    tokens: usize,
    cancel: &CancelToken,
) -> Result<ArrayD<f32>> {
    let width = text.rows.ncols();
    let rows: Vec<f32> = text.index.iter().flat_map(|&row| text.rows.row(row as usize).to_vec()).collect();
    let rows = ArrayView3::from_shape((1, TEXT_TOKENS, width), &rows)
        .map_err(|error| Error::new(Kind::Bug, "A prompt has not 512 rows").because(error))?;
    let dims = if form.per_token { vec![1, tokens] } else { vec![1] };
    let floats = ArrayD::from_elem(dims, timestep);
    let wholes = floats.mapv(|value| value.round() as i64);
    let timestep = if form.whole { Input::I64(wholes.view()) } else { Input::F32(floats.view()) };
    let inputs = vec![
        ("hidden_states", Input::F32(latent.view())),
        ("timestep", timestep),
        ("encoder_hidden_states", Input::F32(rows.into_dyn())),
    ];
    let velocity = session.run(inputs, cancel)?.swap_remove(0);
    let velocity = velocity.view()?;
    if velocity.shape() != latent.shape() {
        return Err(unexpected("transformer", &velocity));
    }
    Ok(velocity.as_standard_layout().into_owned())
}

/// Decodes the whole `latent` `[1, z, T, h, w]`, brought to the VAE's own scale first.
pub(super) fn decode(
    session: &mut Session,
    config: &VaeConfig,
    latent: &ArrayD<f32>,
    frames: FrameSink<'_>,
    (story, cancel): (&mut Story<'_>, &CancelToken),
) -> Result<()> {
    let began = Instant::now();
    let mut own = latent.as_standard_layout().into_owned();
    for (channel, (mean, std)) in config.latents_mean.iter().zip(&config.latents_std).enumerate() {
        own.index_axis_mut(Axis(1), channel).mapv_inplace(|value| value * std + mean);
    }
    let video = session.run(vec![("latent_sample", Input::F32(own.view()))], cancel)?.swap_remove(0);
    let video = video.view()?;
    if video.ndim() != 5 || video.shape()[1] != 3 {
        return Err(unexpected("vae_decoder", &video));
    }
    for frame in frames_from_chunk(&video) {
        frames(frame)?;
    }
    let count = latent.shape()[2] as u32;
    story.step(Stage::Decode, count, count, began);
    Ok(())
}

fn unexpected(name: &str, found: &ArrayViewD<'_, f32>) -> Error {
    Error::new(
        Kind::CorruptModel,
        format!("The exported {name} gave the shape {:?}, which does not fit its input", found.shape()),
    )
    .remedy("Export it again with open dimensions")
}
