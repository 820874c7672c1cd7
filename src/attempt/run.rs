//! One attempt at a job, from the form to the checked file.

use std::path::Path;
use std::time::Instant;

use ndarray::ArrayD;

use super::control::JobControl;
use super::resume_key::ResumeKey;
use super::resume_points::ResumePoints;
use crate::core::{
    CancelToken, Error, Event, FaultPoint, Faults, GenRequest, Kind, Mode, Outcome, Result, Secs, Stage,
};
use crate::engine::Runtime;
use crate::jobs::{JobSpec, PartialOutput, RetryRecord};
use crate::library::Provenance;
use crate::media::{
    Existing, ExpectedVideo, OutputTarget, Placing, VideoSink, check, complete_placing, discard,
};
use crate::models;
use crate::monitor::{free, peak_resident, reset_peak_resident};
use crate::pipeline::{
    ComputePlan, DenoiseState, Pipeline, Prepared, Reporter, StepControl, TensorCache, denoise_steps,
};
use crate::plan::{ResolvedInputs, report_preflight, resolve_inputs};
use crate::store::write_tensors;
use crate::wan::Checkpoint;

/// What an attempt runs with.
pub(crate) struct AttemptContext<'a> {
    pub(crate) runtime: &'a Runtime,
    /// Where earlier runs and the person's own table of modes are; without it no cost is estimated.
    pub(crate) data_dir: Option<&'a Path>,
    pub(crate) cache: &'a mut dyn TensorCache,
    pub(crate) control: &'a JobControl,
    pub(crate) faults: &'a Faults,
    /// Threads of one operation; 0 for all cores.
    pub(crate) threads: usize,
    /// Where the run stands, on disk.
    pub(crate) states: Option<&'a mut ResumePoints>,
    /// Told what is on disk of the video, before it is.
    pub(crate) trace: &'a mut dyn FnMut(PartialOutput) -> Result<()>,
}

/// How an attempt ended well.
pub(crate) enum AttemptEnd {
    /// The video is there.
    Done(Box<Outcome>),
    /// The job goes on later.
    Yielded,
}

/// Runs `work` alone, without queue, journal or retries, and tells its story, all but the terminal event.
///
/// `cancel` stops it within a step. Whatever the end, no half-written file stays behind.
pub fn run_job(
    runtime: &Runtime,
    work: &JobSpec,
    cache: &mut dyn TensorCache,
    cancel: &CancelToken,
    send: &mut dyn FnMut(Event),
) -> Result<Outcome> {
    let bench = AttemptContext {
        runtime,
        data_dir: None,
        cache,
        control: &JobControl::over(cancel.clone()),
        faults: &Faults::default(),
        threads: 0,
        states: None,
        trace: &mut |_| Ok(()),
    };
    match attempt(work, &[], bench, send)? {
        AttemptEnd::Done(outcome) => Ok(*outcome),
        AttemptEnd::Yielded => Err(Error::cancelled()),
    }
}

