//! Memory of the values of a transformer block on a GPU, by formula.
//!
//! The factors were fitted to peaks that `tests/cuda_recorder` recorded for A14B and the 5B in 16 bits and in fp32.

use crate::wan::TransformerConfig;
use crate::wan::graphs::RowChunks;

/// Bytes of an fp32 value.
const F32: u64 = 4;
/// fp32 values of the stream's width for each token where the blocks are graphs of their own: the tokens before and behind
/// the block, and gaps.
const STREAMED_WIDTHS: u64 = 3;
/// The same for what is computed behind the last block, where rows are computed in chunks.
const ENDS_WIDTHS: u64 = 3;
/// Quarters of values of the stream's width in the type that computes that the attention over the tokens needs for each of
/// them, beside two in fp32.
const ATTENTION_QUARTERS: u64 = 21;
/// Gaps in the one piece from which values are taken, in percent of them.
const GAPS_PERCENT: u64 = 25;

/// What decides how much a block needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<'a> {
    pub(super) config: &'a TransformerConfig,
    pub(super) tokens: u64,
    /// Bytes of a value in the type that computes.
    pub(super) value_bytes: u64,
    /// Bytes of the largest matrix of 8 bits while it is dequantised.
    pub(super) matrix: u64,
}

/// Memory of the values of a block, and of what is before and behind the blocks, on CUDA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockMemory {
    /// The values of a block that are taken in one piece; 0 if they are taken piece by piece.
    pub(super) in_one_piece: u64,
    /// The others.
    pub(super) in_pieces: u64,
}

impl BlockMemory {
    /// All of it.
    pub(super) fn bytes(self) -> u64 {
        self.in_one_piece + self.in_pieces
    }
}

impl Block<'_> {
    /// Bytes of the values of all rows at once, which ONNX Runtime takes piece by piece: of a GPU's memory, most is needed
    /// either by a norm that adds what is before it, or by the feed-forward.
    pub(super) fn all_rows(&self) -> u64 {
        self.norm().max(self.feed_forward() + self.matrix)
    }

    fn norm(&self) -> u64 {
        let (wide, narrow) = self.widths();
        7 * wide + 11 * narrow / 2
    }

    fn feed_forward(&self) -> u64 {
        let (wide, narrow) = self.widths();
        9 * wide / 2 + 5 * narrow / 2 + 2 * self.inner()
    }

    /// Bytes of a value of the stream's width for each token, in fp32 and in the type that computes.
    fn widths(&self) -> (u64, u64) {
        let values = self.tokens * self.config.width() as u64;
        (values * F32, values * self.value_bytes)
    }

    /// Bytes of the values between the two matrices of the feed-forward.
    fn inner(&self) -> u64 {
        self.tokens * self.config.ffn_dim as u64 * self.value_bytes
    }

    /// Memory on CUDA. In chunks of rows, the values of a block are taken in one piece.
    pub(super) fn on_cuda(&self, row_chunks: RowChunks, is_streamed: bool) -> BlockMemory {
        let (wide, narrow) = self.widths();
        let chunks = row_chunks.count() as u64;
        if chunks == 1 {
            let in_pieces = if is_streamed {
                // with the tokens before and behind the block, and gaps
                self.norm().max(self.feed_forward()) + self.matrix + STREAMED_WIDTHS * wide
            } else {
                self.all_rows()
            };
            return BlockMemory { in_one_piece: 0, in_pieces };
        }
        let attention = 2 * wide + ATTENTION_QUARTERS * narrow / 4;
        // the tokens before the block, what the attention gave, the chunks that are computed, and the one that is being
        // computed
        let of_all = wide + narrow + wide * (chunks - 1) / chunks;
        let of_one = (4 * wide).max(wide + 2 * self.inner()) / chunks;
        let rows = (of_all + of_one) * (100 + GAPS_PERCENT) / 100;
        let in_one_piece = attention.max(rows) + self.matrix;
        let in_pieces = if is_streamed { ENDS_WIDTHS * wide / chunks } else { 0 };
        BlockMemory { in_one_piece, in_pieces }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::tests::model;

    #[test]
    fn more_chunks_take_less_memory() {
        let model = model(false);
        for value_bytes in [2, F32] {
            let block = Block { config: &model.transformer, tokens: 32_760, value_bytes, matrix: 0 };
            for is_streamed in [false, true] {
                let [one, two, four] = RowChunks::ALL.map(|chunks| block.on_cuda(chunks, is_streamed));
                assert!(one.bytes() > two.bytes() && two.bytes() >= four.bytes(), "{one:?} {two:?} {four:?}");
                assert!(one.in_one_piece == 0 && four.in_one_piece > 0);
            }
        }
    }
}
