//! From a prompt to what the text encoder reads.

mod buckets;
mod clean;
mod sentencepiece;
mod tokenizer;

pub use buckets::relative_buckets;
pub use clean::clean;
pub use sentencepiece::letters;
pub use tokenizer::{TokenIds, Tokenizer};
