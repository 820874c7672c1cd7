//! The measurements of one job.

use std::sync::Arc;

use super::sample::{Machine, Sample};
use super::sample_log::downsampled;
use super::track::JobTrack;
use crate::core::{Secs, Utc};

/// Largest number of samples in a job's timeline.
pub const MAX_SAMPLES: usize = 600;

/// The stages, steps and samples of one job, on a clock that starts at 0 with the job.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// Date and time at which the job started.
    pub started: Utc,
    /// Its stages and steps; it starts at 0 s.
    pub track: JobTrack,
    /// The machine it ran on.
    pub machine: Machine,
    /// The samples, oldest first.
    pub samples: Vec<Sample>,
}

impl Timeline {
    /// The samples that were taken during `track`, on a clock that starts with the job.
    pub fn cut(track: &JobTrack, machine: &Machine, samples: &[Arc<Sample>]) -> Self {
        let began = track.began;
        let lasted = track.ended.map_or_else(
            || samples.last().map_or(0.0, |sample| sample.at.0 - began.0),
            |ended| ended.0 - began.0,
        );
        let own: Vec<_> = samples
            .iter()
            .filter(|sample| sample.at >= began && sample.at.0 <= began.0 + lasted)
            .cloned()
            .collect();
        let mut samples = downsampled(&own, MAX_SAMPLES);
        for sample in &mut samples {
            sample.at = Secs(sample.at.0 - began.0);
        }
        Self {
            started: Utc(Utc::now().0 - lasted as i64),
            track: track.shifted(began),
            machine: machine.clone(),
            samples,
        }
    }

    /// Appends this part of a job to an earlier part, without the pause between them.
    #[must_use]
    pub fn after(self, earlier: Self) -> Self {
        let offset = earlier.duration();
        let track = self.track.shifted(Secs(-offset.0));
        let later = self.samples.into_iter().map(|mut sample| {
            sample.at = Secs(sample.at.0 + offset.0);
            Arc::new(sample)
        });
        let samples: Vec<_> = earlier.samples.into_iter().map(Arc::new).chain(later).collect();
        let stages = earlier.track.stages.into_iter().chain(track.stages).collect();
        let profiles = earlier.track.profiles.into_iter().chain(track.profiles).collect();
        let steps = earlier.track.steps.into_iter().chain(track.steps).collect();
        let forecast = track.forecast.or(earlier.track.forecast);
        let stage_forecasts = if track.stage_forecasts.is_empty() {
            earlier.track.stage_forecasts
        } else {
            track.stage_forecasts.clone()
        };
        Self {
            started: earlier.started,
            track: JobTrack { began: Secs(0.0), stages, steps, forecast, stage_forecasts, profiles, ..track },
            machine: self.machine,
            samples: downsampled(&samples, MAX_SAMPLES),
        }
    }

    /// Duration of the job.
    pub fn duration(&self) -> Secs {
        let last_step = self.track.steps.last().map_or(0.0, |step| step.ended.0);
        let last_sample = self.samples.last().map_or(0.0, |sample| sample.at.0);
        self.track.ended.unwrap_or_else(|| Secs(last_step.max(last_sample)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Event, Stage};

    #[test]
    fn a_resumed_job_has_one_timeline() {
        let part = |stage, seconds: u32| {
            let mut track = JobTrack::new("a", 1, Secs(0.0));
            track.observe(Secs(0.0), &Event::StageStarted { stage });
            track.end(Secs(f64::from(seconds)));
            let samples = (0..=seconds).map(|at| Sample::new(Secs(f64::from(at)))).collect();
            Timeline { track, samples, ..Timeline::default() }
        };
        let whole = part(Stage::Decode, 5).after(part(Stage::Text, 3));
        assert_eq!((whole.track.began, whole.duration()), (Secs(0.0), Secs(8.0)));
        let began: Vec<_> = whole.track.stages.iter().map(|span| (span.stage, span.began.0)).collect();
        assert_eq!(began, [(Stage::Text, 0.0), (Stage::Decode, 3.0)]);
        assert_eq!((whole.samples.len(), whole.samples[9].at), (10, Secs(8.0)));
    }

    #[test]
    fn a_timeline_has_only_the_samples_of_its_job() {
        let samples: Vec<_> = (0..100).map(|at| Arc::new(Sample::new(Secs(f64::from(at))))).collect();
        let mut track = JobTrack::new("a", 1, Secs(10.0));
        track.end(Secs(20.0));
        let timeline = Timeline::cut(&track, &Machine::default(), &samples);
        assert_eq!(timeline.samples.len(), 11);
        assert_eq!((timeline.samples[0].at, timeline.duration()), (Secs(0.0), Secs(10.0)));
    }
}
