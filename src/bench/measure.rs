//! Runs the jobs of a measurement and makes its figures.

use std::path::{Path, PathBuf};

use super::ceilings::Ceilings;
use super::observed::Observed;
use super::report::{BenchComponent, BenchFigure, BenchReport};
use super::store::BenchStore;
use crate::attempt::run_job;
use crate::core::{
    Bytes, CancelToken, Draft, Event, FIRST_DEVICE, Frame, GenRequest, Kind, Mode, Provider, ProviderChoice,
    Resolution, Result, Secs, Stage, Utc,
};
use crate::engine::{ProviderSelection, Runtime, candidates, select_provider};
use crate::jobs::JobSpec;
use crate::media::write_png;
use crate::models::convert::{ConversionOptions, ConversionTarget, convert_with};
use crate::models::synth::{Shapes, SynthComponent, SynthDtype, SynthLayout, SynthModel, SynthWeights, plan};
use crate::models::{self, RoleHints};
use crate::monitor::Machine;
use crate::preflight::{ModelSize, passes, work};
use crate::presets;
use crate::store::StoredTensors;

/// Layers of a synthetic transformer and text encoder. Their passes take as long for each layer as with all of them.
const LAYERS: usize = 2;
/// Tokens in the vocabulary of a synthetic text encoder; its table of embeddings is only read where a prompt has tokens.
const VOCABULARY: usize = 4096;
/// Denoising steps: the first may be slower, and the others give a median.
const STEPS: u32 = 4;
const PROMPT: &str = "a red circle moves right on a black background";

/// Whose weights are measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BenchModel {
    /// Random weights of an official model's widths, with few layers.
    Synthetic(SynthModel),
    /// A model on this machine, as it is.
    Own(PathBuf),
}

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BenchOptions {
    /// Whose weights.
    pub model: BenchModel,
    /// Width and height of the clip.
    pub size: Resolution,
    /// Frames of the clip.
    pub frames: u32,
    /// Execution provider.
    pub provider: ProviderChoice,
}

/// Measures `machine`. Files are written into a folder of `data_dir` that is removed afterwards; `note` is called with what is
/// done now.
///
/// A cancellation ends it with the cancelled error. Nothing else should run on the machine.
pub fn measure(
    runtime: &Runtime,
    options: &BenchOptions,
    data_dir: &Path,
    machine: &Machine,
    cancel: &CancelToken,
    note: &mut dyn FnMut(&str),
) -> Result<BenchReport> {
    let selection = select_provider(options.provider, &candidates(runtime, options.provider, FIRST_DEVICE))?;
    let folder = BenchStore::new(data_dir).work_folder()?;
    note("Measuring the ceilings of the machine");
    let ceilings = Ceilings::measure(runtime, &selection, machine, cancel)?;
    let folder = folder.path();
    let mut bench = Bench { runtime, options, ceilings, selection, cancel, folder, data_dir, vram: None };
    let (model, layers) = bench.model(note)?;
    let mut figures = Vec::new();
    for (path, precision_of) in bench.variants(&model, note)? {
        note(&format!("Running a job{precision_of}"));
        figures.extend(bench.run(&path, layers, figures.is_empty())?);
    }
    let Bench { ceilings, selection, vram, .. } = bench;
    Ok(BenchReport {
        number: 0,
        wandeck: env!("CARGO_PKG_VERSION").to_owned(),
        onnxruntime: runtime.info().version.clone(),
        measured: Utc::now(),
        provider: selection.id.provider.word().to_owned(),
        device: selection.device.as_ref().map(|device| device.name.clone()),
        cores: machine.cores,
        memory: machine.memory,
        ceilings,
        model: name(&options.model),
        size: options.size,
        frames: options.frames,
        peak_vram_mb: vram,
        figures,
    })
}

fn name(model: &BenchModel) -> String {
    match model {
        BenchModel::Synthetic(like) => format!("{} with {LAYERS} layers of random weights", word(*like)),
        BenchModel::Own(path) => {
            path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into())
        }
    }
}

