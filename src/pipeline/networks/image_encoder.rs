//! The VAE encoder: images to latents.

use ndarray::{ArrayD, Axis, concatenate};

use super::loader::Loader;
use super::network::Network;
use crate::core::{Error, Frame, Kind, Result};
use crate::engine::Session;
use crate::onnx::GraphTarget;
use crate::pipeline::context::RunContext;
use crate::pipeline::encode_image::{Given, InputImages, mask};
use crate::pipeline::encode_stream::StreamEncoder;
use crate::pipeline::encode_whole::WholeEncoder;
use crate::pipeline::memory_plan::ComponentId;
use crate::wan::exported::{ExportedGraph, Interface};
use crate::wan::graphs::{self, BandLimits, CacheSpec, StreamCall};

/// Where a VAE encoder comes from.
pub(in crate::pipeline) struct ImageEncoderSource<'a> {
    loader: Loader<'a>,
    form: Form<'a>,
}

enum Form<'a> {
    /// Two graphs: for the first frame, and for those after it.
    Stream { networks: Box<[Network<'a>; 2]>, caches: Vec<CacheSpec>, in_bands: bool },
    /// An exported one, which takes the whole clip.
    Whole { network: Network<'a>, graph: &'a ExportedGraph },
}

/// A VAE encoder, which is loaded when it is used.
pub(in crate::pipeline) enum ImageEncoder<'a> {
    /// Of graphs that were built here.
    Stream(StreamEncoder<'a>),
    /// Of an exported file.
    Whole(WholeEncoder<'a>),
}

impl<'a> ImageEncoderSource<'a> {
    /// Builds its graphs for latents of `cells`, or tiles of them. They compute in bands if the size of the whole latent is
    /// given.
    pub(super) fn built(loader: Loader<'a>, bands: Option<[usize; 2]>, cells: [usize; 2]) -> Result<Self> {
        let vae = &loader.checkpoint.vae;
        let sizes = graphs::vae_encoder_sizes(&vae.config, cells);
        let options = loader.options_for(ComponentId::VaeEncoder, sizes);
        let stride = vae.config.scale_factor_spatial.max(1) as usize;
        let target = GraphTarget { provider: loader.compute.device.provider, compute: loader.compute.vae };
        let graph = |call| match bands {
            Some(cells) => {
                let size = cells.map(|side| side * stride);
                let limits = BandLimits::default();
                graphs::vae_encoder_in_bands(&vae.config, &vae.weights, size, call, limits)
            }
            None => graphs::vae_encoder(&vae.config, &vae.weights, call, target),
        };
        let (first, later) = (graph(StreamCall::First)?, graph(StreamCall::Later)?);
        let caches = first.caches;
        let networks = [first.graph, later.graph]
            .map(|graph| Network::built(ComponentId::VaeEncoder, graph, options.clone()));
        let in_bands = bands.is_some();
        Ok(Self { loader, form: Form::Stream { networks: Box::new(networks), caches, in_bands } })
    }

    /// The exported file, if the model has one.
    pub(super) fn exported(loader: Loader<'a>) -> Option<Self> {
        let graph = loader.checkpoint.exported.as_ref()?.vae_encoder.as_ref()?;
        let interface = Interface::vae_encoder(&loader.checkpoint.vae.config);
        let output = interface.output_name(&graph.signature);
        let options = loader.options(ComponentId::VaeEncoder);
        let network = Network::exported(ComponentId::VaeEncoder, graph, output, options);
        Some(Self { loader, form: Form::Whole { network, graph } })
    }

    /// The encoder of the model for images of `cells`, whether or not one is given; none if it was exported without.
    pub(in crate::pipeline) fn of(loader: Loader<'a>, cells: [usize; 2]) -> Result<Option<Self>> {
        match &loader.checkpoint.exported {
            None => Self::built(loader, None, cells).map(Some),
            Some(_) => Ok(Self::exported(loader)),
        }
    }

    pub(super) fn networks(&self) -> &[Network<'a>] {
        match &self.form {
            Form::Stream { networks, .. } => &networks[..],
            Form::Whole { network, .. } => std::slice::from_ref(network),
        }
    }

    /// The file that it was exported into, if it was.
    pub(in crate::pipeline) fn file(&self) -> Option<&'a ExportedGraph> {
        match &self.form {
            Form::Stream { .. } => None,
            Form::Whole { graph, .. } => Some(graph),
        }
    }

    /// Tells what it computes from what another one does.
    pub(in crate::pipeline) fn identity(&self) -> String {
        let vae = self.loader.checkpoint.vae.identity();
        vae + &self.file().map(ExportedGraph::identity).unwrap_or_default()
    }

    /// Does `work` with the encoder, in tiles of `tile` latent cells where it takes tiles.
    pub(in crate::pipeline) fn with<R>(
        &self,
        tile: Option<usize>,
        work: impl FnOnce(&ImageEncoder<'_>) -> Result<R>,
    ) -> Result<R> {
        let config = &self.loader.checkpoint.vae.config;
        let acquire = |network: &Network<'_>, context: &mut RunContext<'_>| -> Result<Session> {
            self.loader.acquire(network, context)?.into_whole()
        };
        match &self.form {
            Form::Stream { networks, caches, in_bands } => {
                let [first, later] = &**networks;
                let load = |chunk: StreamCall, context: &mut RunContext<'_>| match chunk {
                    StreamCall::First => acquire(first, context),
                    StreamCall::Later => acquire(later, context),
                };
                let patch = config.patch_size.unwrap_or(1);
                let stride = config.scale_factor_spatial.max(1) as usize;
                let encoder = StreamEncoder { caches, patch, stride, tile, in_bands: *in_bands, load: &load };
                work(&ImageEncoder::Stream(encoder))
            }
            Form::Whole { network, graph } => {
                let load = |context: &mut RunContext<'_>| acquire(network, context);
                work(&ImageEncoder::Whole(WholeEncoder { graph, config, load: &load }))
            }
        }
    }
}

impl ImageEncoder<'_> {
    /// One image as `[1, z, 1, h, w]`.
    pub(in crate::pipeline) fn image(
        &self,
        image: &Frame,
        context: &mut RunContext<'_>,
    ) -> Result<ArrayD<f32>> {
        Ok(self.videos(1, &[vec![(0, image)]], context)?.swap_remove(0))
    }

    /// Mask and encoded video of `frames` frames, of which the first and perhaps the last are given.
    pub(in crate::pipeline) fn channels(
        &self,
        frames: usize,
        images: &InputImages,
        context: &mut RunContext<'_>,
    ) -> Result<ArrayD<f32>> {
        let last = frames - 1;
        let given: Vec<_> = images
            .first
            .iter()
            .map(|image| (0, image))
            // one frame cannot be both
            .chain(images.last.iter().filter(|_| last > 0).map(|image| (last, image)))
            .collect();
        let latent = self.videos(frames, &[given], context)?.swap_remove(0);
        let shape = latent.shape();
        let mask = mask(shape[2], images.last.is_some() && last > 0, [shape[3], shape[4]]);
        concatenate(Axis(1), &[mask.view().into_dyn(), latent.view()])
            .map_err(|error| Error::new(Kind::Bug, "Mask and encoded video differ in size").because(error))
    }

    /// The latents of short clips, all of one size and length.
    pub(in crate::pipeline) fn clips(
        &self,
        clips: &[Vec<Frame>],
        context: &mut RunContext<'_>,
    ) -> Result<Vec<ArrayD<f32>>> {
        let frames = clips.first().map_or(1, Vec::len);
        let given: Vec<Given<'_>> = clips.iter().map(|clip| clip.iter().enumerate().collect()).collect();
        self.videos(frames, &given, context)
    }

    /// The latents `[1, z, T, h, w]` of videos that are grey where no image is given.
    fn videos(
        &self,
        frames: usize,
        videos: &[Given<'_>],
        context: &mut RunContext<'_>,
    ) -> Result<Vec<ArrayD<f32>>> {
        match self {
            Self::Stream(encoder) => encoder.videos(frames, videos, context),
            Self::Whole(encoder) => encoder.videos(frames, videos, context),
        }
    }
}