/// Runs `work`, whose form was changed as `retries` say.
pub(crate) fn attempt(
    work: &JobSpec,
    retries: &[RetryRecord],
    bench: AttemptContext<'_>,
    send: &mut dyn FnMut(Event),
) -> Result<AttemptEnd> {
    let began = Instant::now();
    reset_peak_resident();
    let AttemptContext { runtime, data_dir, cache, control, faults, threads, states, trace } = bench;
    let cancel = &control.cancel;
    faults.inject(FaultPoint::Read, cancel)?;
    let model = &models::open(&work.model)?;
    let request = GenRequest::parse(&work.draft, &model.limits())?;
    let computation = ComputePlan::choose(runtime, model, &request)?;
    let target = OutputTarget::parse(&work.output, request.frames, work.existing)?;
    let mut story = Reporter::new(send);
    story.tell(Event::Started { seed: request.seed, plan: plan(model, &request) });
    let given = story.stage(Stage::Preflight, |story| {
        let given = resolve_inputs(&target, &request, model, story)?;
        report_preflight(work, &request, (model, &computation), data_dir, story).map(|()| given)
    })?;
    let pipeline = Pipeline {
        runtime,
        checkpoint: model,
        loras: &given.loras,
        computation: &computation,
        threads,
        weights: request.weights,
        vae_tile: request.vae_tile,
        free_memory: free(),
        faults,
    };
    let watched: Option<&mut dyn TensorCache> = if work.preview { Some(&mut *cache) } else { None };
    let prepared = pipeline.prepare(&request, &given.images, watched, &mut story, cancel)?;

    let made_by = MadeBy { model, given: &given, runtime, computation: &computation, changes: retries };
    let stages = Stages { pipeline: &pipeline, prepared: &prepared, given: &given, made_by: &made_by };
    let Some(latent) = stages.latent(&request, (&mut *cache, states), control, &mut story)? else {
        return Ok(AttemptEnd::Yielded);
    };

    let mut recorder = VideoSink::start(&target, request.size, request.fps, request.frames)?;
    let hidden = Some(recorder.hidden().to_path_buf());
    trace(PartialOutput { hidden: hidden.clone(), placing: None })?;
    let mut frame_number = 0;
    let mut frames = |frame| {
        frame_number += 1;
        faults.inject(FaultPoint::Decode(frame_number), cancel)?;
        recorder.push(frame)
    };
    pipeline.decode(&prepared, &latent, (cache, &mut frames), (&mut story, cancel))?;
    let record = made_by.record(&request).metadata()?;
    let mut outcome = made_by.outcome(request, &target, &mut story);
    story.stage(Stage::PostProcess, |story| {
        cancel.check()?;
        if let Some(path) = &work.latents_out {
            write_latent(path, &latent)?;
        }
        faults.inject(FaultPoint::Output, cancel)?;
        let ready = recorder.finish(record)?;
        if let Some(note) = ready.note() {
            story.warn(note.to_owned());
        }
        outcome.output = ready.place(&mut |placing| {
            let placed = Outcome { output: placing.to.to_path_buf(), ..outcome.clone() };
            trace(PartialOutput { hidden: hidden.clone(), placing: Some(Box::new(placed)) })
        })?;
        look_at(&mut outcome, &target, story);
        Ok(())
    })?;
    outcome.generation_time_s = Secs::from(began.elapsed());
    outcome.stages = std::mem::take(&mut story.stages);
    outcome.warnings.append(&mut story.warnings);
    Ok(AttemptEnd::Done(Box::new(outcome)))
}

/// What the stages of an attempt run on.
struct Stages<'a> {
    pipeline: &'a Pipeline<'a>,
    prepared: &'a Prepared<'a>,
    given: &'a ResolvedInputs,
    made_by: &'a MadeBy<'a>,
}

impl Stages<'_> {
    /// The final latent, denoised from where the job stands; none if the job leaves before.
    fn latent(
        &self,
        request: &GenRequest,
        (cache, mut states): (&mut dyn TensorCache, Option<&mut ResumePoints>),
        control: &JobControl,
        story: &mut Reporter<'_>,
    ) -> Result<Option<ArrayD<f32>>> {
        let key = self.made_by.key(request)?;
        let mut state = self.pipeline.start(request)?;
        if let Some(states) = &states {
            state = states.resume(state, &key);
            tell_resumed(&state, story);
        }
        let steps = state.solver.timesteps().len();
        let mut unsaved = None;
        let mut gate = |state: &DenoiseState| {
            let mut save = |must: bool| {
                let Some(states) = &mut states else { return };
                // a run need not end because it could not be continued elsewhere
                unsaved = states.save(state, &key, must).err().or_else(|| unsaved.take());
            };
            // before a pause: it may be long, and the program may not live through it
            let held_back = control.is_held_back();
            save(held_back || state.solver.done() == steps);
            let flow = control.between_steps();
            if flow == StepControl::Yield && !held_back {
                save(true);
            }
            Ok(flow)
        };
        let asked = (request, &self.given.images);
        let told = (&mut *story, &control.cancel);
        let flow = self.pipeline.denoise(self.prepared, asked, &mut state, (cache, &mut gate), told)?;
        if let Some(error) = unsaved {
            story.warn(format!("{error:#}"));
        }
        Ok((flow == StepControl::Continue).then_some(state.latent))
    }
}

/// The end of a job that a crash broke off while its video was given its name; none if the video is not there.
pub(crate) fn complete(
    work: &JobSpec,
    trace: &PartialOutput,
    send: &mut dyn FnMut(Event),
) -> Result<Option<Outcome>> {
    let PartialOutput { hidden: Some(hidden), placing } = trace else { return Ok(None) };
    let Some(outcome) = placing else {
        discard(hidden);
        return Ok(None);
    };
    let placing = Placing { from: hidden, to: &outcome.output };
    let Some(output) = complete_placing(placing, work.existing)? else { return Ok(None) };
    let mut outcome = Outcome { output, ..Outcome::clone(outcome) };
    let mut story = Reporter::new(send);
    story.tell(Event::Started { seed: outcome.request.seed, plan: vec![(Stage::PostProcess, 1)] });
    let target = OutputTarget::parse(&outcome.output, outcome.request.frames, Existing::Replace)?;
    look_at(&mut outcome, &target, &mut story);
    Ok(Some(outcome))
}

