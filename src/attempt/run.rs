//! One attempt at a job, from its settings to the checked file.

use std::path::Path;
use std::time::Instant;

use ndarray::ArrayD;

use super::control::{JobControl, YieldReason};
use super::device_peak::DevicePeak;
use super::latents_out;
use super::planned::{Planned, Planning};
use super::record::{MadeBy, stage_plan};
use super::resume_points::ResumePoints;
use super::saved_states::{SavedStates, Switch};
use super::switch_states::SwitchStates;
use crate::core::{
    CancelToken, DeviceId, Draft, Error, Event, FIRST_DEVICE, FaultPoint, Faults, GenRequest, Kind, Outcome,
    Result, Secs, Stage, counted,
};
use crate::engine::Runtime;
use crate::jobs::{JobSpec, PartialOutput, RetryRecord};
use crate::media::{
    Existing, ExpectedVideo, OutputTarget, Rename, VideoSink, abandon, check_cancellable, complete_rename,
};
use crate::models::{changed_files, remember_chosen_experts};
use crate::monitor::{free_card_memory, reset_peak_resident};
use crate::pipeline::{
    ComputePlan, DenoiseState, Inputs, Pipeline, Prepared, Reporter, RunContext, SessionCache, StepControl,
    TensorCache, denoise_steps, prompts_of,
};
use crate::plan::{MemorySample, ResolvedInputs, RunLimits};
use crate::store::WeightsCache;
use crate::wan::Checkpoint;

/// The environment of an attempt.
pub(crate) struct AttemptContext<'a> {
    pub(crate) runtime: &'a Runtime,
    /// CUDA ordinal of the device for jobs that are pinned to none and do not run on the CPU.
    pub(crate) ordinal: u32,
    /// Waits until the devices of the job are free and takes them, before anything is loaded.
    pub(crate) take_devices: &'a mut dyn FnMut(&[DeviceId]) -> Result<()>,
    /// Data folder with the history and the user's `modes.ron`; without it there is no preflight.
    pub(crate) data_dir: Option<&'a Path>,
    pub(crate) cache: &'a mut dyn TensorCache,
    pub(crate) sessions: &'a mut SessionCache,
    pub(crate) control: &'a JobControl,
    pub(crate) faults: &'a Faults,
    /// Threads of one operation; 0 for all cores.
    pub(crate) threads: usize,
    /// Folder for ONNX Runtime's profiles; `None` for no profile.
    pub(crate) profile: Option<&'a Path>,
    /// What the settings allow.
    pub(crate) limits: RunLimits,
    /// Resume points on disk.
    pub(crate) resume_points: Option<&'a mut ResumePoints>,
    /// States at the switch between the experts; used by the jobs of a group.
    pub(crate) switch_states: Option<SwitchStates>,
    /// Called before the video is written and before it is renamed, with what will be on disk.
    pub(crate) record_output: &'a mut dyn FnMut(PartialOutput) -> Result<()>,
    /// Jobs that follow with the same model.
    pub(crate) upcoming: &'a [Draft],
}

/// How an attempt ended without an error.
pub(crate) enum AttemptEnd {
    /// The video is finished.
    Done(Box<Outcome>),
    /// The job yielded and resumes later.
    Yielded,
}

/// Runs `work` without queue, journal or retries, and sends all its events except the terminal one.
///
/// `cancel` stops it within a step. No incomplete file is left behind, however it ends.
pub fn run_job(
    runtime: &Runtime,
    work: &JobSpec,
    cache: &mut dyn TensorCache,
    cancel: &CancelToken,
    send: &mut dyn FnMut(Event),
) -> Result<Outcome> {
    let with = AttemptContext {
        runtime,
        ordinal: FIRST_DEVICE,
        take_devices: &mut |_| Ok(()),
        data_dir: None,
        cache,
        sessions: &mut SessionCache::for_one_job(),
        control: &JobControl::over(cancel.clone()),
        faults: &Faults::default(),
        threads: 0,
        profile: None,
        limits: RunLimits::default(),
        resume_points: None,
        switch_states: None,
        record_output: &mut |_| Ok(()),
        upcoming: &[],
    };
    match attempt(work, &[], with, send)? {
        AttemptEnd::Done(outcome) => Ok(*outcome),
        AttemptEnd::Yielded => Err(Error::cancelled()),
    }
}

/// Opens the job's model, and remembers the experts that a person chose for it.
fn opened(work: &JobSpec, data_dir: Option<&Path>) -> Result<Checkpoint> {
    let model = work.open_model(data_dir)?;
    let chosen = &work.draft.components;
    if let Some(data_dir) = data_dir {
        remember_chosen_experts(data_dir, chosen.high.as_deref(), chosen.low.as_deref());
    }
    Ok(model)
}

