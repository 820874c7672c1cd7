//! The stages of one job, each of which can be repeated.

use std::path::Path;

use ndarray::ArrayD;

use super::compute_plan::ComputePlan;
use super::context::{Inputs, RunContext};
use super::decode::FrameSink;
use super::denoise::{DenoiseState, ExpertPhase, StepControl, StepHook, StepHooks, denoise};
use super::exported;
use super::following_expert::FollowingExpert;
use super::loras::Loras;
use super::memory_plan::{ComponentId, MemoryPlan};
use super::networks::{Loader, Networks, VideoShape};
use super::preview::{Preview, PreviewMap};
use super::preview_map::{is_learned, learn_preview, preview_map};
use super::reporter::Reporter;
use super::schedule::{solver, split};
use super::step_cache::StepCache;
use crate::core::{Error, Expert, FaultPoint, GenRequest, Kind, Provider, Result, Secs, Stage};
use crate::engine::{Prepack, Runtime};
use crate::wan::tiles::Tiling;
use crate::wan::{Checkpoint, VaeSplit, noise};

/// Seconds in which `TensorRT` for RTX 1.7 builds the engine of a transformer block of 1536 values on two cores; the time
/// grows with the number of blocks (2.5, 5.2 and 10.2 s for 6, 12 and 24 of them).
const ENGINE_SECONDS_PER_BLOCK: f64 = 0.42;

/// What a job runs on.
pub struct Pipeline<'a> {
    /// ONNX Runtime.
    pub runtime: &'a Runtime,
    /// The model.
    pub checkpoint: &'a Checkpoint,
    /// The LoRAs on its transformers.
    pub loras: &'a Loras,
    /// What runs the graphs, and in which types.
    pub compute: &'a ComputePlan,
    /// What is packed, tiled and kept loaded.
    pub memory: &'a MemoryPlan,
    /// Threads of one operation; 0 lets ONNX Runtime take all cores.
    pub threads: usize,
    /// Folder in which ONNX Runtime profiles the sessions; `None` for no profile.
    pub profile: Option<&'a Path>,
    /// Whether most of a component may run on the CPU where another provider was asked for.
    pub may_use_cpu: bool,
}

/// A job's networks, ready to be loaded one after the other.
pub struct Prepared<'a> {
    networks: Networks<'a>,
    preview: Option<PreviewMap>,
}

