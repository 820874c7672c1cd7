//! The stages of one job, each of which can be repeated; each network is loaded for its stage and dropped after it.

use ndarray::{Array2, ArrayD};

use super::cache::TensorCache;
use super::compute_plan::ComputePlan;
use super::conditions::EncoderSource;
use super::decode::{FrameSink, decode};
use super::denoise::{
    Conditions, DenoiseState, ExpertPhase, StepControl, StepHook, StepHooks, Transformer, denoise,
};
use super::encode_image::{ImageCondition, InputImages};
use super::exported::{self, Decoder, Network, TimestepForm};
use super::loras::Loras;
use super::preview::{Preview, PreviewMap};
use super::reporter::Reporter;
use crate::core::{
    Bytes, CancelToken, Error, Event, Expert, FaultPoint, Faults, GenRequest, Kind, Resolution, Result,
    Stage, WeightsChoice,
};
use crate::engine::{Prepack, Provider, Runtime, Scratch, Session, SessionOptions, check_kernels};
use crate::onnx::{Dtype, Graph};
use crate::wan::exported::{Exported, ExportedGraph, Interface};
use crate::wan::graphs::{self, Segments};
use crate::wan::schedule::Solver;
use crate::wan::tiles::Tiling;
use crate::wan::{Checkpoint, Component, TransformerConfig, noise, rope, vae_cost};

/// Training timesteps; a boundary ratio is a share of them.
const TRAIN_STEPS: f32 = 1000.0;

/// What a job runs on.
pub struct Pipeline<'a> {
    /// ONNX Runtime.
    pub runtime: &'a Runtime,
    /// The model.
    pub checkpoint: &'a Checkpoint,
    /// What changes its transformers.
    pub loras: &'a Loras,
    /// What runs the graphs, and in which types.
    pub computation: &'a ComputePlan,
    /// Threads of one operation; 0 lets ONNX Runtime take all cores.
    pub threads: usize,
    /// Where the weights shall be.
    pub weights: WeightsChoice,
    /// Edge of the VAE's tiles in pixels; chosen by the picture's size if none.
    pub vae_tile: Option<u32>,
    /// Memory for weights and all else, if known.
    pub free_memory: Option<Bytes>,
    /// Faults made on purpose.
    pub faults: &'a Faults,
}

/// A job's graphs, ready to be loaded one after the other.
pub struct Prepared<'a> {
    graphs: Graphs<'a>,
    map: Option<PreviewMap>,
}

/// The graphs of a job, built before anything runs, so that a tensor of the wrong shape is found at once.
struct Graphs<'a> {
    text: Network<'a>,
    transformer: Network<'a>,
    transformer_2: Option<Network<'a>>,
    /// Where there are pictures.
    encoder: Option<EncoderSource<'a>>,
    decoder: Decoder<'a>,
}

/// Steps of the high-noise and of the low-noise expert.
pub fn denoise_steps(checkpoint: &Checkpoint, request: &GenRequest) -> [usize; 2] {
    split(checkpoint, solver(request).timesteps())
}

fn solver(request: &GenRequest) -> Solver {
    match &request.step_list {
        Some(list) => Solver::with_sigmas(request.sampler, &list.sigmas()),
        None => Solver::new(request.sampler, request.steps, request.shift),
    }
}

fn split(checkpoint: &Checkpoint, timesteps: &[f32]) -> [usize; 2] {
    let boundary = checkpoint.boundary_ratio.map_or(0.0, |ratio| ratio * TRAIN_STEPS);
    let high = timesteps.iter().filter(|&&timestep| timestep >= boundary).count();
    [high, timesteps.len() - high]
}

