//! Videos and images as files.

mod other_programs;
mod round_trip;
mod with_ffmpeg;
