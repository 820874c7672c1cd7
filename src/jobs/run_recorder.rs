//! The record of an ended job.

use super::history_entry::{EndStatus, FailureRecord, HistoryEntry};
use super::job::JobEntry;
use crate::core::{Error, Event, Finding, Kind, Outcome, Secs, Stage, StageTime, Utc};
use crate::monitor::peak_resident;

/// What an attempt told before it ended, for the record of one that made no video.
#[derive(Debug, Default)]
pub(crate) struct RunRecorder {
    stages: Vec<StageTime>,
    steps: Vec<Secs>,
    warnings: Vec<String>,
    findings: Vec<Finding>,
    estimated_s: Option<Secs>,
    estimated_peak_mb: Option<f64>,
}

impl RunRecorder {
    /// Takes in what happened.
    pub(crate) fn observe(&mut self, event: &Event) {
        match event {
            Event::Step { stage: Stage::DenoiseHigh | Stage::DenoiseLow, seconds, .. } => {
                self.steps.push(*seconds);
            }
            &Event::StageFinished { stage: name, seconds } => self.stages.push(StageTime { name, seconds }),
            Event::Warning { message } => self.warnings.push(message.clone()),
            Event::Preflight { findings, seconds, peak_mb } => {
                self.findings.clone_from(findings);
                (self.estimated_s, self.estimated_peak_mb) = (*seconds, *peak_mb);
            }
            _ => {}
        }
    }

    /// `task` with what was expected of it.
    pub(crate) fn expected(&self, task: HistoryEntry) -> HistoryEntry {
        HistoryEntry {
            findings: self.findings.clone(),
            estimated_s: self.estimated_s,
            estimated_peak_mb: self.estimated_peak_mb,
            ..task
        }
    }

    /// `task` with what its last attempt did and needed.
    pub(crate) fn fill(&self, task: HistoryEntry) -> HistoryEntry {
        HistoryEntry {
            stages: self.stages.clone(),
            steps: self.steps.clone(),
            warnings: self.warnings.clone(),
            peak_rss_mb: peak_resident().map(|bytes| bytes.0 as f64 / f64::from(1 << 20)),
            ..task
        }
    }
}

/// The record of `entry`, which began at `started` and ended now.
pub(crate) fn ended(
    entry: &JobEntry,
    started: Option<Utc>,
    result: Result<&Outcome, &Error>,
) -> HistoryEntry {
    let job = &entry.job;
    let draft = &job.work.draft;
    let asked = HistoryEntry {
        id: job.uid.clone(),
        job: job.id.0,
        created: job.created,
        started,
        ended: Utc::now(),
        prompt: draft.prompt.clone(),
        mode: draft.mode,
        // the id, where the form may name a folder
        model: job.work.model.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        request: serde_json::to_value(draft).unwrap_or_default(),
        retries: entry.retries.len() as u32,
        story: entry.retries.iter().map(|retry| retry.told.clone()).collect(),
        ..HistoryEntry::default()
    };
    match result {
        Ok(outcome) => HistoryEntry {
            status: EndStatus::Done,
            mode: Some(outcome.request.mode),
            model_fingerprint: Some(outcome.model_fingerprint.clone()),
            // what ran says more than what was asked, and reads as a form, too
            request: serde_json::to_value(&outcome.request).unwrap_or_default(),
            // the history is looked at from elsewhere
            output: Some(std::path::absolute(&outcome.output).unwrap_or_else(|_| outcome.output.clone())),
            generation_time_s: Some(outcome.generation_time_s),
            stages: outcome.stages.clone(),
            steps: outcome.steps.clone(),
            peak_rss_mb: outcome.peak_rss_mb,
            peak_vram_mb: outcome.peak_vram_mb,
            provider: Some(outcome.provider.clone()),
            precision: Some(outcome.precision.clone()),
            optimizations: outcome.optimizations.clone(),
            warnings: outcome.warnings.clone(),
            ..asked
        },
        Err(error) if error.kind == Kind::Cancelled => HistoryEntry { status: EndStatus::Cancelled, ..asked },
        Err(error) => {
            HistoryEntry { status: EndStatus::Failed, error: Some(FailureRecord::from(error)), ..asked }
        }
    }
}
