//! The difference of a finished cell to another one.

use crate::compare::{ComparedVideo, measure};
use crate::core::{CancelToken, Result};
use crate::jobs::HistoryEntry;
use crate::metrics::DifferenceMetric;

/// The difference of a video to a reference in each metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CellDifference {
    /// In the order of [`DifferenceMetric::ALL`].
    values: [Option<f64>; 4],
}

impl CellDifference {
    /// Measures the video of `cell` against that of `reference`. Decodes both: call it on a background thread.
    pub fn measure(reference: &HistoryEntry, cell: &HistoryEntry) -> Result<Self> {
        let videos = [ComparedVideo::of_entry(reference)?, ComparedVideo::of_entry(cell)?];
        let measured = measure(&videos, &[], &CancelToken::new(), &mut |_| {})?;
        let curves = measured.differences.get(1).and_then(Option::as_ref);
        let value = |metric: DifferenceMetric| {
            let curves = curves?;
            if curves.is_identical() { Some(metric.of_identical()) } else { curves.mean(metric) }
        };
        Ok(Self { values: DifferenceMetric::ALL.map(value) })
    }

    /// The value of a metric; `None` where the videos cannot be compared in it.
    pub fn of(&self, metric: DifferenceMetric) -> Option<f64> {
        let index = DifferenceMetric::ALL.iter().position(|known| *known == metric)?;
        self.values.get(index).copied().flatten()
    }

    /// One with these values, for tests of those who show it.
    #[cfg(test)]
    pub(crate) fn example(values: [Option<f64>; 4]) -> Self {
        Self { values }
    }
}