/// Runs one attempt at `work`; `retries` are the failures and fixes before it.
pub(crate) fn attempt(
    work: &JobSpec,
    retries: &[RetryRecord],
    with: AttemptContext<'_>,
    send: &mut dyn FnMut(Event),
) -> Result<AttemptEnd> {
    let began = Instant::now();
    reset_peak_resident();
    let AttemptContext { runtime, data_dir, cache, sessions, control, faults, limits, .. } = with;
    let AttemptContext { threads, profile, .. } = with;
    let cancel = &control.cancel;
    faults.inject(FaultPoint::Read, cancel)?;
    let model = &opened(work, data_dir)?;
    let request = GenRequest::parse(&work.draft, &model.limits())?;
    let compute = ComputePlan::choose(runtime, with.ordinal, model, &request, free_card_memory)?;
    let target = OutputTarget::parse(&work.output, request.frames, work.existing)?;
    (with.take_devices)(&compute.devices())?;
    let memory = MemorySample::take(&compute, sessions, limits);
    let peak = DevicePeak::start(&compute.device);
    let mut send = |event: Event| {
        peak.observe(&event);
        send(event);
    };
    let context = &mut RunContext { reporter: Reporter::new(&mut send), cancel, cache, sessions, faults };
    context.reporter.send(Event::Started { seed: request.seed, plan: stage_plan(model, &request) });
    let fingerprint = &model.fingerprint();
    context.reporter.send(runs_on(model, fingerprint, &request, &compute));
    report_changed(model, data_dir, &mut context.reporter);
    let cache = WeightsCache::new(data_dir);
    let planning = Planning {
        runtime,
        work,
        request: &request,
        model,
        fingerprint,
        target: &target,
        memory,
        limits,
        data_dir,
        weights_dir: cache.dir(),
    };
    let headers = with.resume_points.as_ref().map(|points| points.headers()).unwrap_or_default();
    let Planned { given, compute, repacked } =
        context.stage(Stage::Preflight, |context| planning.plan(compute, &headers, context))?;
    let memory = memory.plan(&request, repacked.checkpoint(), &compute);
    // two sessions at once may be what the attempt before had no memory for
    let memory = &if retries.is_empty() { memory } else { memory.without_ahead() };
    cache.make_room(&repacked.files(), repacked.size_to_write())?;
    let computed = &repacked.write(&|| cache.stage(), cancel, &mut context.reporter)?;
    let pipeline = Pipeline {
        runtime,
        checkpoint: computed,
        loras: &given.loras,
        compute: &compute,
        memory,
        threads,
        profile,
        may_use_cpu: limits.may_use_cpu,
    };
    let upcoming = upcoming_prompts(with.upcoming, &request, model);
    let inputs = Inputs { request: &request, images: &given.images, upcoming: &upcoming };
    let prepared = pipeline.prepare(inputs, work.preview, context)?;

    let made_by = MadeBy { model, fingerprint, given: &given, runtime, compute: &compute, retries };
    let stages =
        Stages { pipeline: &pipeline, prepared: &prepared, given: &given, made_by: &made_by, inputs };
    let switch = match with.switch_states.zip(work.group.as_ref()) {
        Some((states, group)) => Some(Switch::new(states, made_by.shared_points(&request, group)?)),
        None => None,
    };
    let saved = SavedStates::new(made_by.key(&request)?, with.resume_points, switch, work.draft_steps);
    let Some(state) = stages.denoised(&request, saved, control, context)? else {
        return Ok(AttemptEnd::Yielded);
    };
    let output = Output { work, target: &target, record: with.record_output };
    let step_cache = state.step_cache.as_ref().map(|cache| cache.record(&context.reporter.steps));
    if let Some(record) = &step_cache {
        context.reporter.optimization(record.to_string());
    }
    let mut outcome = stages.video(&request, &state.latent, output, context)?;
    outcome.step_cache = step_cache;
    outcome.peak_vram_mb = peak.mebibytes();
    outcome.generation_time_s = Secs::from(began.elapsed());
    outcome.stages = std::mem::take(&mut context.reporter.stages);
    outcome.warnings.append(&mut context.reporter.warnings);
    Ok(AttemptEnd::Done(Box::new(outcome)))
}

/// What the stages of an attempt use.
struct Stages<'a> {
    pipeline: &'a Pipeline<'a>,
    prepared: &'a Prepared<'a>,
    given: &'a ResolvedInputs,
    made_by: &'a MadeBy<'a>,
    inputs: Inputs<'a>,
}

/// Output of the video.
struct Output<'a> {
    work: &'a JobSpec,
    target: &'a OutputTarget,
    /// Called before the video is written and before it is renamed, with what will be on disk.
    record: &'a mut dyn FnMut(PartialOutput) -> Result<()>,
}

