//! The comparison of videos without its panel: decoded frames in sync, measurements, blind comparisons.

mod blind;
mod clock;
#[expect(clippy::module_inception, reason = "the folder is the service, the file its main type")]
pub(in crate::app) mod comparison;
mod frames;
