//! The recorder: the only place that turns the events of a job into progress and its history entry.

use std::time::Instant;

use super::history_entry::{EndStatus, FailureRecord, HistoryEntry};
use super::job::Job;
use crate::core::{Error, Event, Finding, Kind, Mode, Outcome, Progress, Secs, Stage, StageTime, Utc};
use crate::monitor::peak_resident;

/// Collects the events of a job's current attempt.
#[derive(Clone, Debug, Default)]
pub struct RunRecorder {
    progress: Progress,
    stage: Option<Stage>,
    /// When the attempt began, and the stage that runs.
    began: Option<Instant>,
    stage_began: Option<(Stage, Instant)>,
    runs_on: Option<RunsOn>,
    stages: Vec<StageTime>,
    steps: Vec<Secs>,
    warnings: Vec<String>,
    findings: Vec<Finding>,
    estimated_s: Option<Secs>,
    estimated_peak_mb: Option<f64>,
}

/// What ran an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RunsOn {
    model: String,
    model_fingerprint: String,
    mode: Mode,
    provider: String,
    precision: String,
}

impl RunRecorder {
    /// Takes in an event. `Started` begins a new attempt.
    pub fn observe(&mut self, event: &Event) {
        self.progress.observe(event);
        match event {
            Event::Started { .. } => {
                *self = Self { progress: std::mem::take(&mut self.progress), ..Self::default() };
                self.began = Some(Instant::now());
            }
            Event::RunsOn { model, model_fingerprint, mode, provider, precision } => {
                self.runs_on = Some(RunsOn {
                    model: model.clone(),
                    model_fingerprint: model_fingerprint.clone(),
                    mode: *mode,
                    provider: provider.clone(),
                    precision: precision.clone(),
                });
            }
            Event::StageStarted { stage } => {
                self.stage = Some(*stage);
                self.stage_began = Some((*stage, Instant::now()));
            }
            Event::Step { stage: Stage::DenoiseHigh | Stage::DenoiseLow, seconds, .. } => {
                self.steps.push(*seconds);
            }
            &Event::StageFinished { stage: name, seconds } => {
                self.stage_began = None;
                self.stages.push(StageTime { name, seconds });
            }
            Event::Warning { message } => self.warnings.push(message.clone()),
            Event::Preflight { findings, seconds, peak_mb, .. } => {
                self.findings.clone_from(findings);
                (self.estimated_s, self.estimated_peak_mb) = (*seconds, *peak_mb);
            }
            _ => {}
        }
    }

    /// How far the job is.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The last stage that started in this attempt.
    pub(crate) fn stage(&self) -> Option<Stage> {
        self.stage
    }

    /// The history entry of `job`, which started at `started` and ends now with `result`.
    ///
    /// The details of a finished job come from its outcome, those of another one from the events of its last attempt.
    pub(crate) fn history_entry(
        &self,
        job: &Job,
        started: Option<Utc>,
        result: Result<&Outcome, &Error>,
    ) -> HistoryEntry {
        let draft = &job.spec.draft;
        let asked = HistoryEntry {
            id: job.uid.clone(),
            job: job.id.0,
            created: job.created,
            started,
            ended: Utc::now(),
            prompt: draft.prompt.clone(),
            mode: draft.mode,
            model: job.spec.model_name(),
            request: serde_json::to_value(draft).unwrap_or_default(),
            retries: job.retries.len() as u32,
            retry_messages: job.retries.iter().map(|retry| retry.message.clone()).collect(),
            findings: self.findings.clone(),
            estimated_s: self.estimated_s,
            estimated_peak_mb: self.estimated_peak_mb,
            group: job.spec.group.clone(),
            ..HistoryEntry::default()
        };
        // after a fallback, the model that ran is another one than was asked for
        let asked = match &self.runs_on {
            None => asked,
            Some(ran) => HistoryEntry {
                model: ran.model.clone(),
                model_fingerprint: Some(ran.model_fingerprint.clone()),
                mode: Some(ran.mode),
                provider: Some(ran.provider.clone()),
                precision: Some(ran.precision.clone()),
                ..asked
            },
        };
        match result {
            Ok(outcome) => with_outcome(asked, outcome),
            // a job that never started has used nothing
            Err(error) if started.is_none() => asked.with_error(error),
            Err(error) => HistoryEntry {
                stages: self.stages_so_far(),
                steps: self.steps.clone(),
                generation_time_s: self.began.map(|began| Secs::from(began.elapsed())),
                warnings: self.warnings.clone(),
                peak_rss_mb: peak_resident().map(|bytes| bytes.0 as f64 / f64::from(1 << 20)),
                ..asked
            }
            .with_error(error),
        }
    }
}

