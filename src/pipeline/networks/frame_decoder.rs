//! The VAE decoder: latents to frames.

use std::time::Instant;

use ndarray::{ArrayD, Axis};

use super::loader::Loader;
use super::network::Network;
use super::session_cache::LoadedSession;
use crate::core::{Error, Kind, Result, Secs, Stage};
use crate::engine::runtime::release_free_heap;
use crate::engine::{Input, Session};
use crate::pipeline::context::RunContext;
use crate::pipeline::decode::{DecoderInputs, FrameSink, decode_stream, frames_from_chunk};
use crate::pipeline::decode_bands::BandedDecode;
use crate::pipeline::exported::unexpected_shape;
use crate::pipeline::reporter::StageStep;
use crate::wan::VaeConfig;
use crate::wan::exported::ExportedGraph;

/// A VAE decoder, ready to run.
pub(in crate::pipeline) enum FrameDecoder<'a> {
    /// Decodes one latent frame after the other, in tiles of this size in latent cells.
    Stream { loaded: LoadedSession, others: DecoderInputs<'a>, tile: Option<usize> },
    /// Decodes one latent frame after the other in bands; the first has a graph of its own.
    Bands { loader: Loader<'a>, networks: [&'a Network<'a>; 2], later: Option<LoadedSession> },
    /// An exported one, which takes the whole clip.
    Whole { loaded: LoadedSession, graph: &'a ExportedGraph, config: &'a VaeConfig },
}

impl FrameDecoder<'_> {
    /// Decodes `latent` `[1, z, T, h, w]` and passes the frames to `frames` as they come.
    pub(in crate::pipeline) fn decode(
        &mut self,
        latent: &ArrayD<f32>,
        frames: FrameSink<'_>,
        context: &mut RunContext<'_>,
    ) -> Result<()> {
        match self {
            Self::Stream { loaded, others, tile } => {
                decode_stream(loaded.whole()?, *others, latent, *tile, frames, context)
            }
            Self::Bands { loader, networks: [first, others], later } => {
                let mut decode = BandedDecode::new(latent, frames);
                decode.first(loader.acquire(first, context)?.whole()?, context)?;
                if latent.shape()[2] > 1 {
                    // what the first session left in the heap would add to what making the second one takes
                    release_free_heap();
                    let mut loaded = loader.acquire(others, context)?;
                    // and what making it left, to what computing takes
                    release_free_heap();
                    decode.later(loaded.whole()?, context)?;
                    *later = Some(loaded);
                }
                Ok(())
            }
            Self::Whole { loaded, graph, config } => {
                decode_whole(loaded.whole()?, graph, config, latent, frames, context)
            }
        }
    }

    /// What may stay loaded.
    pub(in crate::pipeline) fn into_loaded(self) -> Option<LoadedSession> {
        match self {
            Self::Stream { loaded, .. } | Self::Whole { loaded, .. } => Some(loaded),
            Self::Bands { later, .. } => later,
        }
    }
}

/// Brings the latent to the VAE's own scale first.
fn decode_whole(
    session: &mut Session,
    graph: &ExportedGraph,
    config: &VaeConfig,
    latent: &ArrayD<f32>,
    frames: FrameSink<'_>,
    context: &mut RunContext<'_>,
) -> Result<()> {
    let began = Instant::now();
    let mut own = latent.as_standard_layout().into_owned();
    for (channel, (mean, std)) in config.latents_mean.iter().zip(&config.latents_std).enumerate() {
        own.index_axis_mut(Axis(1), channel).mapv_inplace(|value| value * std + mean);
    }
    let name = graph.only_input().map_or("latent_sample", |value| &value.name);
    let mut results = session.run(vec![(name, Input::F32(own.view()))], context.cancel)?.into_iter();
    let Some(video) = results.next() else {
        return Err(Error::new(Kind::Bug, "The VAE decoder returned no frames"));
    };
    let video = video.view()?;
    if video.ndim() != 5 || video.shape()[1] != 3 {
        return Err(unexpected_shape("vae_decoder", &video));
    }
    let count = latent.shape()[2] as u32;
    let all = StageStep { stage: Stage::Decode, step: count, of: count };
    context.reporter.step_done(all, Secs::from(began.elapsed()));
    frames_from_chunk(&video).into_iter().try_for_each(frames)
}