impl Stages<'_> {
    /// The error that names the model's file, if one was changed while it was in use.
    fn with_file(&self, error: Error) -> Error {
        match error.kind {
            Kind::CorruptModel => self.made_by.model.check_unchanged().err().unwrap_or(error),
            _ => error,
        }
    }

    /// Denoises from the last saved state; returns the final state, or `None` if the job yielded.
    fn denoised(
        &self,
        request: &GenRequest,
        mut saved: SavedStates<'_>,
        control: &JobControl,
        context: &mut RunContext<'_>,
    ) -> Result<Option<DenoiseState>> {
        let mut fresh = self.pipeline.start(request)?;
        if let Some((latents, _)) = &self.given.latents {
            fresh.latent.clone_from(latents);
        }
        // steps that were computed from a wrong tensor are not worth resuming
        let mut state = if context.cache.was_wrong() { fresh } else { saved.last(fresh) };
        if let Some(steps) = saved.other_steps().filter(|_| state.solver.done() == 0) {
            context.reporter.note(format!(
                "The job starts again: settings, files or programs have changed since its {}",
                counted(steps as u64, "saved step")
            ));
        }
        let experts = denoise_steps(self.made_by.model, request).map(|steps| steps as u32);
        report_resumed(&state, experts, saved.is_from_switch(), &mut context.reporter);
        if saved.is_draft_done(&state) {
            // the program ended between the last step of the draft and its pause
            control.leave(YieldReason::DraftDone);
            return Ok(None);
        }
        let mut after_step = |state: &DenoiseState| {
            if saved.is_draft_done(state) {
                control.leave(YieldReason::DraftDone);
            }
            // saved before a pause, because the program may end during it
            let is_paused = control.is_held_back();
            saved.save(state, is_paused);
            let answer = control.between_steps();
            if answer == StepControl::Yield && !is_paused {
                saved.save(state, true);
            }
            Ok(answer)
        };
        let answer = self
            .pipeline
            .denoise(self.prepared, self.inputs, &mut state, &mut after_step, context)
            .map_err(|error| self.with_file(error))?;
        for error in saved.unsaved() {
            context.reporter.warn(format!("{error:#}"));
        }
        Ok((answer == StepControl::Continue).then_some(state))
    }

    /// Decodes the latent, writes the video and checks it.
    fn video(
        &self,
        request: &GenRequest,
        latent: &ArrayD<f32>,
        output: Output<'_>,
        context: &mut RunContext<'_>,
    ) -> Result<Outcome> {
        let Output { work, target, record } = output;
        let (cancel, faults) = (context.cancel, context.faults);
        let hidden = Some(target.hidden());
        // before it exists, so that the next program finds it whenever this one dies
        record(PartialOutput { hidden: hidden.clone(), placing: None })?;
        let mut sink = VideoSink::start(target, request.size, request.fps, request.frames)?;
        let mut frame_number = 0;
        let mut frames = |frame| {
            frame_number += 1;
            faults.inject(FaultPoint::Decode(frame_number), cancel)?;
            sink.push(frame)
        };
        self.pipeline
            .decode(self.prepared, self.inputs, latent, &mut frames, context)
            .map_err(|error| self.with_file(error))?;
        let metadata = self.made_by.provenance(request).metadata()?;
        let mut outcome = self.made_by.outcome(request, target, context);
        context.stage(Stage::PostProcess, |context| {
            cancel.check()?;
            if let Some(path) = &work.latents_out {
                let written = latents_out::write(path, work.existing, latent)?;
                if written != *path {
                    let asked = path.display();
                    context
                        .reporter
                        .warn(format!("{asked} exists: the latents are in {}", written.display()));
                }
            }
            faults.inject(FaultPoint::Output, cancel)?;
            let ready = sink.finish(metadata)?;
            if let Some(note) = ready.note() {
                context.reporter.warn(note.to_owned());
            }
            // before it gets its name, so that a cancelled job leaves no video
            check_output(&mut outcome, &target.hidden(), target, &mut context.reporter, cancel)?;
            outcome.output = ready.place(&mut |rename| {
                let placed = Outcome { output: rename.to.to_path_buf(), ..outcome.clone() };
                record(PartialOutput { hidden: hidden.clone(), placing: Some(Box::new(placed)) })
            })?;
            Ok(())
        })?;
        Ok(outcome)
    }
}

