//! From a prompt to what the text encoder reads.

mod buckets;
mod clean;

pub use buckets::relative_buckets;
pub use clean::clean;