impl Pipeline<'_> {
    /// The state that denoising starts from: noise, at the first step.
    pub fn start(&self, request: &GenRequest) -> Result<DenoiseState> {
        let solver = solver(request);
        let steps = solver.timesteps().len();
        let step_cache = request.step_cache.map(|threshold| StepCache::new(threshold, steps));
        Ok(DenoiseState { latent: self.starting_noise(request)?, solver, step_cache })
    }

    /// Builds every graph of the job, so that what does not fit is found before anything runs.
    ///
    /// With `has_preview`, the steps will send previews.
    pub fn prepare(
        &self,
        inputs: Inputs<'_>,
        has_preview: bool,
        context: &mut RunContext<'_>,
    ) -> Result<Prepared<'_>> {
        context.stage(Stage::Prepare, |context| {
            context.faults.inject(FaultPoint::Prepare, context.cancel)?;
            let request = inputs.request;
            exported::check_sizes(self.checkpoint, request, self.latent_shape(request))?;
            let [_, _, frames, height, width] = self.latent_shape(request);
            let has_start_image = inputs.images.first.is_some();
            let shape = VideoShape { has_start_image, latent: [frames, height, width] };
            let networks = Networks::build(self.loader(), self.loras, shape, context)?;
            if self.compute.device.provider != Provider::Cpu {
                let ComputePlan { device, reason, .. } = self.compute;
                context.reporter.note(format!("Runs on {}: {reason}", device.provider));
                if device.provider == Provider::Rtx {
                    context.reporter.note(self.about_engines());
                }
            }
            for (component, prepack) in networks.slower() {
                self.report_unpacked(component, prepack, &mut context.reporter);
            }
            let chunks = self.memory.of(ComponentId::Transformer).rows.chunks.count();
            if chunks > 1 {
                let message =
                    format!("The transformer computes its tokens in {chunks} chunks, to save memory");
                context.reporter.optimization(message);
            }
            let preview = if has_preview { preview_map(self.loader(), context)? } else { None };
            Ok(Prepared { networks, preview })
        })
    }

    /// What `TensorRT` for RTX does before the first step, and how long that takes on two cores.
    fn about_engines(&self) -> String {
        let experts = 1 + usize::from(self.checkpoint.transformer_2.is_some());
        let blocks = experts * self.checkpoint.transformer.config.num_layers;
        let time = Secs((blocks as f64 * ENGINE_SECONDS_PER_BLOCK).max(1.0));
        format!(
            "TensorRT for RTX builds an engine of each component for this card when it is loaded, about {time} in all; the \
             kernels that it compiles are kept"
        )
    }

    /// Encodes what is given and runs the steps that `state` has not done yet. `after_step` is called after each.
    pub fn denoise(
        &self,
        prepared: &Prepared<'_>,
        inputs: Inputs<'_>,
        state: &mut DenoiseState,
        after_step: StepHook<'_>,
        context: &mut RunContext<'_>,
    ) -> Result<StepControl> {
        let end = self.run_steps(prepared, inputs, state, after_step, context);
        // for steps that do not come now
        context.sessions.drop_ahead();
        end
    }

    fn run_steps(
        &self,
        prepared: &Prepared<'_>,
        inputs: Inputs<'_>,
        state: &mut DenoiseState,
        after_step: StepHook<'_>,
        context: &mut RunContext<'_>,
    ) -> Result<StepControl> {
        let networks = &prepared.networks;
        let [high, low] = split(self.checkpoint, inputs.request, state.solver.timesteps());
        if inputs.request.boundary.is_some() && self.checkpoint.boundary_ratio.is_none() {
            let message = "The boundary has no effect: the model has one transformer, which runs every step";
            context.reporter.warn(message);
        }
        if state.solver.done() >= high + low {
            return Ok(StepControl::Continue);
        }
        let next = if state.solver.done() < high { Expert::High } else { Expert::Low };
        let (conditions, mut prefetch) = self.conditions(networks, inputs, next, context)?;
        let request = inputs.request;
        let phase = |expert, stage, steps, guidance| ExpertPhase {
            expert,
            stage,
            steps,
            guidance,
            strengths: self.loras.strengths(expert),
        };
        let phases = [
            phase(Expert::High, Stage::DenoiseHigh, 0..high, request.guidance),
            phase(Expert::Low, Stage::DenoiseLow, high..high + low, request.guidance_low),
        ];
        let mut preview = Preview::new(prepared.preview.clone());
        // what it keeps on the device is the same for both experts
        let mut guidance = None;
        for phase in &phases {
            if phase.steps.is_empty() || state.solver.done() >= phase.steps.end {
                continue;
            }
            let follows = phase.expert == Expert::High && low > 0;
            let mut following = follows.then(|| FollowingExpert::new(networks, self.memory));
            let mut hooks = StepHooks {
                preview: &mut preview,
                after_step: &mut *after_step,
                following: following.as_mut(),
            };
            let control = context.stage(phase.stage, |context| {
                let mut denoiser = networks.denoiser(phase.expert, phase.guidance, &mut guidance, context)?;
                let control = denoise(&mut denoiser, state, phase, &conditions, &mut hooks, context)?;
                denoiser.into_loaded().for_each(|loaded| networks.release(loaded, context));
                Ok(control)
            })?;
            if control == StepControl::Yield {
                return Ok(control);
            }
            if let Some(following) = following {
                prefetch = following.into_prefetch();
            }
        }
        if let Some(fraction) = preview.time_fraction() {
            context.reporter.note(format!("The previews took {:.1} % of the denoising", fraction * 100.0));
        }
        drop(prefetch);
        Ok(StepControl::Continue)
    }

    /// Decodes the final latent; `frames` takes each frame as it is decoded and may fail, as when a disk is full.
    pub fn decode(
        &self,
        prepared: &Prepared<'_>,
        inputs: Inputs<'_>,
        latent: &ArrayD<f32>,
        frames: FrameSink<'_>,
        context: &mut RunContext<'_>,
    ) -> Result<()> {
        let networks = &prepared.networks;
        context.stage(Stage::Decode, |context| {
            let mut decoder = networks.frame_decoder(self.loader().tile_cells(), context)?;
            if self.checkpoint.exported.is_none() {
                self.report_split(inputs.request, &mut context.reporter);
            }
            if is_learned(self.checkpoint) {
                let mut video = Vec::new();
                let mut keep = |frame| {
                    video.push(frame);
                    Ok(())
                };
                decoder.decode(latent, &mut keep, context)?;
                learn_preview(self.checkpoint, &video, latent, context.cache);
                video.into_iter().try_for_each(frames)?;
            } else {
                decoder.decode(latent, frames, context)?;
            }
            if let Some(loaded) = decoder.into_loaded() {
                networks.release(loaded, context);
            }
            Ok(())
        })?;
        // weights that are read in place are read until here
        self.checkpoint.check_unchanged()
    }

    pub(super) fn loader(&self) -> Loader<'_> {
        let Self { runtime, checkpoint, compute, memory, threads, profile, may_use_cpu, .. } = *self;
        Loader { runtime, checkpoint, compute, memory, threads, profile, may_use_cpu }
    }

    /// Reports that the weights of a component are not packed, which is slower.
    fn report_unpacked(&self, component: ComponentId, prepack: Prepack, reporter: &mut Reporter<'_>) {
        let weights = self.memory.of(component).weights;
        let (how, of) = match (prepack, self.compute.device.provider) {
            (Prepack::Streamed, Provider::Cuda) => {
                ("are streamed to the GPU in every pass, a block at a time", "its memory")
            }
            (Prepack::Streamed, _) => {
                ("are read from their files in every pass, a block at a time", "memory")
            }
            _ => ("are read from their files in place", "memory"),
        };
        let free = self.memory.available.map(|free| format!(", {free} of {of} are free")).unwrap_or_default();
        reporter.optimization(format!("The {component}'s weights {how} ({weights}{free})"));
    }

    /// Reports how the VAE decodes a frame, if not in one piece.
    fn report_split(&self, request: &GenRequest, reporter: &mut Reporter<'_>) {
        let stride = self.checkpoint.vae.config.scale_factor_spatial as usize;
        let cells = [request.size.height, request.size.width].map(|side| side as usize / stride);
        match self.memory.vae {
            VaeSplit::Whole => {}
            VaeSplit::Bands => reporter.optimization("The VAE decodes in bands of rows, without tiles"),
            VaeSplit::Tiles(_) => {
                let tiling = Tiling::new(cells, self.loader().tile_cells());
                let [height, width] = tiling.tile().map(|cells| cells * stride);
                let why = if request.vae_tile.is_some() { "as asked" } else { "to save memory" };
                reporter.optimization(format!(
                    "The VAE decodes in {} tiles of {width}x{height} pixels, {why}",
                    tiling.count()
                ));
            }
        }
    }

    fn starting_noise(&self, request: &GenRequest) -> Result<ArrayD<f32>> {
        let shape = self.latent_shape(request);
        let values = noise::standard_normal(request.seed, shape.iter().product());
        ArrayD::from_shape_vec(shape.to_vec(), values).map_err(|error| {
            Error::new(Kind::Bug, "The starting noise does not fill the latent").because(error)
        })
    }

    pub(super) fn latent_shape(&self, request: &GenRequest) -> [usize; 5] {
        let channels = self.checkpoint.vae.config.z_dim;
        self.checkpoint.strides().latent(channels, request.size, request.frames).dims()
    }
}
