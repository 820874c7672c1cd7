//! The record of an ended job.

use super::state::Entry;
use crate::core::{Error, Fault, Kind, Outcome, Task, TaskStatus, Utc};

/// The record of `entry`, which began at `started` and ended now.
pub(super) fn ended(entry: &Entry, started: Option<Utc>, result: Result<&Outcome, &Error>) -> Task {
    let job = &entry.job;
    let draft = &job.work.draft;
    let asked = Task {
        id: job.uid.clone(),
        job: job.id.0,
        created: job.created,
        started,
        ended: Utc::now(),
        prompt: draft.prompt.clone(),
        mode: draft.mode,
        model: draft.model.clone(),
        request: serde_json::to_value(draft).unwrap_or_default(),
        retries: entry.retries.len() as u32,
        story: entry.retries.iter().map(|retry| retry.told.clone()).collect(),
        ..Task::default()
    };
    match result {
        Ok(outcome) => Task {
            status: TaskStatus::Done,
            mode: Some(outcome.request.mode),
            model_fingerprint: Some(outcome.model_fingerprint.clone()),
            output: Some(outcome.output.clone()),
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
        Err(error) if error.kind == Kind::Cancelled => Task { status: TaskStatus::Cancelled, ..asked },
        Err(error) => Task { status: TaskStatus::Failed, error: Some(Fault::from(error)), ..asked },
    }
}
