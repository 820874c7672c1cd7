//! The text encoder: tokens to prompt embeddings.

use ndarray::{Array1, ArrayD, Axis, Slice};

use super::session_cache::{AnySession, LoadedSession};
use crate::core::{CancelToken, Error, Kind, Result};
use crate::engine::{Input, Session};
use crate::onnx::Dim;
use crate::pipeline::exported::unexpected_shape;
use crate::wan::exported::ExportedGraph;
use crate::wan::text;

/// A text encoder that is loaded.
pub(in crate::pipeline) struct TextEncoder<'a> {
    loaded: LoadedSession,
    /// The file that it was exported into, if it was.
    file: Option<&'a ExportedGraph>,
}

impl<'a> TextEncoder<'a> {
    pub(super) fn new(loaded: LoadedSession, file: Option<&'a ExportedGraph>) -> Self {
        Self { loaded, file }
    }

    /// The embeddings `[tokens, width]` of `tokens`.
    pub(in crate::pipeline) fn encode(
        &mut self,
        tokens: Vec<i64>,
        cancel: &CancelToken,
    ) -> Result<ArrayD<f32>> {
        match (self.file, &mut self.loaded.session) {
            (None, session) => encode_built(session, tokens, cancel),
            (Some(graph), _) => encode_exported(self.loaded.whole()?, graph, tokens, cancel),
        }
    }
}

impl From<TextEncoder<'_>> for LoadedSession {
    fn from(encoder: TextEncoder<'_>) -> Self {
        encoder.loaded
    }
}

fn encode_built(session: &mut AnySession, tokens: Vec<i64>, cancel: &CancelToken) -> Result<ArrayD<f32>> {
    let length = tokens.len();
    let ids = ArrayD::from_shape_vec(vec![length], tokens).unwrap_or_default();
    let buckets =
        ArrayD::from_shape_vec(vec![length, length], text::relative_buckets(length)).unwrap_or_default();
    let inputs = vec![("input_ids", Input::I64(ids.view())), ("rel_bucket", Input::I64(buckets.view()))];
    let hidden = match session {
        AnySession::Whole(session) => session.run(inputs, cancel)?.swap_remove(0),
        AnySession::Streamed(session) => session.run(&inputs, cancel)?,
    };
    Ok(hidden.view()?.to_owned())
}

/// A file of fixed length gets padding and a mask.
fn encode_exported(
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
        return Err(unexpected_shape("text_encoder", &hidden));
    }
    let embeddings = hidden.index_axis(Axis(0), 0).slice_axis(Axis(0), Slice::from(..count)).to_owned();
    if embeddings.iter().all(|value| value.is_finite()) {
        return Ok(embeddings);
    }
    Err(Error::new(Kind::Generation, "The exported text_encoder returned NaN or infinite embeddings")
        .remedy("Export it in float32: UMT5 leaves the range of float16"))
}
