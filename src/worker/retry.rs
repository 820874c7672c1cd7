//! The retry loop: attempts at a job, with fixes applied between them.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use super::held_device::DeviceWait;
use super::options::WorkerOptions;
use super::runner::{JobEnd, Runner, stopped_or_failed, yielded};
use super::runners::RunnerDevice;
use crate::attempt::{
    AttemptContext, AttemptEnd, JobControl, ResumePoints, SwitchStates, YieldReason, attempt,
};
use crate::core::{DeviceId, Draft, Error, Event, Fix, Kind, ProviderChoice, Result, Secs, Stage};
use crate::engine::{Runtime, runtime};
use crate::jobs::ladder::{self, Failed};
use crate::jobs::{self, Job, RetryRecord, RunRecorder, stage_key};
use crate::library::PerformanceStore;
use crate::plan::{self, JobShortage, RanWith, ran_with};
use crate::queue::DeviceLease;

impl Runner {
    /// Attempts the job until it ends; a failed attempt is followed by one with fixes applied.
    pub(super) fn attempt_until_end(&mut self, job: &Job, control: &JobControl) -> JobEnd {
        let mut retries = job.retries.clone();
        let mut num_failed = 0;
        // the last program was killed in the middle of an attempt, which failed for lack of memory
        let mut killed = job.interruptions.out_of_memory;
        loop {
            let killed = std::mem::take(&mut killed);
            let attempted = if killed {
                self.learn_what_ran(control);
                Err(killed_for_memory())
            } else {
                self.attempt_once(job, &retries, control)
            };
            let error = match attempted {
                Ok(AttemptEnd::Done(outcome)) => return JobEnd::Done(outcome),
                Ok(AttemptEnd::Yielded) => return yielded(control),
                Err(error) => error,
            };
            let may_succeed_later = ladder::is_retryable(error.kind) || jobs::may_help(error.kind);
            // no attempt of this program can succeed after a lost device, but there is something to suggest
            if error.kind == Kind::Cancelled || !(may_succeed_later || error.kind == Kind::DeviceLost) {
                return stopped_or_failed(error, &job.spec, control);
            }
            let stage = if killed { job.interruptions.stage() } else { self.recorder.stage() };
            let stage = stage.unwrap_or(Stage::Preflight);
            let LadderStep { fixes, suggestions, shortage } = self.ladder_step(job, &retries, &error, stage);
            let Some(fixes) = fixes.filter(|_| num_failed < self.options.max_retries) else {
                // the user can still try what no retry may do
                let known = error.fixes().to_vec();
                let error = error.with_fixes(if known.is_empty() { suggestions } else { known });
                return JobEnd::Failed(match shortage {
                    Some(shortage) => shortage.explain(error),
                    None => error,
                });
            };
            let delay = self.options.back_off * 2_u32.saturating_pow(num_failed);
            num_failed += 1;
            let retry = RetryRecord { message: retry_message(&error, stage, &fixes), fixes };
            let message = format!("{}, in {:.0} s", retry.message, delay.as_secs_f64());
            let (attempt, of) = (num_failed + 1, self.options.max_retries + 1);
            let event = Event::Retrying { attempt, of, delay: Secs::from(delay), message };
            self.shared.send(job.id, event);
            if let Err(error) = self.shared.queue().save_retry(job.id, retry.clone()) {
                return stopped_or_failed(error, &job.spec, control);
            }
            retries.push(retry);
            if let Err(error) = control.waiting(|| control.cancel.check_after(delay)) {
                return stopped_or_failed(error, &job.spec, control);
            }
        }
    }

