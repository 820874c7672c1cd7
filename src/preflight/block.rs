//! Memory of the values of a transformer block on a GPU, by formula.
//!
//! On CUDA the formulas count the values that the graph holds at once and the pieces in which ONNX Runtime keeps their
//! memory: it cannot join two pieces for a larger value, nor take a value for two pieces. `tests/cuda_recorder` recorded
//! the same peaks for A14B and the 5B in fp32, bf16 and fp8, within 5 %.

use crate::wan::TransformerConfig;
use crate::wan::graphs::{RowChunks, Segments};

/// Bytes of an fp32 value.
const F32: u64 = 4;
/// fp32 values of the stream's width for each token behind the last block, where rows are computed in chunks.
const ENDS_WIDTHS: u64 = 3;
/// Gaps in the one piece from which values are taken, in percent of them.
const GAPS_PERCENT: u64 = 25;

/// What decides how much a block needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<'a> {
    pub(super) config: &'a TransformerConfig,
    pub(super) tokens: u64,
    /// Bytes of a value in the type that computes.
    pub(super) value_bytes: u64,
    /// Bytes of the largest matrix of 8 bits while it is dequantised; 0 if none is.
    pub(super) matrix: u64,
    pub(super) segments: Segments,
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
    /// An estimate for graphs that were not recorded: of other providers, and exported ones, whose norms add nothing.
    pub(super) fn unrecorded(&self) -> u64 {
        let (wide, narrow) = self.widths();
        let norm = 7 * wide + 11 * narrow / 2;
        let feed_forward = 9 * wide / 2 + 5 * narrow / 2 + 2 * self.inner();
        norm.max(feed_forward + self.matrix)
    }

    /// Pieces for all rows at once.
    ///
    /// The pieces that norms and attention take are smaller than a value between the matrices of the feed-forward, which
    /// thus takes new ones.
    fn all_rows(&self, is_streamed: bool) -> u64 {
        let (wide, narrow) = self.widths();
        // a norm holds the stream, what it adds and its result
        let mut stream = 3 * wide;
        if self.segments == Segments::Two {
            // the rows of each segment, before they are joined
            stream += wide;
        }
        if is_streamed {
            // the tokens before the block, which a run gives it and which stay, and what attention gives beside them
            stream += wide + narrow;
        }
        // the rotary embedding holds its input, queries, keys, and its product of twice their size
        let attention = 5 * narrow;
        // GELU holds two values, and the matrix behind it is multiplied with its gate
        let inner = self.inner() + self.inner().max(self.largest_matrix());
        stream + attention + inner + self.dequantised(is_streamed)
    }

    /// Pieces that are added where matrices are dequantised.
    fn dequantised(&self, is_streamed: bool) -> u64 {
        let (_, narrow) = self.widths();
        if is_streamed {
            // beside the tokens before the block there are small pieces enough
            self.matrix
        } else if narrow < self.matrix {
            // the matrix splits a piece between the matrices of the feed-forward, which is too small then
            self.inner() + self.largest_matrix()
        } else {
            0
        }
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

    /// Bytes of the largest matrix in the type that computes.
    fn largest_matrix(&self) -> u64 {
        self.config.ffn_dim as u64 * self.config.width() as u64 * self.value_bytes
    }

    /// Memory on CUDA. In chunks of rows, the values of a block are taken in one piece.
    pub(super) fn on_cuda(&self, row_chunks: RowChunks, is_streamed: bool) -> BlockMemory {
        let (wide, narrow) = self.widths();
        let chunks = row_chunks.count() as u64;
        if chunks == 1 {
            return BlockMemory { in_one_piece: 0, in_pieces: self.all_rows(is_streamed) };
        }
        // the stream, and what the rotary embedding holds
        let attention = wide + 5 * narrow;
        // the tokens before the block, what the attention gave, the chunks that are computed, and the one that is being
        // computed: its norm, or the values between the matrices of its feed-forward
        let of_all = wide + narrow + wide * (chunks - 1) / chunks;
        let of_one = (4 * wide).max(wide + 2 * self.inner()) / chunks;
        let matrix = self.matrix.max(self.largest_matrix().saturating_sub(self.inner() / chunks));
        let in_one_piece = (attention.max(of_all + of_one) + matrix) * (100 + GAPS_PERCENT) / 100;
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
            let block = Block {
                config: &model.transformer,
                tokens: 32_760,
                value_bytes,
                matrix: 0,
                segments: Segments::One,
            };
            for is_streamed in [false, true] {
                let [one, two, four] = RowChunks::ALL.map(|chunks| block.on_cuda(chunks, is_streamed));
                assert!(one.bytes() > two.bytes() && two.bytes() >= four.bytes(), "{one:?} {two:?} {four:?}");
                assert!(one.in_one_piece == 0 && four.in_one_piece > 0);
            }
        }
    }
}
