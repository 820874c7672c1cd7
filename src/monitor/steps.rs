//! Statistics of a job's step times, and outliers among them.

use std::fmt;

use super::range::{TimeRange, in_range};
use super::sample::Sample;
use super::slow::{SlowCause, cause};
use super::track::{JobTrack, StepSpan};
use crate::core::{Secs, Stage};

/// Ratio to the median from which on a step is an outlier.
const OUTLIER: f64 = 1.5;
/// Seconds over the median below which a step is no outlier.
const NOTABLE: f64 = 0.1;
/// Number of steps from which on outliers are reported.
const FEWEST: usize = 3;

/// A step that took much longer than the others.
#[derive(Clone, Debug, PartialEq)]
pub struct StepOutlier {
    /// Number of the step among the denoising steps of the job, from 1.
    pub number: usize,
    /// When it ended.
    pub ended: Secs,
    /// Its duration divided by the median.
    pub ratio: f64,
    /// The cause, if the measurements during the step show one.
    pub cause: Option<SlowCause>,
}

impl fmt::Display for StepOutlier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Step {} took {:.1} x the median", self.number, self.ratio)?;
        self.cause.map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

/// Statistics of the durations of denoising steps.
#[derive(Clone, Debug, PartialEq)]
pub struct StepStatistics {
    /// 25th percentile.
    pub lower_quartile: Secs,
    /// Median.
    pub median: Secs,
    /// 75th percentile.
    pub upper_quartile: Secs,
    /// Minimum.
    pub min: Secs,
    /// Maximum.
    pub max: Secs,
    /// Outliers, in order.
    pub outliers: Vec<StepOutlier>,
}

/// Whether steps of `stage` are denoising steps.
pub(super) fn denoises(stage: Stage) -> bool {
    matches!(stage, Stage::DenoiseHigh | Stage::DenoiseLow)
}

impl StepStatistics {
    /// Statistics of the denoising steps of `job`; `None` if it has none yet.
    pub fn of<S: AsRef<Sample>>(job: &JobTrack, samples: &[S]) -> Option<Self> {
        let steps: Vec<_> = job.steps.iter().filter(|step| denoises(step.stage)).collect();
        let mut sorted: Vec<_> = steps.iter().map(|step| step.seconds.0).collect();
        sorted.sort_by(f64::total_cmp);
        let median = quantile(&sorted, 0.5)?;
        let outlier = |(index, step): (usize, &&StepSpan)| {
            let ratio = step.seconds.0 / median;
            let is_notable = step.seconds.0 - median >= NOTABLE;
            let found = sorted.len() >= FEWEST && ratio >= OUTLIER && is_notable;
            found.then(|| StepOutlier {
                number: index + 1,
                ended: step.ended,
                ratio,
                cause: explained(step, samples),
            })
        };
        Some(Self {
            lower_quartile: Secs(quantile(&sorted, 0.25)?),
            median: Secs(median),
            upper_quartile: Secs(quantile(&sorted, 0.75)?),
            min: Secs(*sorted.first()?),
            max: Secs(*sorted.last()?),
            outliers: steps.iter().enumerate().filter_map(outlier).collect(),
        })
    }
}

/// The most frequent cause among the samples of a step.
fn explained<S: AsRef<Sample>>(step: &StepSpan, samples: &[S]) -> Option<SlowCause> {
    let range = TimeRange { from: Secs(step.ended.0 - step.seconds.0), to: step.ended };
    let mut causes: Vec<_> =
        in_range(samples, range).iter().filter_map(|sample| cause(sample.as_ref(), step.stage)).collect();
    causes.sort_unstable();
    causes.chunk_by(|a, b| a == b).max_by_key(|same| same.len()).and_then(|same| same.first().copied())
}

/// The quantile of `sorted`, interpolated linearly.
fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let place = (sorted.len().checked_sub(1)?) as f64 * part;
    let (below, above) = (sorted.get(place.floor() as usize)?, sorted.get(place.ceil() as usize)?);
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Event;
    use crate::monitor::HostMetric;

    fn job(seconds: &[f64]) -> JobTrack {
        let mut job = JobTrack::new("a", 1, Secs(0.0));
        let stage = Stage::DenoiseHigh;
        let mut at = 0.0;
        job.observe(Secs(0.0), &Event::StageStarted { stage });
        for (index, &seconds) in seconds.iter().enumerate() {
            at += seconds;
            let step = index as u32 + 1;
            job.observe(Secs(at), &Event::Step { stage, step, of: 9, seconds: Secs(seconds) });
        }
        job
    }

    #[test]
    fn an_outlier_is_named_with_its_cause() {
        let job = job(&[2.0, 2.0, 4.2, 2.0, 2.0]);
        let samples: Vec<_> = (1..=12)
            .map(|at| {
                let sample = Sample::new(Secs(f64::from(at)));
                if (5..=7).contains(&at) { sample.with(HostMetric::MajorFaults, 900.0) } else { sample }
            })
            .collect();
        let steps = StepStatistics::of(&job, &samples).unwrap();
        assert_eq!((steps.median, steps.min, steps.max), (Secs(2.0), Secs(2.0), Secs(4.2)));
        let outliers: Vec<_> = steps.outliers.iter().map(ToString::to_string).collect();
        assert_eq!(outliers, ["Step 3 took 2.1 x the median: page faults"]);
    }

    #[test]
    fn two_steps_have_no_outlier_and_none_have_no_numbers() {
        let none: [Sample; 0] = [];
        let short = job(&[0.02, 0.02, 0.07, 0.02]);
        assert_eq!(StepStatistics::of(&short, &none).unwrap().outliers, [], "50 ms are noise");
        assert_eq!(StepStatistics::of(&job(&[1.0, 9.0]), &none).unwrap().outliers, []);
        assert_eq!(StepStatistics::of(&job(&[]), &none), None);
        assert_eq!(StepStatistics::of(&job(&[1.0, 2.0]), &none).unwrap().median, Secs(1.5));
    }
}