fn word(like: SynthModel) -> &'static str {
    match like {
        SynthModel::T2vA14b => "t2v-A14B",
        SynthModel::I2vA14b => "i2v-A14B",
        SynthModel::Ti2v5b => "ti2v-5B",
    }
}

/// A measurement that goes on.
struct Bench<'a> {
    runtime: &'a Runtime,
    options: &'a BenchOptions,
    ceilings: Ceilings,
    selection: ProviderSelection,
    cancel: &'a CancelToken,
    /// For the files of the measurement.
    folder: &'a Path,
    data_dir: &'a Path,
    /// Peak device memory in MiB.
    vram: Option<f64>,
}

/// Layers of a synthetic transformer and text encoder, and those of the official ones.
#[derive(Clone, Copy)]
struct Layers {
    transformer: [usize; 2],
    text: [usize; 2],
}

impl Bench<'_> {
    /// The model's folder, and the layers that a synthetic one lacks.
    fn model(&self, note: &mut dyn FnMut(&str)) -> Result<(PathBuf, Option<Layers>)> {
        let like = match &self.options.model {
            BenchModel::Own(path) => return Ok((path.clone(), None)),
            BenchModel::Synthetic(like) => *like,
        };
        let mut shapes = Shapes::official(like);
        let layers = Layers {
            transformer: [LAYERS, shapes.transformer.num_layers],
            text: [LAYERS, shapes.text_encoder.num_layers],
        };
        (shapes.transformer.num_layers, shapes.text_encoder.num_layers) = (LAYERS, LAYERS);
        shapes.text_encoder.vocab_size = VOCABULARY;
        let all = [SynthComponent::Transformer, SynthComponent::TextEncoder, SynthComponent::Vae];
        let plan = plan(&shapes, SynthLayout::Diffusers, SynthDtype::Bf16, &all)?;
        note(&format!("Writing {} of random weights", plan.size()));
        let path = self.folder.join("model");
        plan.write(&path, SynthWeights { seed: 0, sparse: false }, self.cancel, &mut |_| {})?;
        Ok((path, Some(layers)))
    }

    /// The model in every precision that is measured, with words for it.
    fn variants(&self, model: &Path, note: &mut dyn FnMut(&str)) -> Result<Vec<(PathBuf, &'static str)>> {
        let is_synthetic = matches!(self.options.model, BenchModel::Synthetic(_));
        if !is_synthetic {
            return Ok(vec![(model.to_path_buf(), "")]);
        }
        let mut all = vec![(model.to_path_buf(), " with the weights as they are")];
        if self.selection.id.provider == Provider::Cpu {
            note("Converting the weights to int8");
            let path = self.folder.join("int8");
            let options = ConversionOptions::new(ConversionTarget::Int8);
            convert_with(
                model,
                RoleHints::remembered(self.data_dir),
                &path,
                options,
                self.cancel,
                &mut |_| {},
            )?;
            all.push((path, " in int8"));
        }
        Ok(all)
    }

    /// Runs one job and makes its figures; only a job with its `vae` goes on to the frames.
    fn run(&mut self, model: &Path, layers: Option<Layers>, vae: bool) -> Result<Vec<BenchFigure>> {
        let checkpoint = models::open_with(model, RoleHints::remembered(self.data_dir))?;
        let limits = checkpoint.limits();
        let draft = self.draft(model, limits.modes.first().copied())?;
        let request = GenRequest::parse(&draft, &limits)?;
        let job = JobSpec::new(draft, model.to_path_buf(), self.folder.join("clip.mp4"));
        let seen = self.observe(&job, vae)?;
        let steps = [STEPS, 0];
        let work = work(&request, &ModelSize::of(&checkpoint), steps, self.selection.id.provider);
        let operations = |stage| work.iter().find(|(of, _)| *of == stage).map(|(_, operations)| *operations);
        let transformer = layers.map(|layers| layers.transformer);
        let per_pass = f64::from(STEPS * passes(&request)[0]);
        let mut figures = Vec::new();
        if let Some(stage) = seen.stage(Stage::Text) {
            let figure = self.figure(BenchComponent::TextEncoder, &seen, stage.seconds, None);
            let layers = layers.map(|layers| layers.text);
            figures.push(BenchFigure { layers, peak_rss_mb: mebibytes(stage.peak), ..figure });
        }
        let image = seen.stage(Stage::Image).filter(|_| vae);
        if let Some(stage) = image {
            let work = operations(Stage::Image);
            let figure = self.figure(BenchComponent::VaeEncoder, &seen, stage.seconds, work);
            figures.push(BenchFigure { peak_rss_mb: mebibytes(stage.peak), ..figure });
        }
        let denoise = seen.stage(Stage::DenoiseHigh).or_else(|| seen.stage(Stage::DenoiseLow));
        if let Some((stage, seconds)) = denoise.and_then(|stage| Some((stage, stage.later_step()?))) {
            let work = operations(Stage::DenoiseHigh).map(|work| work / per_pass);
            figures.push(BenchFigure {
                load: Some(stage.load()),
                first: stage.first_ratio(),
                peak_rss_mb: mebibytes(stage.peak),
                layers: transformer,
                ..self.figure(BenchComponent::Transformer, &seen, seconds, work)
            });
        }
        if let Some(stage) = seen.stage(Stage::Decode) {
            let work = operations(Stage::Decode);
            figures.push(BenchFigure {
                load: Some(stage.load()),
                peak_rss_mb: mebibytes(stage.peak),
                ..self.figure(BenchComponent::VaeDecoder, &seen, stage.all_steps(), work)
            });
        }
        Ok(figures)
    }

    fn figure(
        &self,
        component: BenchComponent,
        seen: &Observed,
        seconds: Secs,
        operations: Option<f64>,
    ) -> BenchFigure {
        let flops = operations.filter(|_| seconds.0 > 0.0).map(|operations| operations / seconds.0);
        BenchFigure {
            component,
            precision: seen.precision.clone(),
            seconds,
            load: None,
            first: None,
            flops,
            of_ceiling: flops.map(|flops| flops / self.ceilings.flops.max(1.0)),
            peak_rss_mb: None,
            layers: None,
        }
    }

    /// The settings of a job: one pass in a step, with a start image where the model takes one.
    fn draft(&self, model: &Path, mode: Option<Mode>) -> Result<Draft> {
        let takes_image = matches!(mode, Some(Mode::I2V | Mode::TI2V));
        let start_image = takes_image.then(|| self.folder.join("start.png"));
        if let Some(path) = &start_image {
            let size = self.options.size;
            let rgb = (0..size.area() * 3).map(|at| (at % 251) as u8).collect();
            write_png(path, &Frame { size, rgb })?;
        }
        Ok(Draft {
            model: model.display().to_string(),
            mode,
            start_image,
            steps: STEPS,
            guidance: 1.0,
            guidance_low: None,
            size: self.options.size,
            frames: self.options.frames,
            provider: self.options.provider,
            ..presets::by_name("toy-t2v")?.draft(PROMPT)
        })
    }

    /// Runs a job and returns what was seen of it; without `vae` it ends after denoising.
    fn observe(&mut self, job: &JobSpec, vae: bool) -> Result<Observed> {
        let mut seen = Observed::default();
        // nothing is kept from another job
        let mut cache = StoredTensors::new(&self.folder.join(if vae { "cache" } else { "cache_2" }));
        let job_token = CancelToken::new();
        let (own, mut is_enough) = (job_token.clone(), false);
        let _guard = self.cancel.on_cancel(move || own.cancel());
        let done = run_job(self.runtime, job, &mut cache, &job_token, &mut |event| {
            seen.observe(&event);
            if !vae && matches!(event, Event::StageStarted { stage: Stage::Decode }) {
                is_enough = true;
                job_token.cancel();
            }
        });
        match done {
            Ok(outcome) => self.vram = outcome.peak_vram_mb.or(self.vram),
            Err(error) if error.kind == Kind::Cancelled && is_enough => {}
            Err(error) => return Err(error),
        }
        self.cancel.check()?;
        Ok(seen)
    }
}

fn mebibytes(bytes: Option<Bytes>) -> Option<f64> {
    bytes.map(|bytes| bytes.0 as f64 / f64::from(1 << 20))
}
