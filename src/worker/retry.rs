//! The retry loop: attempts at a job, with fixes applied between them.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::runner::{JobEnd, Runner, stopped_or_failed, yielded};
use crate::attempt::{AttemptContext, AttemptEnd, JobControl, ResumePoints, YieldReason, attempt};
use crate::core::{Error, Event, Fix, Kind, Result, Stage};
use crate::engine::runtime;
use crate::jobs::ladder::{self, Failed};
use crate::jobs::{self, Job, JobSpec, RetryRecord, RunRecorder};
use crate::models;

impl Runner {
    /// Attempts the job until it ends; a failed attempt is followed by one with fixes applied.
    pub(super) fn attempt_until_end(&mut self, job: &Job, control: &JobControl) -> JobEnd {
        let mut retries = job.retries.clone();
        let mut num_failed = 0;
        loop {
            let error = match self.attempt_once(job, &retries, control) {
                Ok(AttemptEnd::Done(outcome)) => return JobEnd::Done(outcome),
                Ok(AttemptEnd::Yielded) => return yielded(control),
                Err(error) => error,
            };
            let may_succeed_later = ladder::is_retryable(error.kind) || jobs::may_help(error.kind);
            if error.kind == Kind::Cancelled || !may_succeed_later {
                return stopped_or_failed(error, control);
            }
            let stage = self.recorder.stage().unwrap_or(Stage::Preflight);
            let Some(fixes) = next_fixes(job, &retries, &error, stage) else {
                return JobEnd::Failed(error);
            };
            if num_failed == self.options.max_retries {
                // a person can still try what would come next
                let fixes = if error.fixes().is_empty() { fixes } else { error.fixes().to_vec() };
                return JobEnd::Failed(error.with_fixes(fixes));
            }
            let delay = self.options.back_off * 2_u32.saturating_pow(num_failed);
            num_failed += 1;
            let retry = RetryRecord { message: retry_message(&error, stage, &fixes), fixes };
            let message = format!("{}, in {:.0} s", retry.message, delay.as_secs_f64());
            self.shared.send(job.id, Event::Retrying { attempt: num_failed + 1, message });
            if let Err(error) = self.shared.queue().save_retry(job.id, retry.clone()) {
                return stopped_or_failed(error, control);
            }
            retries.push(retry);
            if let Err(error) = control.cancel.check_after(delay) {
                return stopped_or_failed(error, control);
            }
        }
    }

    /// One attempt; a panic becomes an error.
    fn attempt_once(
        &mut self,
        job: &Job,
        retries: &[RetryRecord],
        control: &JobControl,
    ) -> Result<AttemptEnd> {
        let id = job.id;
        let spec = job.spec.with_fixes(retries.iter().flat_map(|retry| &retry.fixes));
        let shared = Arc::clone(&self.shared);
        self.recorder = RunRecorder::default();
        let recorder = &mut self.recorder;
        let mut send = |event: Event| {
            recorder.observe(&event);
            shared.send(id, event);
        };
        let run = || {
            let runtime = match self.runtime.take() {
                Some(runtime) => runtime,
                None => runtime::ensure(&self.data_dir, &control.cancel, &mut |event| {
                    send(Event::Note { message: event.to_string() });
                })?,
            };
            let runtime = self.runtime.insert(runtime);
            let other = spec.latents_of.as_deref();
            let mut resume_points = ResumePoints::of(&self.data_dir, &job.uid, other, &self.options.faults);
            let context = AttemptContext {
                runtime,
                data_dir: self.options.preflight.then_some(self.data_dir.as_path()),
                cache: &mut self.cache,
                sessions: &mut self.sessions,
                control,
                faults: &self.options.faults,
                threads: self.options.threads,
                resume_points: Some(&mut resume_points),
                record_output: &mut |output| self.shared.queue().save_partial_output(id, output),
            };
            attempt(&spec, retries, context, &mut send)
        };
        let end =
            catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Err(error_from_panic(panic.as_ref())));
        self.drop_sessions_after(&end, control);
        end
    }

    /// Drops the loaded sessions after a failure, which may be theirs or lack their memory, and for a pause that frees
    /// the memory.
    fn drop_sessions_after(&mut self, end: &Result<AttemptEnd>, control: &JobControl) {
        let is_freed = match end {
            Ok(AttemptEnd::Done(_)) => false,
            Ok(AttemptEnd::Yielded) => matches!(control.leaving(), Some(YieldReason::Paused)),
            Err(error) => error.kind != Kind::Cancelled,
        };
        if is_freed {
            self.sessions.clear();
        }
    }
}

/// The fixes for the next attempt, by the settings of the failed one; none if nothing is left to try.
fn next_fixes(job: &Job, retries: &[RetryRecord], error: &Error, stage: Stage) -> Option<Vec<Fix>> {
    let tried: Vec<_> = retries.iter().flat_map(|retry| retry.fixes.clone()).collect();
    let JobSpec { draft, model, .. } = &job.spec.with_fixes(&tried);
    let fallback = if jobs::may_help(error.kind) { jobs::next_fallback(&job.spec, &tried) } else { None };
    // the limits of a model that cannot be read are unknown
    let Ok(model) = models::open(model) else { return fallback.map(|fix| vec![fix]) };
    let limits = model.limits();
    let failed = Failed {
        kind: error.kind,
        stage,
        mode: draft.mode_for(&limits).ok()?,
        size_multiple: limits.strides.size_multiple(),
    };
    // free memory and devices change: when nothing is left to fix, waiting may help
    let may_pass = matches!(error.kind, Kind::OutOfMemory | Kind::Device | Kind::Runtime);
    ladder::next(failed, draft, &tried, fallback).or_else(|| may_pass.then(|| vec![Fix::Retry]))
}

fn retry_message(error: &Error, stage: Stage, fixes: &[Fix]) -> String {
    let fixes: Vec<_> = fixes.iter().map(ToString::to_string).collect();
    format!("{stage} failed ({error}): {}", fixes.join(", "))
}

fn error_from_panic(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    let text =
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned());
    Error::new(Kind::Bug, format!("The job stopped because of an error in the program: {text}"))
        .remedy("Please report it; other jobs can still run")
}
