//! The networks of one job, all built before anything runs, so that a tensor of the wrong shape is found at once.

use super::denoiser::Denoiser;
use super::device_guidance::DeviceGuidance;
use super::image_encoder::ImageEncoderSource;
use super::loader::Loader;
use super::network::Network;
use super::session_ahead::SessionAhead;
use super::session_cache::{LoadedSession, SessionKey};
use super::{FrameDecoder, PrefetchPlan, TextEncoder};
use crate::core::{Bytes, CancelToken, DeviceId, Expert, Guidance, Provider, Result};
use crate::engine::{Prepack, check_kernels};
use crate::onnx::{Dtype, GraphTarget};
use crate::pipeline::ahead::Ahead;
use crate::pipeline::context::RunContext;
use crate::pipeline::decode::DecoderInputs;
use crate::pipeline::loras::Loras;
use crate::pipeline::memory_plan::ComponentId;
use crate::wan::VaeSplit;
use crate::wan::exported::{Exported, ExportedGraph, Interface};
use crate::wan::graphs::{self, BandLimits, CacheSpec, CallNumber, Segments, StreamCall, TransformerForm};
use crate::wan::tiles::Tiling;
use crate::wan::{Component, TransformerConfig};

/// What of a request decides how its graphs are built.
#[derive(Clone, Copy, Debug)]
pub(in crate::pipeline) struct VideoShape {
    /// Whether a start image is given.
    pub(in crate::pipeline) has_start_image: bool,
    /// Frames, rows and columns of the latent.
    pub(in crate::pipeline) latent: [usize; 3],
}

/// The networks of one job. Sessions are acquired for a stage and released after it.
pub(in crate::pipeline) struct Networks<'a> {
    loader: Loader<'a>,
    text_encoder: Network<'a>,
    transformer: Network<'a>,
    transformer_2: Option<Network<'a>>,
    /// Where a start image is given.
    image_encoder: Option<ImageEncoderSource<'a>>,
    decoder: Network<'a>,
    /// The decoder of the first latent frame, where it has a graph of its own.
    first_decoder: Option<Network<'a>>,
    decoder_caches: Vec<CacheSpec>,
    decoder_numbers: Vec<CallNumber>,
}

impl<'a> Networks<'a> {
    /// Builds the graphs of a job and checks that the provider has their kernels. Drops the loaded sessions that the
    /// job does not use.
    pub(in crate::pipeline) fn build(
        loader: Loader<'a>,
        loras: &Loras,
        shape: VideoShape,
        context: &mut RunContext<'_>,
    ) -> Result<Self> {
        let networks = match &loader.checkpoint.exported {
            Some(exported) => Self::exported(loader, exported, shape.has_start_image),
            None => Self::built(loader, loras, shape, context.cancel)?,
        };
        let networks = networks.on_both(loader.compute.second.as_ref().map(|second| &second.id));
        let provider = loader.compute.device.provider;
        networks.all().flat_map(Network::graphs).try_for_each(|graph| check_kernels(graph, provider))?;
        let keys: Vec<SessionKey> = networks.all().flat_map(Network::keys).cloned().collect();
        context.sessions.begin(loader.memory, &keys);
        networks.check_bfloat16(context)?;
        Ok(networks)
    }

