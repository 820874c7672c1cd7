//! The decoder's thread, the clock of playing, the live preview's loop.

pub(in crate::app) mod playback;
#[expect(clippy::module_inception, reason = "the folder is the service, the file its main type")]
pub(in crate::app) mod player;
pub(in crate::app) mod reel;
