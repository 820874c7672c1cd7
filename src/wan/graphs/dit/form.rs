//! How the graph of a transformer is built for a clip.

use super::segments::Segments;

/// In how many chunks of rows a GPU computes what follows the attention over the tokens in a block.
///
/// Each token's row is computed for itself there, and the values between the operations, of which those between the two
/// matrices of the feed-forward are the largest, exist for one chunk at a time. The rows are copied twice more, so one chunk
/// is fastest. The CPU divides its rows in another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowChunks(usize);

impl RowChunks {
    /// From the most memory to the least. With more than four chunks, attention needs most.
    pub const ALL: [Self; 3] = [Self(1), Self(2), Self(4)];

    /// The number of chunks.
    pub fn count(self) -> usize {
        self.0
    }
}

impl Default for RowChunks {
    fn default() -> Self {
        Self(1)
    }
}

/// What of a clip, and of the memory that it may take, decides how the graph of a transformer is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransformerForm {
    /// How many different timesteps the tokens have.
    pub segments: Segments,
    /// In how many chunks a GPU computes rows.
    pub row_chunks: RowChunks,
}

/// All rows at once.
impl From<Segments> for TransformerForm {
    fn from(segments: Segments) -> Self {
        Self { segments, row_chunks: RowChunks::default() }
    }
}
