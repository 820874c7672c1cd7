//! A prompt as the rows that the transformer reads.

use ndarray::{Array2, ArrayD, Axis, Slice};

use super::story::Story;
use crate::core::{CancelToken, Result};
use crate::engine::{Input, Session};
use crate::wan::graphs::TEXT_TOKENS;
use crate::wan::text::{self, Tokenizer};

/// Rows `[512, width]`: the text encoder's for the real tokens, zeros for the rest.
pub(super) fn encode(
    session: &mut Session,
    tokenizer: &Tokenizer,
    (what, prompt): (&str, &str),
    story: &mut Story<'_>,
    cancel: &CancelToken,
) -> Result<Array2<f32>> {
    let tokens = tokenizer.encode(&text::clean(prompt), TEXT_TOKENS)?;
    if tokens.truncated {
        story.warn(format!("The {what} is longer than {TEXT_TOKENS} tokens, and its end is not read"));
    }
    let length = tokens.ids.len();
    let ids = ArrayD::from_shape_vec(vec![length], tokens.ids).unwrap_or_default();
    let buckets =
        ArrayD::from_shape_vec(vec![length, length], text::relative_buckets(length)).unwrap_or_default();
    let inputs = vec![("input_ids", Input::I64(ids.view())), ("rel_bucket", Input::I64(buckets.view()))];
    let hidden = session.run(inputs, cancel)?.swap_remove(0);
    let hidden = hidden.view()?;
    let mut rows = Array2::zeros((TEXT_TOKENS, hidden.shape()[1]));
    rows.slice_axis_mut(Axis(0), Slice::from(..length)).assign(&hidden);
    Ok(rows)
}