/// Finishes a job whose program died while the finished video was renamed; `None` if the video does not exist.
pub(crate) fn complete(
    work: &JobSpec,
    partial: &PartialOutput,
    send: &mut dyn FnMut(Event),
) -> Result<Option<Outcome>> {
    let PartialOutput { hidden: Some(hidden), placing } = partial else { return Ok(None) };
    let Some(outcome) = placing else {
        abandon(hidden, None);
        return Ok(None);
    };
    let rename = Rename { from: hidden, to: &outcome.output };
    let Some(output) = complete_rename(rename, work.existing)? else { return Ok(None) };
    let mut outcome = Outcome { output, ..Outcome::clone(outcome) };
    let mut reporter = Reporter::new(send);
    reporter.send(Event::Started { seed: outcome.request.seed, plan: vec![(Stage::PostProcess, 1)] });
    let target = OutputTarget::parse(&outcome.output, outcome.request.frames, Existing::Replace)?;
    let output = outcome.output.clone();
    check_output(&mut outcome, &output, &target, &mut reporter, &CancelToken::new())?;
    Ok(Some(outcome))
}

/// Removes what is left of a video that is not wanted any more, and brings back what it was about to replace.
pub(crate) fn abandon_output(partial: &PartialOutput) {
    if let Some(hidden) = &partial.hidden {
        abandon(hidden, partial.placing.as_ref().map(|outcome| outcome.output.as_path()));
    }
}

/// The finished video of a job whose program died before it could record the end.
pub(crate) fn placed(partial: &PartialOutput) -> Option<&Path> {
    let PartialOutput { hidden: Some(hidden), placing: Some(outcome) } = partial else { return None };
    let output = outcome.output.as_path();
    // the hidden name disappears only by the rename
    (hidden.symlink_metadata().is_err() && output.symlink_metadata().is_ok()).then_some(output)
}

/// Checks the finished file, which is at `path` and will be or is at the target.
fn check_output(
    outcome: &mut Outcome,
    path: &Path,
    target: &OutputTarget,
    reporter: &mut Reporter<'_>,
    cancel: &CancelToken,
) -> Result<()> {
    let request = &outcome.request;
    let size = target.stored_size(request.size);
    let expected = ExpectedVideo { frames: request.frames, size, fps: request.fps };
    outcome.checks = check_cancellable(path, &expected, cancel)?;
    for failed in outcome.checks.iter().filter(|check| !check.passed) {
        reporter.warn(format!("The finished video fails the check \"{}\": {}", failed.name, failed.detail));
    }
    Ok(())
}

/// The prompts of jobs that follow and read the same embeddings, each once.
fn upcoming_prompts(drafts: &[Draft], request: &GenRequest, model: &Checkpoint) -> Vec<String> {
    let limits = model.limits();
    let mut prompts: Vec<String> = Vec::new();
    // a draft that is not valid fails in its own attempt
    for upcoming in drafts.iter().filter_map(|draft| GenRequest::parse(draft, &limits).ok()) {
        if (upcoming.provider, upcoming.precision) != (request.provider, request.precision) {
            continue;
        }
        for prompt in prompts_of(&upcoming) {
            if !prompts.iter().any(|known| known == prompt) {
                prompts.push(prompt.to_owned());
            }
        }
    }
    prompts
}

/// Warns of files of the model that changed since its last run.
fn report_changed(model: &Checkpoint, data_dir: Option<&Path>, reporter: &mut Reporter<'_>) {
    for file in data_dir.map(|data_dir| changed_files(data_dir, model)).unwrap_or_default() {
        reporter.warn(format!(
            "A file of the model has changed since it was last used. If that was not meant, check it with \"wandeck models verify \
             {}\": {}",
            model.id,
            file.display()
        ));
    }
}

fn runs_on(model: &Checkpoint, fingerprint: &str, request: &GenRequest, compute: &ComputePlan) -> Event {
    Event::RunsOn {
        model: model.id.clone(),
        model_fingerprint: fingerprint.to_owned(),
        mode: request.mode,
        provider: compute.device.provider.word().to_owned(),
        precision: compute.precision.to_owned(),
    }
}

/// Reports the steps of the two experts that an earlier run has done.
fn report_resumed(
    state: &DenoiseState,
    [high, low]: [u32; 2],
    is_from_switch: bool,
    reporter: &mut Reporter<'_>,
) {
    let (done, steps) = (state.solver.done(), state.solver.timesteps().len());
    if done == 0 {
        return;
    }
    let of_high = high.min(done as u32);
    let of_low = low.min(done as u32 - of_high);
    reporter.send(Event::Resumed { done: vec![(Stage::DenoiseHigh, of_high), (Stage::DenoiseLow, of_low)] });
    if is_from_switch {
        reporter.optimization(format!(
            "{} of the high-noise expert taken from another job of the group, not computed again",
            counted(done as u64, "step")
        ));
        return;
    }
    reporter.note(if done == steps {
        "All steps were done by an earlier run: only decoding is left".to_owned()
    } else {
        format!("Resuming after step {done} of {steps}, where an earlier run was interrupted")
    });
}
