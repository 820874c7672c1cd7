//! Video and image files: writing, reading, checking, and the request in their metadata.
//!
//! All file formats, codecs and colour conversions are in this module. It must not know models, queues or screens.
//!
//! Writing: [`OutputTarget`] is the destination, [`VideoSink`] (a thread) or [`Writer`] receives the frames, and
//! [`Metadata`] is added at the end. Reading: [`Reader`] decodes, [`read_metadata`] returns the request, and [`check`]
//! checks a finished file.

mod check;
mod color;
mod display;
mod fault;
mod foreign;
mod gif;
mod gif_blocks;
mod h264;
mod jpeg;
mod metadata;
mod mp4_demux;
mod mp4_fragments;
mod mp4_limits;
mod mp4_mux;
mod mp4_reader;
mod mp4_samples;
mod png;
mod reader;
mod recorder;
mod staged;
mod still;
mod target;
mod thumbnail;
mod writer;

pub use check::{ExpectedVideo, check, check_cancellable};
pub use color::{ColorRange, ColorSpace, Matrix, Yuv420};
pub use metadata::{Metadata, read_metadata};
pub use reader::{Reader, VideoInfo};
pub use recorder::VideoSink;
pub use staged::{Rename, StagedVideo, abandon, complete_rename};
pub use still::{ImageFit, KeptPart, SourceImage, image_size, is_image, start_image_size};
pub use target::{Existing, Format, OutputTarget};
pub use thumbnail::{read_image, resized, smaller, thumbnail, write_png, write_rgba_png};
pub use writer::Writer;
