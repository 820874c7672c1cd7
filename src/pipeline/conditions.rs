//! What the steps are conditioned on: texts and pictures, encoded now or kept from an earlier run; and the preview's map.

use super::cache::{TensorCache, key};
use super::encode_image::{Encoder, ImageCondition, Pictures};
use super::encode_text::{PromptRows, encode, tokens};
use super::exported::{self, Network};
use super::generate::Pipeline;
use super::preview::PreviewMap;
use super::story::Story;
use crate::core::{CancelToken, Event, Frame, GenRequest, Kind, Result, sha256_hex};
use crate::engine::Session;
use crate::onnx::Graph;
use crate::wan::exported::Interface;
use crate::wan::graphs::{self, Chunk, StreamGraph};
use crate::wan::text::Tokenizer;

impl Pipeline<'_> {
    /// Rows of the prompt, and of the negative prompt where guidance needs them.
    pub(super) fn texts(
        &self,
        request: &GenRequest,
        network: &Network<'_>,
        cache: &mut dyn TensorCache,
        (story, cancel): (&mut Story<'_>, &CancelToken),
    ) -> Result<(PromptRows, Option<PromptRows>)> {
        let tokenizer = Tokenizer::open(&self.checkpoint.tokenizer)?;
        let part = &self.checkpoint.text_encoder;
        let identity = match network {
            Network::Built(_) => part.identity(),
            Network::Exported(graph) => graph.identity(),
        };
        let mut session = None;
        let mut rows = |story: &mut Story<'_>, what, prompt: &str| -> Result<PromptRows> {
            let tokens = tokens(&tokenizer, (what, prompt), story)?;
            let key = key("text", &[&identity, &self.computation.identity(), &format!("{tokens:?}")]);
            if let Some(hidden) = cache.get(&key) {
                story.optimizations.push(format!("the {what}'s embedding was kept from an earlier run"));
                return Ok(PromptRows::new(&hidden.view()));
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
            Ok(PromptRows::new(&hidden.view()))
        };
        let prompt = rows(story, "prompt", &request.prompt)?;
        let guided = request.guidance.enabled() || request.guidance_low.enabled();
        let negative = guided.then(|| rows(story, "negative prompt", &request.negative_prompt));
        Ok((prompt, negative.transpose()?))
    }

    /// The given pictures, encoded.
    pub(super) fn image_condition(
        &self,
        graphs: &[StreamGraph; 2],
        request: &GenRequest,
        pictures: &Pictures,
        cache: &mut dyn TensorCache,
        (story, cancel): (&mut Story<'_>, &CancelToken),
    ) -> Result<ImageCondition> {
        let Some(first) = &pictures.first else { return Ok(ImageCondition::None) };
        let in_place = self.checkpoint.expand_timesteps;
        let condition = if in_place { ImageCondition::FirstFrame } else { ImageCondition::Channels };
        let pixels = |frame: &Frame| format!("{} {}", frame.size, sha256_hex(&frame.rgb));
        let last = pictures.last.as_ref().map(pixels).unwrap_or_default();
        let frames = if in_place { 1 } else { request.frames.0 as usize };
        let identity = self.checkpoint.vae.identity();
        let edge = self.tile_cells(first.size);
        let tiles = edge.map(|edge| format!("tiles of {edge}")).unwrap_or_default();
        let computed = self.computation.identity();
        let key = key("image", &[&identity, &computed, &frames.to_string(), &pixels(first), &last, &tiles]);
        if let Some(encoded) = cache.get(&key) {
            story.optimizations.push("the encoded picture was kept from an earlier run".to_owned());
            return Ok(condition(encoded));
        }
        let load = |graph: &Graph| self.load_stream(graph, cancel);
        let encoder = Encoder { edge, ..self.encoder(graphs, &load) };
        let encoded = if in_place {
            encoder.picture(first, (story, cancel))?
        } else {
            encoder.channels(frames, pictures, (story, cancel))?
        };
        cache.put(&key, &encoded);
        Ok(condition(encoded))
    }

    fn encoder<'g>(
        &self,
        [first, later]: &'g [StreamGraph; 2],
        load: &'g dyn Fn(&Graph) -> Result<Session>,
    ) -> Encoder<'g> {
        let config = &self.checkpoint.vae.config;
        let (patch, stride) = (config.patch_size.unwrap_or(1), config.scale_factor_spatial.max(1) as usize);
        Encoder { first, later, patch, stride, edge: None, load }
    }

    /// The map of this VAE for previews, fitted when it is seen for the first time.
    pub(super) fn preview_map(
        &self,
        cache: &mut dyn TensorCache,
        (story, cancel): (&mut Story<'_>, &CancelToken),
    ) -> Result<Option<PreviewMap>> {
        let vae = &self.checkpoint.vae;
        let key = key("preview", &[&vae.identity()]);
        let kept = cache.get(&key).and_then(|kept| PreviewMap::from_tensor(kept, vae.config.z_dim));
        if kept.is_some() {
            return Ok(kept);
        }
        story.tell(Event::Note { message: "Fitting the preview to this VAE, once".to_owned() });
        let graphs = self.encoder_graphs()?;
        let load = |graph: &Graph| self.load_stream(graph, cancel);
        let stride = vae.config.scale_factor_spatial as usize;
        match PreviewMap::fit(&self.encoder(&graphs, &load), stride, cancel) {
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

    /// The graphs of the VAE's encoder: for the first frame, and for those after it.
    pub(super) fn encoder_graphs(&self) -> Result<[StreamGraph; 2]> {
        let vae = &self.checkpoint.vae;
        let encoder = |chunk| graphs::vae_encoder(&vae.config, &vae.weights, chunk, self.computation.vae);
        Ok([encoder(Chunk::First)?, encoder(Chunk::Later)?])
    }
}
