//! From a prompt to what the text encoder reads.

mod buckets;

pub use buckets::relative_buckets;
