//! The samples of a session in bounded memory: recent ones unchanged, older ones down-sampled.

use std::collections::VecDeque;
use std::sync::Arc;

use super::sample::Sample;

/// Samples that are kept unchanged: ten minutes at four per second.
const RECENT: usize = 2400;
/// Limit of down-sampled older samples.
const OLDER: usize = 2400;

/// The samples since the start, older ones down-sampled.
#[derive(Debug, Default)]
pub(super) struct SampleLog {
    recent: VecDeque<Arc<Sample>>,
    older: Vec<Arc<Sample>>,
    /// Number of measured samples in each older sample.
    stride: usize,
    /// Fewer than `stride` samples that will be merged into the next older one.
    leaving: Vec<Arc<Sample>>,
}

impl SampleLog {
    /// Adds the newest sample.
    pub(super) fn push(&mut self, sample: Sample) {
        self.recent.push_back(Arc::new(sample));
        if self.recent.len() <= RECENT {
            return;
        }
        self.leaving.extend(self.recent.pop_front());
        if self.leaving.len() < self.stride.max(1) {
            return;
        }
        self.older.extend(Sample::merged(&self.leaving).map(Arc::new));
        self.leaving.clear();
        if self.older.len() >= OLDER {
            self.older = self.older.chunks(2).filter_map(Sample::merged).map(Arc::new).collect();
            self.stride = self.stride.max(1) * 2;
        }
    }

    /// All samples, oldest first.
    pub(super) fn all(&self) -> Arc<[Arc<Sample>]> {
        self.older.iter().chain(&self.leaving).chain(&self.recent).cloned().collect()
    }
}

/// Merges adjacent samples so that at most `most` remain.
pub fn downsampled(samples: &[Arc<Sample>], most: usize) -> Vec<Sample> {
    let chunk = samples.len().div_ceil(most.max(1)).max(1);
    samples.chunks(chunk).filter_map(Sample::merged).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Secs;
    use crate::monitor::HostMetric;

    #[test]
    fn a_day_stays_in_bounds_and_loses_no_peak() {
        let mut log = SampleLog::default();
        for second in 0..86_400 {
            let memory = if second == 5000 { 99.0 } else { 1.0 };
            log.push(Sample::new(Secs(f64::from(second))).with(HostMetric::ProcessMemory, memory));
        }
        let all = log.all();
        assert!(all.len() <= RECENT + OLDER + log.stride, "{}", all.len());
        assert!(all.windows(2).all(|pair| pair[0].at < pair[1].at), "in order");
        assert_eq!(all.last().unwrap().at, Secs(86_399.0));
        assert!(all[0].at.0 < 60.0, "the beginning is there");
        let peak = all.iter().filter_map(|sample| sample.host(HostMetric::ProcessMemory)).reduce(f64::max);
        assert_eq!(peak, Some(99.0));
    }

    #[test]
    fn few_samples_stay_as_they_are() {
        let samples: Vec<_> = (0..5).map(|at| Arc::new(Sample::new(Secs(f64::from(at))))).collect();
        assert_eq!(downsampled(&samples, 5).len(), 5);
        assert_eq!(downsampled(&samples, 2).len(), 2);
        assert_eq!(downsampled(&[], 2).len(), 0);
    }
}
