//! A prompt's tokens, and its embeddings as the transformer reads them.

use ndarray::{Array1, Array2, ArrayViewD, Axis, Slice};

use super::reporter::Reporter;
use crate::core::Result;
use crate::wan::graphs::TEXT_TOKENS;
use crate::wan::text::{self, Tokenizer};

/// The 512 embeddings of a prompt: the text encoder's for its tokens, and zeros for the rest.
#[derive(Clone, Debug)]
pub(super) struct PromptEmbeds {
    /// The different ones `[R, width]`.
    pub(super) rows: Array2<f32>,
    /// Which of them each of the 512 is.
    pub(super) index: Array1<i64>,
}

impl PromptEmbeds {
    /// Pads the text encoder's output `[tokens, width]`.
    pub(super) fn new(hidden: &ArrayViewD<'_, f32>) -> Self {
        let tokens = hidden.shape()[0];
        let mut rows = Array2::zeros(((tokens + 1).min(TEXT_TOKENS), hidden.shape()[1]));
        rows.slice_axis_mut(Axis(0), Slice::from(..tokens)).assign(hidden);
        Self { rows, index: (0..TEXT_TOKENS).map(|row| row.min(tokens) as i64).collect() }
    }
}

/// The tokens of a prompt, which messages call `what`; warns if its end is cut off.
pub(super) fn tokens(
    tokenizer: &Tokenizer,
    what: &str,
    prompt: &str,
    reporter: &mut Reporter<'_>,
) -> Result<Vec<i64>> {
    let tokens = tokenizer.encode(&text::clean(prompt), TEXT_TOKENS)?;
    if tokens.truncated {
        reporter.warn(format!("The {what} is longer than {TEXT_TOKENS} tokens; the rest is cut off"));
    }
    Ok(tokens.ids)
}

#[cfg(test)]
mod tests {
    use ndarray::ArrayD;

    use super::*;

    #[test]
    fn embeddings_after_the_last_token_are_one_row_of_zeros() {
        let short = PromptEmbeds::new(&ArrayD::ones(vec![3, 2]).view());
        assert_eq!(short.rows.dim(), (4, 2));
        assert_eq!(short.rows.row(3).sum(), 0.0);
        assert_eq!(short.index.iter().take(5).copied().collect::<Vec<_>>(), [0, 1, 2, 3, 3]);
        let full = PromptEmbeds::new(&ArrayD::ones(vec![TEXT_TOKENS, 2]).view());
        assert_eq!(full.rows.dim(), (TEXT_TOKENS, 2));
        assert_eq!(full.index.iter().copied().max(), Some(TEXT_TOKENS as i64 - 1));
    }
}
