//! Comparison of finished videos: settings that differ, times, and the difference to a reference in numbers.
//!
//! [`ComparedVideo`] finds a video by its path or its id in the history, [`measure`] reads the frames, and [`Votes`] keeps
//! what people preferred in blind comparisons. It draws nothing and changes no video.

mod align;
mod document;
mod full_run;
mod measure;
mod pairs;
mod ranking;
mod rows;
mod settings;
mod video;
mod votes;

pub use align::Alignment;
pub use document::ComparisonDocument;
pub use full_run::{FullRunDifference, difference_to_full_run};
pub use measure::{Measurements, measure};
pub use pairs::next_pair;
pub use ranking::{RankedItem, ranking};
pub use rows::{ComparisonRow, comparison_rows};
pub use settings::{SettingRow, differing_settings};
pub use video::ComparedVideo;
pub use votes::{Vote, Votes};