    /// What to change before the next attempt, by the settings of the failed one, and what the user can try after the
    /// last one.
    fn ladder_step(&self, job: &Job, retries: &[RetryRecord], error: &Error, stage: Stage) -> LadderStep {
        let tried: Vec<_> = retries.iter().flat_map(|retry| retry.fixes.clone()).collect();
        let spec = &job.spec.with_fixes(&tried);
        let draft = &spec.draft;
        let fallback = jobs::may_help(error.kind)
            .then(|| jobs::next_fallback(&job.spec, &tried, &self.data_dir))
            .flatten();
        // what a model can do that cannot be read is unknown
        let Ok(model) = spec.open_model(Some(&self.data_dir)) else {
            return LadderStep { fixes: fallback.map(|fix| vec![fix]), ..LadderStep::default() };
        };
        let limits = model.limits();
        let Ok(mode) = draft.mode_for(&limits) else { return LadderStep::default() };
        let ran =
            self.runtime.as_ref().and_then(|runtime| ran_with(runtime, self.ordinal, &model, draft, stage));
        let RanWith { provider, vae_tile, is_packed } = ran.unwrap_or(RanWith::NOTHING);
        let failed = Failed {
            kind: error.kind,
            stage,
            mode,
            strides: limits.strides,
            provider,
            vae_tile,
            is_packed,
            used_cache: self.cache.decided_video(),
            may_use_cpu: self.options.may_use_cpu,
        };
        let shortage = RefCell::new(None);
        let may_fit = |fixes: &[Fix]| {
            let runtime = self.runtime.as_ref();
            let short = runtime.and_then(|runtime| {
                let spec = &spec.with_fixes(fixes);
                plan::shortage(spec, &self.data_dir, runtime, self.ordinal, self.options.limits)
            });
            let may_fit = short.is_none();
            // the first attempt that is not made is the one that changes least
            shortage.borrow_mut().get_or_insert(short);
            may_fit
        };
        // a device may come back, and memory may be free again: when nothing is left to fix, waiting may help
        let may_pass = || match error.kind {
            Kind::OutOfMemory => stage != Stage::Preflight && may_fit(&[]),
            kind => kind == Kind::Device,
        };
        let fixes = ladder::next(failed, draft, &tried, fallback, &may_fit)
            .or_else(|| may_pass().then(|| vec![Fix::Retry]));
        let mut suggestions = ladder::suggestions(failed, draft);
        // what would come next, if no attempt is left for it
        let next = fixes.iter().flatten().filter(|fix| **fix != Fix::Retry && !suggestions.contains(fix));
        suggestions = next.cloned().chain(suggestions.clone()).collect();
        // preflight's error has the figures already
        let explains = fixes.is_none() && stage != Stage::Preflight;
        LadderStep { fixes, suggestions, shortage: shortage.into_inner().flatten().filter(|_| explains) }
    }

