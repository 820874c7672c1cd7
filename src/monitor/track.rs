//! The stages and steps of a job on a clock.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::core::{Bytes, Event, Secs, Stage, StageForecast};

/// A stage with its start and end.
#[derive(Clone, Debug, PartialEq)]
pub struct StageSpan {
    /// The stage.
    pub stage: Stage,
    /// Start time.
    pub began: Secs,
    /// End time; `None` while the stage runs.
    pub ended: Option<Secs>,
}

/// A finished step of a stage.
#[derive(Clone, Debug, PartialEq)]
pub struct StepSpan {
    /// The stage of the step.
    pub stage: Stage,
    /// Number of the step in its stage, from 1.
    pub step: u32,
    /// Number of steps in the stage.
    pub of: u32,
    /// End time.
    pub ended: Secs,
    /// Duration.
    pub seconds: Secs,
}

/// ONNX Runtime's profile of one network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProfileFile {
    /// Name of the network.
    pub network: String,
    /// The file, in Chrome's trace format.
    pub path: PathBuf,
    /// When its clock started.
    pub began: Secs,
}

/// Stages and steps of one job on a clock.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobTrack {
    /// Unique identifier of the job.
    pub uid: String,
    /// The job's number in the queue.
    pub job: u64,
    /// Start time of the recording.
    pub began: Secs,
    /// Time at which the job ended or was paused; `None` while it runs.
    pub ended: Option<Secs>,
    /// The stages in order; each attempt adds its own.
    pub stages: Vec<StageSpan>,
    /// The steps in order.
    pub steps: Vec<StepSpan>,
    /// Peak memory that the preflight estimated.
    pub forecast: Option<Bytes>,
    /// What the preflight expected of each stage.
    pub stage_forecasts: Vec<StageForecast>,
    /// ONNX Runtime's profiles, if the job was profiled.
    pub profiles: Vec<ProfileFile>,
}

impl JobTrack {
    /// The track of a job that starts at `began`.
    pub fn new(uid: impl Into<String>, job: u64, began: Secs) -> Self {
        Self { uid: uid.into(), job, began, ..Self::default() }
    }

    /// Whether the job denoises with a high-noise and a low-noise expert, as far as it is known by now.
    pub fn has_two_experts(&self) -> bool {
        let expected = self.stage_forecasts.iter().map(|forecast| forecast.stage);
        expected.chain(self.stages.iter().map(|span| span.stage)).any(|stage| stage == Stage::DenoiseLow)
    }

    /// Whether the memory that the preflight expected of the stages is that of a device.
    pub fn is_forecast_on_device(&self) -> bool {
        self.forecast.is_none() && self.stage_forecasts.iter().any(|stage| stage.memory.is_some())
    }

    /// Adds an event that occurred at `at`.
    pub fn observe(&mut self, at: Secs, event: &Event) {
        match event {
            &Event::StageStarted { stage } => {
                self.close_stages(at);
                self.stages.push(StageSpan { stage, began: at, ended: None });
            }
            &Event::Step { stage, step, of, seconds } => {
                self.steps.push(StepSpan { stage, step, of, ended: at, seconds });
            }
            Event::Preflight { peak_mb, stages, .. } => {
                self.forecast = peak_mb.map(|mebibytes| Bytes((mebibytes * f64::from(1 << 20)) as u64));
                self.stage_forecasts.clone_from(stages);
            }
            Event::Profiled { network, path, seconds } => self.profiles.push(ProfileFile {
                network: network.clone(),
                path: path.clone(),
                began: Secs(at.0 - seconds.0),
            }),
            Event::StageFinished { .. } | Event::Retrying { .. } => self.close_stages(at),
            Event::Interrupted { .. } | Event::Finished { .. } | Event::Failed { .. } | Event::Cancelled => {
                self.end(at);
            }
            Event::Started { .. }
            | Event::RunsOn { .. }
            | Event::Resumed { .. }
            | Event::Preview { .. }
            | Event::Note { .. }
            | Event::BuildingEngine { .. }
            | Event::Warning { .. } => {}
        }
    }

    /// Ends the job and its running stages.
    pub fn end(&mut self, at: Secs) {
        self.close_stages(at);
        self.ended = self.ended.or(Some(at));
    }

