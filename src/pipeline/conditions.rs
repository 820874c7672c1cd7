//! What the steps are conditioned on: prompts and images, encoded now or kept from an earlier run.

use ndarray::Array2;

use super::cache::{IMAGE, TEXT, key};
use super::context::{Inputs, RunContext};
use super::denoise::{Conditions, RopeTables};
use super::encode_image::ImageCondition;
use super::encode_text::{PromptEmbeds, tokens};
use super::generate::Pipeline;
use super::networks::{ImageEncoderSource, Networks};
use crate::core::{Error, Frame, GenRequest, Kind, Result, Stage, sha256_hex};
use crate::wan::rope;
use crate::wan::text::Tokenizer;

impl Pipeline<'_> {
    /// Encodes what is given.
    pub(super) fn conditions(
        &self,
        networks: &Networks<'_>,
        inputs: Inputs<'_>,
        context: &mut RunContext<'_>,
    ) -> Result<Conditions> {
        let (prompt, negative) =
            context.stage(Stage::Text, |context| self.prompts(inputs.request, networks, context))?;
        let image = match networks.image_encoder() {
            Some(source) => {
                context.stage(Stage::Image, |context| self.image_condition(source, inputs, context))?
            }
            None => ImageCondition::None,
        };
        let rope = self.rope(inputs.request)?;
        let frame_tokens = rope.num_tokens() / self.latent_shape(inputs.request)[2];
        Ok(Conditions { prompt, negative, image, rope, frame_tokens })
    }

    /// Embeddings of the prompt, and of the negative prompt where guidance needs them.
    fn prompts(
        &self,
        request: &GenRequest,
        networks: &Networks<'_>,
        context: &mut RunContext<'_>,
    ) -> Result<(PromptEmbeds, Option<PromptEmbeds>)> {
        let tokenizer = Tokenizer::open(&self.checkpoint.tokenizer)?;
        let identity = networks.text_identity();
        let mut encoder = None;
        let mut embed = |what, prompt: &str| -> Result<PromptEmbeds> {
            let tokens = tokens(&tokenizer, what, prompt, &mut context.reporter)?;
            let key = key(TEXT, &[&identity, &self.compute.identity(), &format!("{tokens:?}")]);
            if let Some(hidden) = context.cache.get(&key) {
                let message = format!("the {what}'s embedding was kept from an earlier run");
                context.reporter.optimizations.push(message);
                return Ok(PromptEmbeds::new(&hidden.view()));
            }
            let encoder = match &mut encoder {
                Some(encoder) => encoder,
                none => none.insert(networks.text_encoder(context)?),
            };
            let hidden = encoder.encode(tokens, context.cancel)?;
            context.cache.put(&key, &hidden);
            Ok(PromptEmbeds::new(&hidden.view()))
        };
        let prompt = embed("prompt", &request.prompt)?;
        let is_guided = request.guidance.enabled() || request.guidance_low.enabled();
        let negative = is_guided.then(|| embed("negative prompt", &request.negative_prompt)).transpose()?;
        if let Some(encoder) = encoder {
            networks.release(encoder, context);
        }
        Ok((prompt, negative))
    }

    /// The given images, encoded.
    fn image_condition(
        &self,
        source: &ImageEncoderSource<'_>,
        inputs: Inputs<'_>,
        context: &mut RunContext<'_>,
    ) -> Result<ImageCondition> {
        let Inputs { request, images } = inputs;
        let Some(first) = &images.first else { return Ok(ImageCondition::None) };
        let in_place = self.checkpoint.expand_timesteps;
        let condition = if in_place { ImageCondition::FirstFrame } else { ImageCondition::Channels };
        let pixels = |frame: &Frame| format!("{} {}", frame.size, sha256_hex(&frame.rgb));
        let last = images.last.as_ref().map(pixels).unwrap_or_default();
        let frames = if in_place { 1 } else { request.frames.0 as usize };
        let tile = self.tile_cells().filter(|_| source.file().is_none());
        let tiles = tile.map(|tile| format!("tiles of {tile}")).unwrap_or_default();
        let (identity, compute) = (source.identity(), self.compute.identity());
        let key = key(IMAGE, &[&identity, &compute, &frames.to_string(), &pixels(first), &last, &tiles]);
        if let Some(encoded) = context.cache.get(&key) {
            context.reporter.optimizations.push("the encoded image was kept from an earlier run".to_owned());
            return Ok(condition(encoded));
        }
        let encoded = source.with(tile, |encoder| {
            if in_place { encoder.image(first, context) } else { encoder.channels(frames, images, context) }
        })?;
        context.cache.put(&key, &encoded);
        Ok(condition(encoded))
    }

    fn rope(&self, request: &GenRequest) -> Result<RopeTables> {
        let config = &self.checkpoint.transformer.config;
        let [_, _, t, h, w] = self.latent_shape(request);
        let [pt, ph, pw] = config.patch_size;
        let (cos, sin) = rope::tables(t / pt, h / ph, w / pw, config.attention_head_dim);
        let columns = config.attention_head_dim / 2;
        let table = |values: Vec<f32>| {
            Array2::from_shape_vec((values.len() / columns, columns), values)
                .map_err(|error| Error::new(Kind::Bug, "A rotary table has the wrong length").because(error))
        };
        Ok(RopeTables { cos: table(cos)?, sin: table(sin)? })
    }
}
