//! Videos and pictures as files: written, read back, checked, and their request kept inside them.
//!
//! The finished file is the record of a job (its request travels in the metadata), so everything about file
//! formats, codecs and colour conversion lives here. It must not know models, queues or screens.
//!
//! Writing: [`OutputTarget`] says where, [`VideoSink`] (a thread) or [`Writer`] takes the frames, [`Metadata`] goes in
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
mod png;
mod reader;
mod recorder;
mod staged;
mod still;
mod target;
mod thumbnail;
mod writer;

pub use check::{ExpectedVideo, check};
pub use color::{ColorRange, ColorSpace, Matrix, Yuv420};
pub use metadata::{Metadata, read_metadata};
pub use reader::{Reader, VideoInfo};
pub use recorder::VideoSink;
pub use staged::{Placing, Ready, complete_placing, discard};
pub use still::{ImageFit, SourceImage, image_size, is_image};
pub use target::{Existing, Format, OutputTarget};
pub use thumbnail::{read_image, thumbnail, write_png};
pub use writer::Writer;
