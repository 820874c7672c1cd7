//! The player without its panel: decoder thread, playback clock, live preview.

pub(in crate::app) mod cached_clip;
mod decoder;
mod frame_cache;
pub(in crate::app) mod playback;
#[expect(clippy::module_inception, reason = "the folder is the service, the file its main type")]
pub(in crate::app) mod player;
pub(in crate::app) mod reel;
mod route;
pub(in crate::app) mod saved_frame;
