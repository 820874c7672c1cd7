//! The VAE decoder: latents to frames.

use std::time::Instant;

use ndarray::{ArrayD, Axis};

use super::session_cache::LoadedSession;
use crate::core::{Error, Kind, Result, Secs, Stage};
use crate::engine::{Input, Session};
use crate::pipeline::context::RunContext;
use crate::pipeline::decode::{FrameSink, decode_stream, frames_from_chunk};
use crate::pipeline::exported::unexpected_shape;
use crate::pipeline::reporter::StageStep;
use crate::wan::VaeConfig;
use crate::wan::exported::ExportedGraph;
use crate::wan::graphs::CacheSpec;

/// A VAE decoder that is loaded.
pub(in crate::pipeline) struct FrameDecoder<'a> {
    loaded: LoadedSession,
    form: Form<'a>,
}

enum Form<'a> {
    /// Decodes one latent frame after the other, in tiles of this size in latent cells.
    Stream { caches: &'a [CacheSpec], tile: Option<usize> },
    /// An exported one, which takes the whole clip.
    Whole { graph: &'a ExportedGraph, config: &'a VaeConfig },
}

impl<'a> FrameDecoder<'a> {
    pub(super) fn stream(loaded: LoadedSession, caches: &'a [CacheSpec], tile: Option<usize>) -> Self {
        Self { loaded, form: Form::Stream { caches, tile } }
    }

    pub(super) fn whole(loaded: LoadedSession, graph: &'a ExportedGraph, config: &'a VaeConfig) -> Self {
        Self { loaded, form: Form::Whole { graph, config } }
    }

    /// Whether it decodes in tiles.
    pub(in crate::pipeline) fn tile(&self) -> Option<usize> {
        match self.form {
            Form::Stream { tile, .. } => tile,
            Form::Whole { .. } => None,
        }
    }

    /// Decodes `latent` `[1, z, T, h, w]` and passes the frames to `frames` as they come.
    pub(in crate::pipeline) fn decode(
        &mut self,
        latent: &ArrayD<f32>,
        frames: FrameSink<'_>,
        context: &mut RunContext<'_>,
    ) -> Result<()> {
        let session = &mut self.loaded.session;
        match self.form {
            Form::Stream { caches, tile } => decode_stream(session, caches, latent, tile, frames, context),
            Form::Whole { graph, config } => decode_whole(session, graph, config, latent, frames, context),
        }
    }
}

impl From<FrameDecoder<'_>> for LoadedSession {
    fn from(decoder: FrameDecoder<'_>) -> Self {
        decoder.loaded
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