    /// Opens ONNX Runtime for a job whose program was killed: what helps depends on what ran it.
    fn learn_what_ran(&mut self, control: &JobControl) {
        if self.runtime.is_none() {
            // if it cannot be opened, the next attempt says why
            self.runtime = open_runtime(&self.data_dir, &self.options, control, &mut |_| {}).ok();
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
        self.cache.begin(retries.iter().any(|retry| retry.fixes.contains(&Fix::WithoutCache)));
        let shared = Arc::clone(&self.shared);
        self.recorder = RunRecorder::default();
        let recorder = &mut self.recorder;
        let mut send = |event: Event| {
            recorder.observe(&event);
            if let Event::StageStarted { stage } = &event {
                shared.queue().note_place(id, &stage_key(*stage));
            }
            shared.send(id, event);
        };
        // a retry leaves everything out that is not its own
        let upcoming = match retries {
            [] => self.shared.queue().upcoming(self.options.scope, &spec),
            _ => Vec::new(),
        };
        let run = || {
            let runtime = match self.runtime.take() {
                Some(runtime) => runtime,
                None => open_runtime(&self.data_dir, &self.options, control, &mut send)?,
            };
            let runtime = self.runtime.insert(runtime);
            if !self.options.has_several() && self.options.devices.is_none() {
                self.ordinal =
                    free_device(&self.data_dir, &spec.draft, self.options.who).unwrap_or(self.ordinal);
            }
            let other = spec.latents_of.as_deref();
            let mut resume_points = ResumePoints::of(&self.data_dir, &job.uid, other, &self.options.faults);
            let wait = DeviceWait {
                data_dir: &self.data_dir,
                shared: &self.shared,
                who: self.options.who,
                job: id,
                control,
            };
            let mut take_devices = |devices: &[DeviceId]| {
                if self.held.take(devices, &wait)? {
                    // others may have taken the job while this program waited, as after a suspension
                    self.shared.queue().check_runs_here(id)?;
                    self.shared.begin(job);
                }
                Ok(())
            };
            let profile = if self.options.profile {
                let folder = PerformanceStore::new(&self.data_dir).profile_folder(&job.uid)?;
                let message =
                    format!("ONNX Runtime profiles this job; the trace will be in {}", folder.display());
                send(Event::Note { message });
                Some(folder)
            } else {
                None
            };
            let context = AttemptContext {
                runtime,
                ordinal: self.ordinal,
                take_devices: &mut take_devices,
                data_dir: self.options.preflight.then_some(self.data_dir.as_path()),
                cache: &mut self.cache,
                sessions: &mut self.sessions,
                control,
                faults: &self.options.faults,
                threads: self.options.threads,
                profile: profile.as_deref(),
                limits: self.options.limits,
                resume_points: Some(&mut resume_points),
                switch_states: Some(SwitchStates::of(&self.data_dir, self.options.keep_encoded)),
                record_output: &mut |output| self.shared.queue().save_partial_output(id, output),
                upcoming: &upcoming,
            };
            attempt(&spec, retries, context, &mut send)
        };
        let end =
            catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Err(error_from_panic(panic.as_ref())));
        for message in self.cache.take_notes() {
            self.shared.send(id, Event::Warning { message });
        }
        self.drop_sessions_after(&end, control);
        end
    }

    /// Drops the loaded sessions after a failure, which may be theirs or lack their memory, and for a pause that frees
    /// the memory.
    fn drop_sessions_after(&mut self, end: &Result<AttemptEnd>, control: &JobControl) {
        let is_freed = match end {
            Ok(AttemptEnd::Done(_)) => false,
            Ok(AttemptEnd::Yielded) => {
                matches!(control.leaving(), Some(YieldReason::Paused | YieldReason::QueuePaused))
            }
            Err(error) => error.kind != Kind::Cancelled,
        };
        if is_freed {
            self.sessions.clear();
        }
    }
}

/// The device that no other program uses, for a program that runs one job; `None` where the job does not leave it open.
fn free_device(data_dir: &Path, draft: &Draft, who: &str) -> Option<u32> {
    if draft.devices.device.is_some() || draft.provider == ProviderChoice::Cpu {
        return None;
    }
    let devices = RunnerDevice::all(data_dir);
    // nothing to choose, and nothing to lock
    if devices.len() < 2 {
        return None;
    }
    let is_free =
        |device: &&RunnerDevice| matches!(DeviceLease::attempt(data_dir, &device.id, who), Ok(Ok(_)));
    let free = devices.iter().filter(|device| device.takes_unpinned).find(is_free);
    free.map(|device| device.id.ordinal)
}

/// What follows a failed attempt.
#[derive(Default)]
struct LadderStep {
    /// What to change before the next attempt; none if nothing is left to try.
    fixes: Option<Vec<Fix>>,
    /// What the user can try after the last attempt.
    suggestions: Vec<Fix>,
    /// Why the attempts that are left are not made: they do not fit into the memory that is free now.
    shortage: Option<JobShortage>,
}

/// Opens ONNX Runtime, and fetches it the first time.
fn open_runtime(
    data_dir: &Path,
    options: &WorkerOptions,
    control: &JobControl,
    send: &mut dyn FnMut(Event),
) -> Result<Runtime> {
    if !options.fetches_runtime {
        return runtime::installed(data_dir);
    }
    runtime::ensure(data_dir, &control.cancel, &mut |event| {
        send(Event::Note { message: event.to_string() });
    })
}

fn killed_for_memory() -> Error {
    Error::new(Kind::OutOfMemory, "The system ended the program because memory ran out")
        .remedy("Close other programs, or use a smaller size or fewer frames")
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
