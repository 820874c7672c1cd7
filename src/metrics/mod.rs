//! Numbers about videos: the difference of two, frame by frame, and properties of one.
//!
//! A difference is always one to a reference, never a quality: two good videos of one prompt differ, too. This module
//! knows frames only, neither files nor settings.

mod clip;
mod difference;
mod luma;
mod metric;
mod ssim;
mod summary;

pub use clip::{ClipCurves, ClipMeter};
pub use difference::{DifferenceCurves, FrameDifference, frame_difference, psnr};
pub use metric::{ClipMetric, DifferenceMetric};
pub use summary::mean_of;
