//! The pipeline's values as exported components take them, and back; see [`crate::wan::exported`].

use std::time::Instant;

use ndarray::{Array1, ArrayD, ArrayView3, ArrayViewD, Axis, Slice};

use super::decode::frames_from_chunk;
use super::encode_text::PromptEmbeds;
use super::encode_whole::FixedClip;
use super::reporter::Reporter;
use crate::core::{CancelToken, Error, Frame, GenRequest, Kind, Result, Stage};
use crate::engine::{Input, Provider, Session};
use crate::onnx::{Dim, Dtype, Graph};
use crate::wan::exported::{ExportedGraph, FILE};
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

/// Refuses a request that a fixed size or a missing file does not allow, in one error.
pub(super) fn check(model: &Checkpoint, request: &GenRequest, [_, z, t, h, w]: [usize; 5]) -> Result<()> {
    let Some(exported) = &model.exported else { return Ok(()) };
    let picture = request.starts_from_image();
    let patch: usize = model.transformer.config.patch_size.iter().product();
    let transformers = || std::iter::once(&exported.transformer).chain(&exported.transformer_2);
    let seen = [1, model.transformer.config.in_channels, t, h, w];
    let mut wrong: Vec<_> =
        transformers().filter_map(|graph| graph.size_difference("hidden_states", &seen)).collect();
    for graph in transformers() {
        let form = TimestepForm::of(graph);
        if form.per_token {
            wrong.extend(graph.size_difference("timestep", &[1, t * h * w / patch.max(1)]));
        } else if picture && model.expand_timesteps {
            let takes = graph.input("timestep").map(ToString::to_string).unwrap_or_default();
            wrong.push(format!(
                "the {} takes timestep as {takes}, and a first picture needs one a token, [1, S]",
                graph.name
            ));
        }
    }
    wrong.extend(only_size_difference(&exported.vae_decoder, &[1, z, t, h, w]));
    if picture {
        match &exported.vae_encoder {
            Some(graph) => wrong.extend(encoder_difference(graph, model, request)),
            None => {
                return Err(Error::new(
                    Kind::MissingModel,
                    format!("{} has no vae_encoder/{FILE}, without which it takes no picture", model.id),
                )
                .field("start_image")
                .remedy("Leave the picture out, or export the VAE's encoder into that file"));
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

/// An encoder of more frames than are needed will do.
fn encoder_difference(graph: &ExportedGraph, model: &Checkpoint, request: &GenRequest) -> Option<String> {
    let needed = if model.expand_timesteps { 1 } else { request.frames.0 as usize };
    let frames = FixedClip::of(graph).frames.map_or(needed, |fixed| fixed.max(needed));
    let [height, width] = [request.size.height, request.size.width].map(|side| side as usize);
    only_size_difference(graph, &[1, 3, frames, height, width])
}

/// What ONNX Runtime says of a file that it does not run, in words that tell what to do.
pub(super) fn refused(error: Error, graph: &ExportedGraph, provider: Provider) -> Error {
    let name = graph.name;
    match (error.kind, graph.short()) {
        (Kind::Unsupported | Kind::CorruptModel | Kind::Bug, Some(short)) => Error::new(
            Kind::Unsupported,
            format!("The exported {name} computes in {short}, which ONNX Runtime cannot do on {provider}"),
        )
        .because(error)
        .remedy(if short == Dtype::Bf16 {
            "Export it in float32 or float16"
        } else {
            "Export it in float32"
        }),
        (Kind::Bug, None) => {
            Error::new(Kind::CorruptModel, format!("ONNX Runtime does not take the exported {name}"))
                .because(error)
                .remedy("Export it again, with another opset or in float32")
        }
        _ => error,
    }
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
        Some([_, Dim::Fixed(fixed)]) => *fixed,
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
    let rows = hidden.index_axis(Axis(0), 0).slice_axis(Axis(0), Slice::from(..count)).to_owned();
    if rows.iter().all(|value| value.is_finite()) {
        return Ok(rows);
    }
    Err(Error::new(Kind::Generation, "The exported text_encoder gave rows that are not numbers")
        .remedy("Export it in float32: UMT5 leaves the range of float16"))
}

/// The tokens of a latent: those of a given first picture, which is without noise, and all.
#[derive(Clone, Copy)]
pub(super) struct Tokens {
    pub(super) given: usize,
    pub(super) all: usize,
}

/// The velocity for `input` at `timestep`.
pub(super) fn predict(
    session: &mut Session,
    form: &TimestepForm,
    input: &ArrayD<f32>,
    (timestep, text): (f32, &PromptEmbeds),
    tokens: Tokens,
    cancel: &CancelToken,
) -> Result<ArrayD<f32>> {
    let width = text.rows.ncols();
    let rows: Vec<f32> = text.index.iter().flat_map(|&row| text.rows.row(row as usize).to_vec()).collect();
    let rows = ArrayView3::from_shape((1, TEXT_TOKENS, width), &rows)
        .map_err(|error| Error::new(Kind::Bug, "A prompt has not 512 rows").because(error))?;
    let dims = if form.per_token { vec![1, tokens.all] } else { vec![1] };
    let mut floats = ArrayD::from_elem(dims, timestep);
    if form.per_token {
        floats.slice_axis_mut(Axis(1), Slice::from(..tokens.given)).fill(0.0);
    }
    let wholes = floats.mapv(|value| value.round() as i64);
    let timestep = if form.whole { Input::I64(wholes.view()) } else { Input::F32(floats.view()) };
    let inputs = vec![
        ("hidden_states", Input::F32(input.view())),
        ("timestep", timestep),
        ("encoder_hidden_states", Input::F32(rows.into_dyn())),
    ];
    let velocity = session.run(inputs, cancel)?.swap_remove(0);
    let velocity = velocity.view()?;
    let (found, wanted) = (velocity.shape(), input.shape());
    if found.len() != wanted.len() || found[0] != 1 || found[2..] != wanted[2..] {
        return Err(unexpected("transformer", &velocity));
    }
    Ok(velocity.as_standard_layout().into_owned())
}

/// Decodes the whole `latent` `[1, z, T, h, w]`, brought to the VAE's own scale first.
pub(super) fn decode(
    session: &mut Session,
    (graph, config): (&ExportedGraph, &VaeConfig),
    latent: &ArrayD<f32>,
    (story, cancel): (&mut Reporter<'_>, &CancelToken),
) -> Result<Vec<Frame>> {
    let began = Instant::now();
    let mut own = latent.as_standard_layout().into_owned();
    for (channel, (mean, std)) in config.latents_mean.iter().zip(&config.latents_std).enumerate() {
        own.index_axis_mut(Axis(1), channel).mapv_inplace(|value| value * std + mean);
    }
    let name = graph.only_input().map_or("latent_sample", |value| &value.name);
    let video = session.run(vec![(name, Input::F32(own.view()))], cancel)?.swap_remove(0);
    let video = video.view()?;
    if video.ndim() != 5 || video.shape()[1] != 3 {
        return Err(unexpected("vae_decoder", &video));
    }
    let count = latent.shape()[2] as u32;
    story.step(Stage::Decode, count, count, began);
    Ok(frames_from_chunk(&video))
}

pub(super) fn unexpected(name: &str, found: &ArrayViewD<'_, f32>) -> Error {
    Error::new(
        Kind::CorruptModel,
        format!("The exported {name} gave the shape {:?}, which does not fit its input", found.shape()),
    )
    .remedy("Export it again with open dimensions")
}