/// Checks the finished file.
fn look_at(outcome: &mut Outcome, target: &OutputTarget, story: &mut Reporter<'_>) {
    let request = &outcome.request;
    let size = target.stored_size(request.size);
    outcome.checks =
        check(&outcome.output, &ExpectedVideo { frames: request.frames, size, fps: request.fps });
    for failed in outcome.checks.iter().filter(|check| !check.passed) {
        story.warn(format!("The finished video fails the check \"{}\": {}", failed.name, failed.detail));
    }
}

fn tell_resumed(state: &DenoiseState, story: &mut Reporter<'_>) {
    let (done, steps) = (state.solver.done(), state.solver.timesteps().len());
    if done == 0 {
        return;
    }
    let message = if done == steps {
        "The latents of an earlier run are there: only decoding is left".to_owned()
    } else {
        format!("Going on after step {done} of {steps}, where an earlier run was broken off")
    };
    story.tell(Event::Note { message });
}

/// What decides the numbers of a run beside its request.
struct MadeBy<'a> {
    model: &'a Checkpoint,
    given: &'a ResolvedInputs,
    runtime: &'a Runtime,
    computation: &'a ComputePlan,
    changes: &'a [RetryRecord],
}

impl MadeBy<'_> {
    /// What came out, but for what is known at the very end: times, checks and the file's final name.
    fn outcome(&self, request: GenRequest, target: &OutputTarget, story: &mut Reporter<'_>) -> Outcome {
        Outcome {
            output: target.path().to_path_buf(),
            request,
            model_fingerprint: self.model.fingerprint(),
            loras: self.given.loras.records.clone(),
            generation_time_s: Secs(0.0),
            stages: Vec::new(),
            steps: std::mem::take(&mut story.steps),
            peak_rss_mb: peak_resident().map(|bytes| bytes.0 as f64 / f64::from(1 << 20)),
            peak_vram_mb: None,
            provider: self.computation.provider.word().to_owned(),
            provider_reason: self.computation.reason.clone(),
            precision: self.computation.precision.to_owned(),
            retries: self.changes.len() as u32,
            optimizations: std::mem::take(&mut story.optimizations),
            warnings: self.changes.iter().map(|retry| retry.told.clone()).collect(),
            checks: Vec::new(),
        }
    }

    fn record<'a>(&'a self, request: &'a GenRequest) -> Provenance<'a> {
        Provenance {
            request,
            model: &self.model.id,
            model_fingerprint: self.model.fingerprint(),
            image_hashes: &self.given.hashes,
            onnxruntime: &self.runtime.info().version,
            provider: self.computation.provider.word(),
            provider_reason: &self.computation.reason,
            precision: self.computation.precision,
            loras: &self.given.loras.records,
            retry_messages: self.changes.iter().map(|retry| retry.told.as_str()).collect(),
        }
    }

    /// The key of this request's resume points.
    fn key(&self, request: &GenRequest) -> Result<String> {
        ResumeKey {
            request,
            model: &self.model.id,
            model_fingerprint: &self.model.fingerprint(),
            image_hashes: &self.given.hashes,
            onnxruntime: &self.runtime.info().version,
            provider: self.computation.provider.word(),
            precision: self.computation.precision,
            loras: &self.given.loras.records,
        }
        .hash()
    }
}

fn plan(checkpoint: &Checkpoint, request: &GenRequest) -> Vec<(Stage, u32)> {
    let [high, low] = denoise_steps(checkpoint, request).map(|steps| steps as u32);
    let chunks = checkpoint.strides().latent(1, request.size, request.frames).frames as u32;
    let pictures = match (request.mode, request.starts_from_image()) {
        (_, false) => 0,
        (Mode::I2V, true) => chunks,
        (_, true) => 1,
    };
    [
        (Stage::Preflight, 1),
        (Stage::Prepare, 1),
        (Stage::Text, 1),
        (Stage::Image, pictures),
        (Stage::DenoiseHigh, high),
        (Stage::DenoiseLow, low),
        (Stage::Decode, chunks),
        (Stage::PostProcess, 1),
    ]
    .into_iter()
    .filter(|&(_, units)| units > 0)
    .collect()
}

/// Writes the latent as the tensor `latents` of a safetensors file.
fn write_latent(path: &Path, latent: &ArrayD<f32>) -> Result<()> {
    write_tensors(path, &[("latents", latent.view())], None).map_err(|error| {
        Error::new(Kind::Io, format!("Cannot write {}", path.display()))
            .because(error)
            .remedy("Choose another place")
    })
}