impl RunRecorder {
    /// The finished stages, and the time that was spent in the one that runs.
    fn stages_so_far(&self) -> Vec<StageTime> {
        let running =
            self.stage_began.map(|(name, began)| StageTime { name, seconds: Secs::from(began.elapsed()) });
        self.stages.iter().copied().chain(running).collect()
    }
}

impl HistoryEntry {
    fn with_error(self, error: &Error) -> Self {
        if error.kind == Kind::Cancelled {
            return Self { status: EndStatus::Cancelled, ..self };
        }
        Self { status: EndStatus::Failed, error: Some(FailureRecord::from(error)), ..self }
    }
}

fn with_outcome(asked: HistoryEntry, outcome: &Outcome) -> HistoryEntry {
    HistoryEntry {
        status: EndStatus::Done,
        mode: Some(outcome.request.mode),
        model_fingerprint: Some(outcome.model_fingerprint.clone()),
        // the request that ran says more than the draft, and reads as a draft, too
        request: serde_json::to_value(&outcome.request).unwrap_or_default(),
        // the history is read from other working folders
        output: Some(std::path::absolute(&outcome.output).unwrap_or_else(|_| outcome.output.clone())),
        generation_time_s: Some(outcome.generation_time_s),
        stages: outcome.stages.clone(),
        steps: outcome.steps.clone(),
        step_cache: outcome.step_cache.clone(),
        peak_rss_mb: outcome.peak_rss_mb,
        peak_vram_mb: outcome.peak_vram_mb,
        provider: Some(outcome.provider.clone()),
        precision: Some(outcome.precision.clone()),
        optimizations: outcome.optimizations.clone(),
        warnings: outcome.warnings.clone(),
        checks: outcome.checks.clone(),
        ..asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Seed;
    use crate::core::testing::draft;
    use crate::jobs::{JobId, JobSpec};

    #[test]
    fn a_failed_job_keeps_what_ran_it_and_how_far_it_came() {
        let mut recorder = RunRecorder::default();
        let plan = vec![(Stage::Text, 1), (Stage::DenoiseHigh, 2)];
        let seconds = Secs(2.0);
        for event in [
            Event::Started { seed: Seed(1), plan },
            Event::RunsOn {
                model: "the-fallback".to_owned(),
                model_fingerprint: "f".to_owned(),
                mode: Mode::T2V,
                provider: "cpu".to_owned(),
                precision: "int8".to_owned(),
            },
            Event::StageStarted { stage: Stage::Text },
            Event::StageFinished { stage: Stage::Text, seconds },
            Event::StageStarted { stage: Stage::DenoiseHigh },
            Event::Step { stage: Stage::DenoiseHigh, step: 1, of: 2, seconds },
        ] {
            recorder.observe(&event);
        }
        let job =
            Job::new(JobId(1), "u".to_owned(), JobSpec::new(draft(), "/models/asked".into(), "o.mp4".into()));
        for error in [Error::new(Kind::OutOfMemory, "full"), Error::cancelled()] {
            let entry = recorder.history_entry(&job, Some(Utc(1)), Err(&error));
            assert_eq!((entry.model.as_str(), entry.provider.as_deref()), ("the-fallback", Some("cpu")));
            assert_eq!((entry.precision.as_deref(), entry.mode), (Some("int8"), Some(Mode::T2V)));
            let stages: Vec<_> = entry.stages.iter().map(|stage| stage.name).collect();
            assert_eq!(stages, [Stage::Text, Stage::DenoiseHigh], "the running stage counts, too");
            assert_eq!(entry.steps, [seconds]);
            assert!(entry.generation_time_s.is_some());
        }
    }
}
