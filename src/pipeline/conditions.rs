//! What the steps are conditioned on: texts and pictures, encoded now or kept from an earlier run; and the preview's map.

use ndarray::ArrayD;

use super::cache::{TensorCache, key};
use super::encode_image::{Encoder, ImageCondition, InputImages};
use super::encode_stream::StreamEncoder;
use super::encode_text::{PromptEmbeds, encode, tokens};
use super::encode_whole::{FixedClip, WholeEncoder};
use super::exported::{self, Network};
use super::generate::Pipeline;
use super::preview::PreviewMap;
use super::preview_draw::ClipShape;
use super::preview_fit::{fit, learn};
use super::reporter::Reporter;
use crate::core::{CancelToken, Event, Frame, GenRequest, Kind, Result, sha256_hex};
use crate::onnx::Graph;
use crate::wan::exported::{Exported, ExportedGraph, Interface};
use crate::wan::graphs::{self, Chunk, StreamGraph};
use crate::wan::text::Tokenizer;

/// Where the VAE's encoder comes from.
pub(super) enum EncoderSource<'a> {
    /// Graphs over the checkpoint's weights: for the first frame, and for those after it.
    Stream(Box<[StreamGraph; 2]>),
    /// A file of others.
    Exported(&'a ExportedGraph),
}