impl Pipeline<'_> {
    /// The state that denoising starts from: noise, at the first step.
    pub fn start(&self, request: &GenRequest) -> Result<DenoiseState> {
        Ok(DenoiseState { latent: self.starting_noise(request)?, solver: solver(request) })
    }

    /// Builds every graph of the job, so that what does not fit is found before anything runs.
    ///
    /// `watched` is where the preview's map is kept, if somebody watches.
    pub fn prepare(
        &self,
        request: &GenRequest,
        pictures: &InputImages,
        watched: Option<&mut dyn TensorCache>,
        story: &mut Reporter<'_>,
        cancel: &CancelToken,
    ) -> Result<Prepared<'_>> {
        story.stage(Stage::Prepare, |story| {
            exported::check(self.checkpoint, request, self.latent_shape(request))?;
            let graphs = self.graphs(pictures)?;
            self.check_kernels(&graphs)?;
            self.check_bfloat16(cancel)?;
            if let (Network::Built(graph), Provider::Cpu) = (&graphs.transformer, self.computation.provider) {
                self.tell_prepacking(graph, story);
            }
            if self.computation.provider != Provider::Cpu {
                let ComputePlan { provider, reason, .. } = self.computation;
                story.tell(Event::Note { message: format!("Runs on {provider}: {reason}") });
            }
            let map = match watched {
                Some(cache) => self.preview_map(cache, (story, cancel))?,
                None => None,
            };
            Ok(Prepared { graphs, map })
        })
    }

    /// Encodes what is given and runs the steps that `state` has not done yet. `gate` is asked after each.
    pub fn denoise(
        &self,
        prepared: &Prepared<'_>,
        (request, pictures): (&GenRequest, &InputImages),
        state: &mut DenoiseState,
        (cache, gate): (&mut dyn TensorCache, StepHook<'_>),
        (story, cancel): (&mut Reporter<'_>, &CancelToken),
    ) -> Result<StepControl> {
        let graphs = &prepared.graphs;
        let [high, low] = split(self.checkpoint, state.solver.timesteps());
        if state.solver.done() >= high + low {
            return Ok(StepControl::Continue);
        }
        let conditions = self.conditions(graphs, request, pictures, cache, (story, cancel))?;
        let shares = [
            (
                &graphs.transformer,
                ExpertPhase {
                    stage: Stage::DenoiseHigh,
                    steps: 0..high,
                    guidance: request.guidance,
                    strengths: self.loras.strengths(Expert::High),
                },
            ),
            (
                graphs.transformer_2.as_ref().unwrap_or(&graphs.transformer),
                ExpertPhase {
                    stage: Stage::DenoiseLow,
                    steps: high..high + low,
                    guidance: request.guidance_low,
                    strengths: self.loras.strengths(Expert::Low),
                },
            ),
        ];
        let mut preview = Preview::new(prepared.map.clone());
        let mut watch = StepHooks { preview: &mut preview, gate, faults: self.faults };
        for (graph, share) in &shares {
            if share.steps.is_empty() || state.solver.done() >= share.steps.end {
                continue;
            }
            let flow = story.stage(share.stage, |story| {
                let mut transformer = self.transformer(graph, cancel)?;
                denoise(&mut transformer, state, &mut watch, share, &conditions, (story, cancel))
            })?;
            if flow == StepControl::Yield {
                return Ok(flow);
            }
        }
        if let Some(share) = preview.share() {
            let message = format!("The previews took {:.1} % of the denoising", share * 100.0);
            story.tell(Event::Note { message });
        }
        Ok(StepControl::Continue)
    }

    fn conditions(
        &self,
        graphs: &Graphs<'_>,
        request: &GenRequest,
        pictures: &InputImages,
        cache: &mut dyn TensorCache,
        (story, cancel): (&mut Reporter<'_>, &CancelToken),
    ) -> Result<Conditions> {
        let (prompt, negative) =
            story.stage(Stage::Text, |story| self.texts(request, &graphs.text, cache, (story, cancel)))?;
        let image = match &graphs.encoder {
            Some(encoder) => story.stage(Stage::Image, |story| {
                self.image_condition(encoder, request, pictures, cache, (story, cancel))
            })?,
            None => ImageCondition::None,
        };
        let rope = self.rope(request)?;
        let frame_tokens = rope.0.nrows() / self.latent_shape(request)[2];
        Ok(Conditions { prompt, negative, image, rope, frame_tokens })
    }

    /// Decodes the final latent; `frames` takes each frame as it is decoded and may fail, as when a disk is full.
    ///
    /// `cache` keeps what the previews of later runs learn from the video, where there is no encoder to fit them to.
    pub fn decode(
        &self,
        prepared: &Prepared<'_>,
        latent: &ArrayD<f32>,
        (cache, frames): (&mut dyn TensorCache, FrameSink<'_>),
        (story, cancel): (&mut Reporter<'_>, &CancelToken),
    ) -> Result<()> {
        let decoder = &prepared.graphs.decoder;
        let to = (cache, frames);
        story.stage(Stage::Decode, |story| self.decode_with(decoder, latent, to, (story, cancel)))?;
        // weights that are read in place are read until here
        self.checkpoint.check_unchanged()
    }

    fn graphs(&self, pictures: &InputImages) -> Result<Graphs<'_>> {
        let model = self.checkpoint;
        if let Some(exported) = &model.exported {
            return Ok(Graphs {
                text: Network::Exported(&exported.text_encoder),
                transformer: Network::Exported(&exported.transformer),
                transformer_2: exported.transformer_2.as_ref().map(Network::Exported),
                encoder: exported
                    .vae_encoder
                    .as_ref()
                    .filter(|_| pictures.first.is_some())
                    .map(EncoderSource::Exported),
                decoder: Decoder::Exported(&exported.vae_decoder),
            });
        }
        let starts_from_image = pictures.first.is_some();
        let segments =
            if starts_from_image && model.expand_timesteps { Segments::Two } else { Segments::One };
        let computation = self.computation;
        let transformer = |part: &Component<TransformerConfig>, expert| {
            let adapters = self.loras.adapters(expert);
            let form = (segments, computation.transformer);
            graphs::adapted_transformer(&part.config, &part.weights, form, &adapters)
                .map(|graph| Network::Built(Box::new(graph)))
        };
        let second = model.transformer_2.as_ref();
        let (text, vae) = (&model.text_encoder, &model.vae);
        let text = graphs::text_encoder(&text.config, &text.weights, computation.text)?;
        let encoder = starts_from_image.then(|| self.encoder_graphs()).transpose()?;
        let decoder = graphs::vae_decoder(&vae.config, &vae.weights, computation.vae)?;
        Ok(Graphs {
            text: Network::Built(Box::new(text)),
            transformer: transformer(&model.transformer, Expert::High)?,
            transformer_2: second.map(|part| transformer(part, Expert::Low)).transpose()?,
            encoder: encoder.map(|graphs| EncoderSource::Stream(Box::new(graphs))),
            decoder: Decoder::Stream(Box::new(decoder)),
        })
    }

    /// Finds out before anything is loaded what the provider lacks a kernel for.
    fn check_kernels(&self, graphs: &Graphs<'_>) -> Result<()> {
        let networks = [Some(&graphs.text), Some(&graphs.transformer), graphs.transformer_2.as_ref()];
        let decoder = match &graphs.decoder {
            Decoder::Stream(stream) => Some(&stream.graph),
            Decoder::Exported(_) => None,
        };
        let streams = match &graphs.encoder {
            Some(EncoderSource::Stream(streams)) => &streams[..],
            _ => &[],
        };
        let encoders = streams.iter().map(|stream| &stream.graph);
        let mut all = networks.into_iter().flatten().filter_map(built).chain(encoders).chain(decoder);
        all.try_for_each(|graph| check_kernels(graph, self.computation.provider))
    }

    /// Finds out before the work whether files in bfloat16 run on the CPU: ONNX Runtime has hardly any
    /// such kernels there, and says so when it opens a file.
    fn check_bfloat16(&self, cancel: &CancelToken) -> Result<()> {
        let exported = self.checkpoint.exported.iter().filter(|_| self.computation.provider == Provider::Cpu);
        let mut graphs =
            exported.flat_map(Exported::graphs).filter(|graph| graph.short() == Some(Dtype::Bf16));
        graphs.try_for_each(|graph| {
            let output = &graph.signature.outputs.first().map_or("", |value| &value.name);
            self.open_for(graph, output, cancel).map(drop)
        })
    }

    pub(super) fn load(&self, graph: &Graph, cancel: &CancelToken) -> Result<Session> {
        self.load_with(graph, Scratch::default(), cancel)
    }

    /// A session of one of the VAE's streams, whose values are too large to be kept between operations.
    pub(super) fn load_stream(&self, graph: &Graph, cancel: &CancelToken) -> Result<Session> {
        self.load_with(graph, Scratch::Returned, cancel)
    }

    fn load_with(&self, graph: &Graph, scratch: Scratch, cancel: &CancelToken) -> Result<Session> {
        cancel.check()?;
        self.faults.inject(FaultPoint::Load, cancel)?;
        let prepack = self.prepack(graph.computed_bytes());
        let options =
            SessionOptions { threads: self.threads, prepack, scratch, ..self.computation.options() };
        // offsets into a file that is another by now would give other numbers, or none
        self.checkpoint.check_unchanged()?;
        let session = Session::load(self.runtime, graph, options, cancel);
        cancel.check()?;
        self.checkpoint.check_unchanged()?;
        session
    }

    fn prepack(&self, weights: Bytes) -> Prepack {
        Prepack::choose(self.weights, (weights, self.checkpoint.quantisation()), self.free_memory)
    }

    /// Says so if the weights of the largest network are not packed, which is slower.
    fn tell_prepacking(&self, transformer: &Graph, story: &mut Reporter<'_>) {
        let weights = transformer.computed_bytes();
        if self.prepack(weights) == Prepack::Packed {
            return;
        }
        let free = self.free_memory.map(|free| format!(", {free} of memory are free")).unwrap_or_default();
        let message =
            format!("The transformer's weights are read from their files in place ({weights}{free})");
        story.optimizations.push(message.clone());
        story.tell(Event::Note { message });
    }

    /// Edge of the VAE's tiles in latent cells, for a picture of `size`; none if it stays in one piece.
    pub(super) fn tile_cells(&self, size: Resolution) -> Option<usize> {
        let config = &self.checkpoint.vae.config;
        let edge = vae_cost::tile_size(config, size, self.vae_tile)?;
        Some((edge / config.scale_factor_spatial.max(1)) as usize)
    }

    /// [`Self::tile_cells`], and says so where the picture is cut.
    fn tell_tiles(&self, size: Resolution, story: &mut Reporter<'_>) -> Option<usize> {
        let edge = self.tile_cells(size)?;
        let stride = self.checkpoint.vae.config.scale_factor_spatial as usize;
        let cells = [size.height, size.width].map(|side| side as usize / stride);
        let tiling = Tiling::new(cells, Some(edge));
        let [height, width] = tiling.tile().map(|cells| cells * stride);
        let why = if self.vae_tile.is_some() { "as asked" } else { "to save memory and to stop at once" };
        let message =
            format!("The VAE decodes in {} tiles of {width}x{height} pixels, {why}", tiling.count());
        story.optimizations.push(message.clone());
        story.tell(Event::Note { message });
        Some(edge)
    }

    /// A session of an exported file.
    pub(super) fn open(
        &self,
        graph: &ExportedGraph,
        wanted: &Interface,
        cancel: &CancelToken,
    ) -> Result<Session> {
        self.open_for(graph, wanted.output_name(&graph.signature).unwrap_or_default(), cancel)
    }

    fn open_for(&self, graph: &ExportedGraph, output: &str, cancel: &CancelToken) -> Result<Session> {
        cancel.check()?;
        let options = SessionOptions { threads: self.threads, ..self.computation.options() };
        Session::open(self.runtime, (graph.name, &graph.path), output, options, cancel)
            .map_err(|error| exported::refused(error, graph, options.provider))
    }

    fn transformer(&self, network: &Network<'_>, cancel: &CancelToken) -> Result<Transformer> {
        Ok(match network {
            Network::Built(graph) => Transformer::Built(self.load(graph, cancel)?),
            Network::Exported(graph) => {
                let wanted = Interface::transformer(&self.checkpoint.transformer.config);
                Transformer::Exported(self.open(graph, &wanted, cancel)?, TimestepForm::of(graph))
            }
        })
    }

    fn starting_noise(&self, request: &GenRequest) -> Result<ArrayD<f32>> {
        let shape = self.latent_shape(request);
        let values = noise::standard_normal(request.seed, shape.iter().product());
        ArrayD::from_shape_vec(shape.to_vec(), values).map_err(|error| {
            Error::new(Kind::Bug, "The starting noise does not fill the latent").because(error)
        })
    }

    fn latent_shape(&self, request: &GenRequest) -> [usize; 5] {
        let channels = self.checkpoint.vae.config.z_dim;
        self.checkpoint.strides().latent(channels, request.size, request.frames).dims()
    }

    fn rope(&self, request: &GenRequest) -> Result<(Array2<f32>, Array2<f32>)> {
        let config = &self.checkpoint.transformer.config;
        let [_, _, t, h, w] = self.latent_shape(request);
        let [pt, ph, pw] = config.patch_size;
        let (cos, sin) = rope::tables(t / pt, h / ph, w / pw, config.attention_head_dim);
        let columns = config.attention_head_dim / 2;
        let table = |values: Vec<f32>| {
            Array2::from_shape_vec((values.len() / columns, columns), values)
                .map_err(|error| Error::new(Kind::Bug, "A rotary table has a ragged edge").because(error))
        };
        Ok((table(cos)?, table(sin)?))
    }

    fn decode_with(
        &self,
        decoder: &Decoder<'_>,
        latent: &ArrayD<f32>,
        (cache, frames): (&mut dyn TensorCache, FrameSink<'_>),
        (story, cancel): (&mut Reporter<'_>, &CancelToken),
    ) -> Result<()> {
        let config = &self.checkpoint.vae.config;
        match decoder {
            Decoder::Stream(stream) => {
                let mut session = self.load_stream(&stream.graph, cancel)?;
                let stride = config.scale_factor_spatial;
                let [height, width] =
                    [latent.shape()[3], latent.shape()[4]].map(|cells| cells as u32 * stride);
                let edge = self.tell_tiles(Resolution::new(width, height), story);
                decode((&mut session, &stream.caches), latent, edge, frames, (story, cancel))
            }
            Decoder::Exported(graph) => {
                let mut session = self.open(graph, &Interface::vae_decoder(config), cancel)?;
                let video = exported::decode(&mut session, (graph, config), latent, (story, cancel))?;
                self.learn_preview(&video, latent, cache);
                video.into_iter().try_for_each(frames)
            }
        }
    }
}

fn built<'n>(network: &'n Network<'_>) -> Option<&'n Graph> {
    match network {
        Network::Built(graph) => Some(graph),
        Network::Exported(_) => None,
    }
}