    fn exported(loader: Loader<'a>, exported: &'a Exported, has_start_image: bool) -> Self {
        let model = loader.checkpoint;
        let network = |component, graph: &'a ExportedGraph, interface: &Interface| {
            let output = interface.output_name(&graph.signature);
            Network::exported(component, graph, output, loader.options(component))
        };
        let transformer = Interface::transformer(&model.transformer.config);
        let image_encoder = ImageEncoderSource::exported(loader).filter(|_| has_start_image);
        let (text, vae) = (&model.text_encoder.config, &model.vae.config);
        Self {
            loader,
            text_encoder: network(
                ComponentId::TextEncoder,
                &exported.text_encoder,
                &Interface::text_encoder(text),
            ),
            transformer: network(ComponentId::Transformer, &exported.transformer, &transformer),
            transformer_2: exported
                .transformer_2
                .as_ref()
                .map(|graph| network(ComponentId::Transformer2, graph, &transformer)),
            image_encoder,
            decoder: network(ComponentId::VaeDecoder, &exported.vae_decoder, &Interface::vae_decoder(vae)),
            first_decoder: None,
            decoder_caches: Vec::new(),
            decoder_numbers: Vec::new(),
        }
    }

    fn built(loader: Loader<'a>, loras: &Loras, shape: VideoShape, cancel: &CancelToken) -> Result<Self> {
        let (model, compute) = (loader.checkpoint, loader.compute);
        let VideoShape { has_start_image, latent } = shape;
        let cells = [latent[1], latent[2]];
        let tile = Tiling::new(cells, loader.tile_cells()).tile();
        let segments = if has_start_image && model.expand_timesteps { Segments::Two } else { Segments::One };
        let target = |precision| GraphTarget { provider: compute.device.provider, compute: precision };
        let transformer = |component, part: &Component<TransformerConfig>, expert| -> Result<Network<'a>> {
            let (config, weights) = (&part.config, &part.weights);
            let adapters = loras.adapters(expert, weights, cancel)?;
            let sizes = graphs::transformer_sizes(config, latent);
            let (target, options) = (target(compute.transformer), loader.options_for(component, sizes));
            let form = TransformerForm { segments, row_chunks: loader.memory.of(component).rows.chunks };
            if options.prepack == Prepack::Streamed {
                let chain = graphs::streamed_transformer(config, weights, form, target, &adapters)?;
                return Ok(Network::streamed(component, chain, options));
            }
            let graph = graphs::adapted_transformer(config, weights, form, target, &adapters)?;
            Ok(Network::built(component, graph, options))
        };
        let (text, vae) = (&model.text_encoder, &model.vae);
        let text_target = target(compute.text);
        let options = loader.options_for(ComponentId::TextEncoder, graphs::text_encoder_sizes());
        let text_encoder = if options.prepack == Prepack::Streamed {
            let chain = graphs::streamed_text_encoder(&text.config, &text.weights, text_target)?;
            Network::streamed(ComponentId::TextEncoder, chain, options)
        } else {
            let graph = graphs::text_encoder(&text.config, &text.weights, text_target)?;
            Network::built(ComponentId::TextEncoder, graph, options)
        };
        let in_bands = loader.memory.vae == VaeSplit::Bands;
        let bands = in_bands.then_some(cells);
        let image_encoder =
            has_start_image.then(|| ImageEncoderSource::built(loader, bands, tile)).transpose()?;
        let in_bands = |call| {
            let limits = BandLimits::default();
            graphs::vae_decoder_in_bands(&vae.config, &vae.weights, cells, call, limits)
        };
        let decoder = if bands.is_some() {
            in_bands(StreamCall::Later)?
        } else if has_byte_frames(loader.memory.vae, compute.device.provider) {
            graphs::vae_decoder_in_bytes(&vae.config, &vae.weights, target(compute.vae))?
        } else {
            graphs::vae_decoder(&vae.config, &vae.weights, target(compute.vae))?
        };
        let first = bands.map(|_| in_bands(StreamCall::First)).transpose()?;
        let sizes = graphs::vae_decoder_sizes(&vae.config, &decoder.numbers, tile);
        let options = loader.options_for(ComponentId::VaeDecoder, sizes);
        let network = |graph| Network::built(ComponentId::VaeDecoder, graph, options.clone());
        let second = model.transformer_2.as_ref();
        Ok(Self {
            loader,
            text_encoder,
            transformer: transformer(ComponentId::Transformer, &model.transformer, Expert::High)?,
            transformer_2: second
                .map(|part| transformer(ComponentId::Transformer2, part, Expert::Low))
                .transpose()?,
            image_encoder,
            decoder: network(decoder.graph),
            first_decoder: first.map(|first| network(first.graph)),
            decoder_caches: decoder.caches,
            decoder_numbers: decoder.numbers,
        })
    }

    /// With the transformers on a second device, too.
    fn on_both(self, second: Option<&DeviceId>) -> Self {
        Self {
            transformer: self.transformer.with_second(second),
            transformer_2: self.transformer_2.map(|network| network.with_second(second)),
            ..self
        }
    }

    fn all(&self) -> impl Iterator<Item = &Network<'a>> {
        [&self.text_encoder, &self.transformer, &self.decoder]
            .into_iter()
            .chain(&self.transformer_2)
            .chain(&self.first_decoder)
            .chain(self.image_encoder.iter().flat_map(ImageEncoderSource::networks))
    }

    /// Finds out before the work whether exported files in bfloat16 run on the CPU: ONNX Runtime has hardly any such
    /// kernels there, and says so when it loads a file.
    fn check_bfloat16(&self, context: &RunContext<'_>) -> Result<()> {
        if self.loader.compute.device.provider != Provider::Cpu {
            return Ok(());
        }
        let is_bfloat16 =
            |network: &&Network<'a>| network.file().is_some_and(|file| file.short() == Some(Dtype::Bf16));
        let unknown = |network: &&Network<'a>| !context.sessions.contains(&network.key);
        self.all().filter(is_bfloat16).filter(unknown).try_for_each(|network| {
            network.load(self.loader.runtime, &network.options, context.cancel).map(drop)
        })
    }

    /// The components whose weights are read from their files in every pass, where that is slower: a text encoder in place is
    /// not.
    pub(in crate::pipeline) fn slower(&self) -> impl Iterator<Item = (ComponentId, Prepack)> {
        let is_slower = |network: &&Network<'_>| match network.options.prepack {
            Prepack::Packed => false,
            Prepack::InPlace => network.component == ComponentId::Transformer,
            Prepack::Streamed => true,
        };
        let networks = [&self.text_encoder, &self.transformer].into_iter();
        let built = networks.filter(|network| network.file().is_none()).filter(is_slower);
        built.map(|network| (network.component, network.options.prepack))
    }

    /// Tells what the text encoder computes from what another one does.
    pub(in crate::pipeline) fn text_identity(&self) -> String {
        match self.text_encoder.file() {
            None => self.loader.checkpoint.text_encoder.identity(),
            Some(graph) => graph.identity(),
        }
    }

    /// The text encoder, ready to run.
    pub(in crate::pipeline) fn text_encoder(&self, context: &mut RunContext<'_>) -> Result<TextEncoder<'a>> {
        Ok(TextEncoder::new(self.loader.acquire(&self.text_encoder, context)?, self.text_encoder.file()))
    }

    /// What can be read in advance before the first step: the text encoder, if it is needed first, and as much as fits
    /// beside it of the expert's transformer.
    pub(in crate::pipeline) fn prefetch_first(
        &self,
        expert: Expert,
        needs_encoder: bool,
        context: &RunContext<'_>,
    ) -> Option<PrefetchPlan> {
        let encoder = Some(&self.text_encoder).filter(|_| needs_encoder);
        let beside = encoder.map(|network| network.component);
        let unread = encoder.filter(|network| !context.sessions.contains(&network.key));
        let text =
            unread.and_then(Network::graph).map(|graph| graph.weight_ranges(graphs::is_embedding_table));
        let transformer = self.prefetch(expert, beside, context);
        PrefetchPlan::one_after_the_other(text.unwrap_or_default(), transformer)
    }

    /// What of an expert's transformer can be read in advance while `beside` computes: as much as fits beside it.
    pub(in crate::pipeline) fn prefetch(
        &self,
        expert: Expert,
        beside: Option<ComponentId>,
        context: &RunContext<'_>,
    ) -> Option<PrefetchPlan> {
        let network = self.transformer_of(expert);
        if context.sessions.contains(&network.key) || beside == Some(network.component) {
            return None;
        }
        let memory = self.loader.memory;
        let taken = beside.map_or(Bytes(0), |component| memory.of(component).weights);
        let room = memory.available.map_or(u64::MAX, |available| {
            available.0.saturating_sub(memory.reserve.0).saturating_sub(taken.0)
        });
        Some(PrefetchPlan { ranges: network.graph()?.weight_ranges(|_| false), limit: Bytes(room) })
    }

    /// Starts to make the session of an expert's transformer while all of `beside` compute, one after the other, if it is
    /// not loaded and if there is memory for both, and reports either. `when` says when that is.
    pub(in crate::pipeline) fn make_ahead(
        &self,
        expert: Expert,
        beside: &[ComponentId],
        when: &str,
        context: &mut RunContext<'_>,
    ) {
        let network = self.transformer_of(expert);
        let Some(graph) = network.shared_graph() else { return };
        if context.cancel.is_cancelled() || context.sessions.contains(&network.key) {
            return;
        }
        let Loader { memory, runtime, .. } = self.loader;
        let component = network.component;
        match memory.ahead(component, beside) {
            Ahead::No => {}
            Ahead::Short { needed, room } => context.reporter.note(format!(
                "The {component} is not loaded {when}: {needed} needed for both, {room} may be used"
            )),
            Ahead::Fits(made) => {
                let Some(ahead) = SessionAhead::start(network, graph, runtime, made, context.cancel) else {
                    return;
                };
                context.sessions.put_ahead(ahead);
                context.reporter.optimization(format!("The {component} is loaded {when}"));
            }
        }
    }

    fn transformer_of(&self, expert: Expert) -> &Network<'a> {
        match (expert, &self.transformer_2) {
            (Expert::Low, Some(second)) => second,
            _ => &self.transformer,
        }
    }

    /// The transformer of an expert, ready to run; the only one stands for both. With guidance, on the second device, too;
    /// else `here` is loaded where it has a use, and not yet.
    pub(in crate::pipeline) fn denoiser<'g>(
        &self,
        expert: Expert,
        guidance: Guidance,
        here: &'g mut Option<DeviceGuidance>,
        context: &mut RunContext<'_>,
    ) -> Result<Denoiser<'g>> {
        let network = self.transformer_of(expert);
        let first = self.loader.acquire(network, context)?;
        let second = if guidance.enabled() { self.loader.acquire_second(network, context)? } else { None };
        let in_one_piece = self.loader.memory.of(network.component).rows.in_one_piece;
        if second.is_none() && here.is_none() {
            *here = DeviceGuidance::load(&self.loader, context.cancel)?;
        }
        let here = here.as_mut().filter(|_| second.is_none());
        Ok(Denoiser::new(first, second, here, network.file(), in_one_piece))
    }

    /// The VAE decoder, ready to run. `tile` is the size of its tiles in latent cells.
    pub(in crate::pipeline) fn frame_decoder(
        &self,
        tile: Option<usize>,
        context: &mut RunContext<'_>,
    ) -> Result<FrameDecoder<'_>> {
        if let Some(first) = &self.first_decoder {
            let networks = [first, &self.decoder];
            return Ok(FrameDecoder::Bands { loader: self.loader, networks, later: None });
        }
        let loaded = self.loader.acquire(&self.decoder, context)?;
        let config = &self.loader.checkpoint.vae.config;
        Ok(match self.decoder.file() {
            None => {
                let others = DecoderInputs { caches: &self.decoder_caches, numbers: &self.decoder_numbers };
                FrameDecoder::Stream { loaded, others, tile }
            }
            Some(graph) => FrameDecoder::Whole { loaded, graph, config },
        })
    }

    /// What encodes images, if a start image is given.
    pub(in crate::pipeline) fn image_encoder(&self) -> Option<&ImageEncoderSource<'a>> {
        self.image_encoder.as_ref()
    }

    /// Takes back what a stage does not need any more.
    pub(in crate::pipeline) fn release(
        &self,
        network: impl Into<LoadedSession>,
        context: &mut RunContext<'_>,
    ) {
        self.loader.release(network.into(), context);
    }
}

/// Whether a decoder's frames have colours of 8 bits when they leave the device: tiles are blended in fp32 first, and some
/// providers compile a graph or lack a kernel for bytes.
fn has_byte_frames(split: VaeSplit, provider: Provider) -> bool {
    split == VaeSplit::Whole && matches!(provider, Provider::Cpu | Provider::Cuda)
}