impl Pipeline<'_> {
    /// Rows of the prompt, and of the negative prompt where guidance needs them.
    pub(super) fn texts(
        &self,
        request: &GenRequest,
        network: &Network<'_>,
        cache: &mut dyn TensorCache,
        (story, cancel): (&mut Reporter<'_>, &CancelToken),
    ) -> Result<(PromptEmbeds, Option<PromptEmbeds>)> {
        let tokenizer = Tokenizer::open(&self.checkpoint.tokenizer)?;
        let part = &self.checkpoint.text_encoder;
        let identity = match network {
            Network::Built(_) => part.identity(),
            Network::Exported(graph) => graph.identity(),
        };
        let mut session = None;
        let mut rows = |story: &mut Reporter<'_>, what, prompt: &str| -> Result<PromptEmbeds> {
            let tokens = tokens(&tokenizer, (what, prompt), story)?;
            let key = key("text", &[&identity, &self.computation.identity(), &format!("{tokens:?}")]);
            if let Some(hidden) = cache.get(&key) {
                story.optimizations.push(format!("the {what}'s embedding was kept from an earlier run"));
                return Ok(PromptEmbeds::new(&hidden.view()));
            }
            let session = match &mut session {
                Some(session) => session,
                none => none.insert(match network {
                    Network::Built(graph) => self.load(graph, cancel)?,
                    Network::Exported(graph) => {
                        self.open(graph, &Interface::text_encoder(&part.config), cancel)?
                    }
                }),
            };
            let hidden = match network {
                Network::Built(_) => encode(session, tokens, cancel)?,
                Network::Exported(graph) => exported::encode(session, graph, tokens, cancel)?,
            };
            cache.put(&key, &hidden);
            Ok(PromptEmbeds::new(&hidden.view()))
        };
        let prompt = rows(story, "prompt", &request.prompt)?;
        let guided = request.guidance.enabled() || request.guidance_low.enabled();
        let negative = guided.then(|| rows(story, "negative prompt", &request.negative_prompt));
        Ok((prompt, negative.transpose()?))
    }

    /// The given pictures, encoded.
    pub(super) fn image_condition(
        &self,
        source: &EncoderSource<'_>,
        request: &GenRequest,
        pictures: &InputImages,
        cache: &mut dyn TensorCache,
        (story, cancel): (&mut Reporter<'_>, &CancelToken),
    ) -> Result<ImageCondition> {
        let Some(first) = &pictures.first else { return Ok(ImageCondition::None) };
        let in_place = self.checkpoint.expand_timesteps;
        let condition = if in_place { ImageCondition::FirstFrame } else { ImageCondition::Channels };
        let pixels = |frame: &Frame| format!("{} {}", frame.size, sha256_hex(&frame.rgb));
        let last = pictures.last.as_ref().map(pixels).unwrap_or_default();
        let frames = if in_place { 1 } else { request.frames.0 as usize };
        let identity = self.encoder_identity(source);
        let edge = match source {
            EncoderSource::Stream(_) => self.tile_cells(first.size),
            EncoderSource::Exported(_) => None,
        };
        let tiles = edge.map(|edge| format!("tiles of {edge}")).unwrap_or_default();
        let computed = self.computation.identity();
        let key = key("image", &[&identity, &computed, &frames.to_string(), &pixels(first), &last, &tiles]);
        if let Some(encoded) = cache.get(&key) {
            story.optimizations.push("the encoded picture was kept from an earlier run".to_owned());
            return Ok(condition(encoded));
        }
        let encoded = self.with_encoder(source, edge, cancel, |encoder| {
            if in_place {
                encoder.picture(first, (story, cancel))
            } else {
                encoder.channels(frames, pictures, (story, cancel))
            }
        })?;
        cache.put(&key, &encoded);
        Ok(condition(encoded))
    }

    /// Does `work` with the encoder, in tiles of `edge` cells.
    fn with_encoder<R>(
        &self,
        source: &EncoderSource<'_>,
        edge: Option<usize>,
        cancel: &CancelToken,
        work: impl FnOnce(&Encoder<'_>) -> Result<R>,
    ) -> Result<R> {
        let config = &self.checkpoint.vae.config;
        match source {
            EncoderSource::Stream(graphs) => {
                let load = |graph: &Graph| self.load_stream(graph, cancel);
                let [first, later] = &**graphs;
                let patch = config.patch_size.unwrap_or(1);
                let stride = config.scale_factor_spatial.max(1) as usize;
                work(&Encoder::Stream(StreamEncoder { first, later, patch, stride, edge, load: &load }))
            }
            EncoderSource::Exported(graph) => {
                let open = || self.open(graph, &Interface::vae_encoder(config), cancel);
                work(&Encoder::Whole(WholeEncoder { graph, config, open: &open }))
            }
        }
    }

    /// Tells what the encoder computes from what another does.
    fn encoder_identity(&self, source: &EncoderSource<'_>) -> String {
        let vae = &self.checkpoint.vae;
        match source {
            EncoderSource::Stream(_) => vae.identity(),
            EncoderSource::Exported(graph) => vae.identity() + &graph.identity(),
        }
    }

    /// The map of this VAE for previews, fitted when it is seen for the first time.
    pub(super) fn preview_map(
        &self,
        cache: &mut dyn TensorCache,
        (story, cancel): (&mut Reporter<'_>, &CancelToken),
    ) -> Result<Option<PreviewMap>> {
        let vae = &self.checkpoint.vae;
        let key = self.preview_key();
        let kept = cache.get(&key).and_then(|kept| PreviewMap::from_tensor(kept, vae.config.z_dim));
        if kept.is_some() {
            return Ok(kept);
        }
        let stride = vae.config.scale_factor_spatial.max(1) as usize;
        let (source, shape) = match &self.checkpoint.exported {
            None => (EncoderSource::Stream(Box::new(self.encoder_graphs()?)), ClipShape::default()),
            Some(Exported { vae_encoder: Some(graph), .. }) => {
                (EncoderSource::Exported(graph), ClipShape::within(FixedClip::of(graph), stride))
            }
            Some(_) => {
                let message = "There is no vae_encoder/model.onnx: previews are learned from the videos it makes \
                               and begin with the second";
                story.tell(Event::Note { message: message.to_owned() });
                return Ok(None);
            }
        };
        story.tell(Event::Note { message: "Fitting the preview to this VAE, once".to_owned() });
        match self.with_encoder(&source, None, cancel, |encoder| fit(encoder, shape, stride, cancel)) {
            Ok(Some(map)) => {
                cache.put(&key, &map.tensor());
                Ok(Some(map))
            }
            Err(error) if error.kind == Kind::Cancelled => Err(error),
            other => {
                let why = other.err().map_or_else(String::new, |error| format!(": {error:#}"));
                story.warn(format!("There is no preview, it could not be fitted to this VAE{why}"));
                Ok(None)
            }
        }
    }

    /// Learns the map of a model that has no encoder from a decoded video and those before it.
    pub(super) fn learn_preview(&self, video: &[Frame], latent: &ArrayD<f32>, cache: &mut dyn TensorCache) {
        if self.checkpoint.exported.as_ref().is_none_or(|exported| exported.vae_encoder.is_some()) {
            return;
        }
        let map_key = self.preview_key();
        let sums_key = key("preview sums", &[&map_key]);
        let learned = learn(cache.get(&sums_key), video, latent);
        if let Some(map) = learned.map() {
            cache.put(&map_key, &map.tensor());
        }
        cache.put(&sums_key, &learned.tensor());
    }

    /// Where this VAE's map is kept.
    fn preview_key(&self) -> String {
        let mut identity = self.checkpoint.vae.identity();
        if let Some(exported) = &self.checkpoint.exported {
            identity += &exported.vae_encoder.as_ref().unwrap_or(&exported.vae_decoder).identity();
        }
        key("preview", &[&identity])
    }

    /// The graphs of the VAE's encoder: for the first frame, and for those after it.
    pub(super) fn encoder_graphs(&self) -> Result<[StreamGraph; 2]> {
        let vae = &self.checkpoint.vae;
        let encoder = |chunk| graphs::vae_encoder(&vae.config, &vae.weights, chunk, self.computation.vae);
        Ok([encoder(Chunk::First)?, encoder(Chunk::Later)?])
    }
}