    fn close_stages(&mut self, at: Secs) {
        for span in &mut self.stages {
            span.ended = span.ended.or(Some(at));
        }
    }

    /// The stage that ran at `at`.
    pub fn stage_at(&self, at: Secs) -> Option<&StageSpan> {
        self.stages.iter().rev().find(|span| span.began <= at && span.ended.is_none_or(|ended| at <= ended))
    }

    /// What the preflight expected of `stage`.
    pub fn forecast_of(&self, stage: Stage) -> Option<&StageForecast> {
        self.stage_forecasts.iter().find(|forecast| forecast.stage == stage)
    }

    /// The step that ran at `at`.
    pub fn step_at(&self, at: Secs) -> Option<&StepSpan> {
        self.steps.iter().find(|span| span.ended.0 - span.seconds.0 <= at.0 && at <= span.ended)
    }

    /// The same track `by` seconds earlier.
    #[must_use]
    pub fn shifted(&self, by: Secs) -> Self {
        let earlier = |at: Secs| Secs(at.0 - by.0);
        let stages = self.stages.iter().map(|span| StageSpan {
            began: earlier(span.began),
            ended: span.ended.map(earlier),
            ..span.clone()
        });
        let steps = self.steps.iter().map(|span| StepSpan { ended: earlier(span.ended), ..span.clone() });
        let profiles = self.profiles.iter();
        let profiles = profiles.map(|file| ProfileFile { began: earlier(file.began), ..file.clone() });
        Self {
            began: earlier(self.began),
            ended: self.ended.map(earlier),
            stages: stages.collect(),
            steps: steps.collect(),
            profiles: profiles.collect(),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_become_stages_and_steps() {
        let mut track = JobTrack::new("a", 1, Secs(0.5));
        let stage = Stage::DenoiseHigh;
        track.observe(Secs(1.0), &Event::StageStarted { stage });
        track.observe(Secs(3.0), &Event::Step { stage, step: 1, of: 2, seconds: Secs(1.5) });
        assert_eq!(track.stage_at(Secs(9.0)).unwrap().stage, stage, "it still runs");
        track.observe(Secs(4.0), &Event::StageFinished { stage, seconds: Secs(3.0) });
        track.observe(Secs(5.0), &Event::StageStarted { stage: Stage::Decode });
        track.observe(Secs(6.0), &Event::Cancelled);
        assert_eq!(track.stages[0].ended, Some(Secs(4.0)));
        assert_eq!((track.stages[1].ended, track.ended), (Some(Secs(6.0)), Some(Secs(6.0))));
        assert!(track.stage_at(Secs(4.5)).is_none());
        assert_eq!(track.step_at(Secs(2.0)).unwrap().step, 1);
        assert!(track.step_at(Secs(1.2)).is_none());
        let shifted = track.shifted(Secs(0.5));
        assert_eq!((shifted.began, shifted.stages[1].began), (Secs(0.0), Secs(4.5)));
    }

    #[test]
    fn device_and_main_memory_have_forecasts_of_their_own() {
        let stage = StageForecast {
            stage: Stage::Decode,
            operations: None,
            seconds: None,
            seconds_range: None,
            memory: Some(Bytes(5)),
        };
        let preflight = |peak_mb| Event::Preflight {
            findings: Vec::new(),
            seconds: None,
            durations: Vec::new(),
            peak_mb,
            stages: vec![stage],
        };
        for (peak_mb, is_on_device) in [(Some(1.0), false), (None, true)] {
            let mut track = JobTrack::new("a", 1, Secs(0.0));
            assert!(!track.is_forecast_on_device());
            track.observe(Secs(0.0), &preflight(peak_mb));
            assert_eq!(track.is_forecast_on_device(), is_on_device);
        }
    }

    #[test]
    fn a_failed_attempt_ends_its_stage() {
        let mut track = JobTrack::new("a", 1, Secs(0.0));
        track.observe(Secs(1.0), &Event::StageStarted { stage: Stage::Decode });
        track.observe(
            Secs(2.0),
            &Event::Retrying { attempt: 2, of: 4, delay: Secs(2.0), message: String::new() },
        );
        assert_eq!((track.stages[0].ended, track.ended), (Some(Secs(2.0)), None));
    }
}
