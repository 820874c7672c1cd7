//! One job from the form to the checked file.

use std::path::Path;
use std::time::Instant;

use ndarray::ArrayD;

use super::job::Job;
use super::record::Record;
use crate::core::{
    CancelToken, Error, Event, Faults, Frame, GenRequest, Kind, Mode, Outcome, Result, Secs, Stage,
};
use crate::engine::{Runtime, SessionOptions};
use crate::media::{Expected, Fit, Picture, Recorder, check};
use crate::models;
use crate::monitor::{free, peak_resident};
use crate::pipeline::{DenoiseState, Flow, Loras, Pictures, Pipeline, Story, TensorCache, denoise_steps};
use crate::store::write_tensors;
use crate::wan::Checkpoint;

/// What ran the graphs; the only one there is so far.
const PROVIDER: &str = "cpu";

/// What the transformers are computed in.
fn precision(checkpoint: &Checkpoint) -> &'static str {
    if checkpoint.is_int8() { "int8" } else { "fp32" }
}

/// Runs `job` and tells its story, all but the terminal event, which is the caller's to tell from the result.
///
/// `cancel` stops it within a step. Whatever the end, no half-written file stays behind.
pub fn run_job(
    runtime: &Runtime,
    job: &Job,
    cache: &mut dyn TensorCache,
    cancel: &CancelToken,
    send: &mut dyn FnMut(Event),
) -> Result<Outcome> {
    let began = Instant::now();
    let checkpoint = models::open(&job.model)?;
    let request = GenRequest::parse(&job.draft, &checkpoint.limits())?;
    let mut story = Story::new(send);
    story.tell(Event::Started { seed: request.seed, plan: plan(&checkpoint, &request) });
    let given = story.stage(Stage::Preflight, |story| {
        preflight(job, &request, story)?;
        Given::open(&request, &checkpoint, story)
    })?;

    let mut recorder = Recorder::start(&job.target, request.size, request.fps, request.frames)?;
    let pipeline = Pipeline {
        runtime,
        checkpoint: &checkpoint,
        loras: &given.loras,
        options: SessionOptions::default(),
        weights: request.weights,
        vae_tile: request.vae_tile,
        free_memory: free(),
        faults: &Faults::default(),
    };
    let watched: Option<&mut dyn TensorCache> = if job.preview { Some(&mut *cache) } else { None };
    let prepared = pipeline.prepare(&request, &given.pictures, watched, &mut story, cancel)?;
    let mut state = pipeline.start(&request)?;
    let mut gate = |_: &DenoiseState| Ok(Flow::Go);
    pipeline.denoise(
        &prepared,
        (&request, &given.pictures),
        &mut state,
        (cache, &mut gate),
        (&mut story, cancel),
    )?;
    pipeline.decode(&prepared, &state.latent, &mut |frame| recorder.push(frame), (&mut story, cancel))?;
    let latent = state.latent;

    let fingerprint = checkpoint.fingerprint();
    let (output, checks) = story.stage(Stage::PostProcess, |story| {
        cancel.check()?;
        let record = Record {
            wandeck: env!("CARGO_PKG_VERSION"),
            request: &request,
            model: &checkpoint.id,
            model_fingerprint: &fingerprint,
            pictures: &given.hashes,
            onnxruntime: &runtime.info().version,
            provider: PROVIDER,
            precision: precision(&checkpoint),
            loras: &given.loras.records,
        };
        let output = recorder.finish(record.metadata()?)?.place(&mut |_| Ok(()))?;
        if let Some(path) = &job.latents_out {
            write_latent(path, &latent)?;
        }
        let size = job.target.stored_size(request.size);
        let checks = check(&output, &Expected { frames: request.frames, size, fps: request.fps });
        for failed in checks.iter().filter(|check| !check.passed) {
            story.warn(format!("The finished video fails the check \"{}\": {}", failed.name, failed.detail));
        }
        Ok((output, checks))
    })?;
    Ok(Outcome {
        output,
        request,
        model_fingerprint: fingerprint,
        loras: given.loras.records,
        generation_time_s: Secs::from(began.elapsed()),
        stages: std::mem::take(&mut story.stages),
        steps: std::mem::take(&mut story.steps),
        peak_rss_mb: peak_resident().map(|bytes| bytes.0 as f64 / f64::from(1 << 20)),
        peak_vram_mb: None,
        provider: PROVIDER.to_owned(),
        precision: precision(&checkpoint).to_owned(),
        retries: 0,
        optimizations: std::mem::take(&mut story.optimizations),
        warnings: std::mem::take(&mut story.warnings),
        checks,
    })
}

fn plan(checkpoint: &Checkpoint, request: &GenRequest) -> Vec<(Stage, u32)> {
    let [high, low] = denoise_steps(checkpoint, request).map(|steps| steps as u32);
    let chunks = checkpoint.strides().latent(1, request.size, request.frames).frames as u32;
    let pictures = match (request.mode, request.starts_from_picture()) {
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

/// What would make the run fail at its end is found here, before it begins.
fn preflight(job: &Job, request: &GenRequest, story: &mut Story<'_>) -> Result<()> {
    job.target.check_video(request.size, request.fps)?;
    job.target.check_writable()?;
    if let Some(taken) = job.target.renamed_from() {
        story.warn(format!("{} is there already: writing {}", taken.display(), job.target.path().display()));
    }
    Ok(())
}

/// What the request names by path: the pictures at the video's size, with what tells them apart, and the LoRAs.
struct Given {
    pictures: Pictures,
    hashes: Vec<String>,
    loras: Loras,
}

impl Given {
    fn open(request: &GenRequest, checkpoint: &Checkpoint, story: &mut Story<'_>) -> Result<Self> {
        let mut loras = Loras::open(checkpoint, request)?;
        for warning in loras.warnings.drain(..) {
            story.warn(warning);
        }
        for message in loras.notes.drain(..) {
            story.tell(Event::Note { message });
        }
        let fit = if request.mode == Mode::I2V { Fit::Stretch } else { Fit::Crop };
        let token = checkpoint.strides().size_multiple();
        let mut hashes = Vec::new();
        let mut fitted = |picture: Picture| -> Frame {
            let (frame, cut) = picture.fitted(request.size, fit, token);
            for note in picture.notes.into_iter().chain(cut) {
                story.warn(note);
            }
            hashes.push(picture.sha256);
            frame
        };
        let first = match (&request.image, &request.continue_from) {
            (Some(path), _) => Some(Picture::open(path)?),
            (None, Some(clip)) => Some(Picture::last_of(clip)?),
            (None, None) => None,
        };
        let first = first.map(&mut fitted);
        let last = request.last_image.as_deref().map(Picture::open).transpose();
        let last = last.map_err(|error| error.field("last_image"))?.map(&mut fitted);
        Ok(Self { pictures: Pictures { first, last }, hashes, loras })
    }
}

/// Writes the latent as the tensor `latents` of a safetensors file.
fn write_latent(path: &Path, latent: &ArrayD<f32>) -> Result<()> {
    write_tensors(path, &[("latents", latent.view())], None).map_err(|error| {
        Error::new(Kind::Io, format!("Cannot write {}", path.display()))
            .because(error)
            .remedy("Choose another place")
    })
}
