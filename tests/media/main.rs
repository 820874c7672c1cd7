//! Videos and images as files.

mod round_trip;
mod with_ffmpeg;
