//! From a prompt to the inputs of the text encoder: cleaning, tokens, position buckets.

mod buckets;
mod clean;
mod sentencepiece;
mod tokenizer;
mod tokenizer_limits;

pub use buckets::relative_buckets;
pub use clean::clean;
pub use sentencepiece::letters;
pub use tokenizer::{TokenIds, Tokenizer, attached_tokenizer, has_attached_tokenizer};
