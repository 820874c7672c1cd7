//! A prompt as the rows that the transformer reads.

use ndarray::{Array1, Array2, ArrayD, ArrayViewD, Axis, Slice};

use super::reporter::Reporter;
use crate::core::{CancelToken, Result};
use crate::engine::{Input, Session};
use crate::wan::graphs::TEXT_TOKENS;
use crate::wan::text::{self, Tokenizer};

/// The 512 rows of a prompt: the text encoder's for its tokens, and for the rest one row of zeros.
#[derive(Clone, Debug)]
pub(super) struct PromptEmbeds {
    /// Different rows `[R, width]`.
    pub(super) rows: Array2<f32>,
    /// Which of them each of the 512 is.
    pub(super) index: Array1<i64>,
}

impl PromptEmbeds {
    /// From the text encoder's rows.
    pub(super) fn new(hidden: &ArrayViewD<'_, f32>) -> Self {
        let tokens = hidden.shape()[0];
        let mut rows = Array2::zeros(((tokens + 1).min(TEXT_TOKENS), hidden.shape()[1]));
        rows.slice_axis_mut(Axis(0), Slice::from(..tokens)).assign(hidden);
        Self { rows, index: (0..TEXT_TOKENS).map(|row| row.min(tokens) as i64).collect() }
    }
}

/// The tokens of a prompt; says if its end is lost.
pub(super) fn tokens(
    tokenizer: &Tokenizer,
    (what, prompt): (&str, &str),
    story: &mut Reporter<'_>,
) -> Result<Vec<i64>> {
    let tokens = tokenizer.encode(&text::clean(prompt), TEXT_TOKENS)?;
    if tokens.truncated {
        story.warn(format!("The {what} is longer than {TEXT_TOKENS} tokens, and its end is not read"));
    }
    Ok(tokens.ids)
}

/// The text encoder's rows `[tokens, width]`.
pub(super) fn encode(session: &mut Session, tokens: Vec<i64>, cancel: &CancelToken) -> Result<ArrayD<f32>> {
    let length = tokens.len();
    let ids = ArrayD::from_shape_vec(vec![length], tokens).unwrap_or_default();
    let buckets =
        ArrayD::from_shape_vec(vec![length, length], text::relative_buckets(length)).unwrap_or_default();
    let inputs = vec![("input_ids", Input::I64(ids.view())), ("rel_bucket", Input::I64(buckets.view()))];
    let hidden = session.run(inputs, cancel)?.swap_remove(0);
    Ok(hidden.view()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_behind_the_end_are_one_row_of_zeros() {
        let short = PromptEmbeds::new(&ArrayD::ones(vec![3, 2]).view());
        assert_eq!(short.rows.dim(), (4, 2));
        assert_eq!(short.rows.row(3).sum(), 0.0);
        assert_eq!(short.index.iter().take(5).copied().collect::<Vec<_>>(), [0, 1, 2, 3, 3]);
        let full = PromptEmbeds::new(&ArrayD::ones(vec![TEXT_TOKENS, 2]).view());
        assert_eq!(full.rows.dim(), (TEXT_TOKENS, 2));
        assert_eq!(full.index.iter().copied().max(), Some(TEXT_TOKENS as i64 - 1));
    }
}
