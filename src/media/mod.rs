//! Videos and pictures as files: written, read back, checked, and their request kept inside them.
//!
//! The finished file is the record of a job (its request travels in the metadata), so everything about file
//! formats, codecs and colour conversion lives here. It must not know models, queues or screens.
//!
//! Writing: [`Target`] says where, [`Recorder`] (a thread) or [`Writer`] takes the frames, [`Metadata`] goes in
//! at the end. Reading: [`Reader`] decodes, [`read_metadata`] gives the request back, [`check`] looks at a result.

mod check;
mod color;
mod fault;
mod gif;
mod gif_blocks;
mod h264;
mod metadata;
mod mp4_demux;
mod mp4_mux;
mod mp4_reader;
mod picture;
mod png;
mod reader;
mod recorder;
mod staged;
mod target;
mod writer;

pub use check::{Expected, check};
pub use color::{ColorSpace, Matrix, Range, Yuv420};
pub use metadata::{Metadata, read_metadata};
pub use picture::{Fit, Picture, is_picture, picture_size};
pub use reader::{Reader, VideoInfo};
pub use recorder::Recorder;
pub use staged::{Placing, Ready, complete_placing, discard};
pub use target::{Existing, Format, Target};
pub use writer::Writer;
