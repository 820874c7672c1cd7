//! Downloads of files from a model hub: parallel ranges, resumable after any interruption, checked before use.
//!
//! A file grows as `NAME.part` beside its destination, with a journal (`NAME.part.journal`) of what is there, so that
//! a killed program, a restart or a cut connection costs at most the last block of each connection. A file gets its name
//! only after its checksum and header are right. The one place that speaks HTTP; it knows the hub, but no models.

mod client;
mod download;
mod file_header;
mod hash_state;
mod hub;
mod hub_cache;
mod journal;
mod journal_line;
mod limiter;
mod object_id;
mod part;
mod range;
mod retry;
mod single_stream;
mod speed;
mod status;
mod tree;
mod worker;

pub use download::{Downloader, FileSource, Received, TransferEvent, TransferOptions};
pub use file_header::check_file_header;
pub use hub::{Hub, HubEnvironment};
pub use hub_cache::HubCaches;
pub use object_id::{ObjectHasher, ObjectId};
pub use part::{PART_EXTENSION, part_path, received_part, remove_part};
pub use speed::Speed;
pub use tree::HubFile;
