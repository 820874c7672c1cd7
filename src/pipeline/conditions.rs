//! What the steps are conditioned on: prompts and images, encoded now or kept from an earlier run.

use std::time::Instant;

use ndarray::Array2;

use super::cache::{IMAGE, key};
use super::context::{Inputs, RunContext};
use super::denoise::{Conditions, RopeTables};
use super::encode_image::ImageCondition;
use super::generate::Pipeline;
use super::memory_plan::ComponentId;
use super::networks::{ImageEncoderSource, Networks, Prefetch, PrefetchPlan};
use super::prompts::{Prompt, PromptEncoder};
use crate::core::{Error, Expert, Frame, GenRequest, Kind, Result, Stage, sha256_hex};
use crate::wan::rope;

impl Pipeline<'_> {
    /// Encodes what is given. Meanwhile, the weights of the transformer of `next` are read in advance, and its session is
    /// made.
    pub(super) fn conditions(
        &self,
        networks: &Networks<'_>,
        inputs: Inputs<'_>,
        next: Expert,
        context: &mut RunContext<'_>,
    ) -> Result<(Conditions, Option<Prefetch>)> {
        let began = Instant::now();
        let mut encoder = PromptEncoder::open(self, networks)?;
        let (prompt, negative, prefetch) = context.stage(Stage::Text, |context| {
            let prompts = encoder.look_up(inputs.request, context)?;
            let needs_encoder = prompts.iter().any(|prompt| matches!(prompt, Prompt::Unknown { .. }));
            let prefetch = networks.prefetch_first(next, needs_encoder, context);
            let prefetch = prefetch.and_then(PrefetchPlan::start);
            if needs_encoder || networks.image_encoder().is_some() {
                let encoders = self.memory.planned(&[ComponentId::TextEncoder, ComponentId::VaeEncoder]);
                networks.make_ahead(next, &encoders, "while the inputs are encoded", context);
            }
            let mut embeds = prompts.into_iter().map(|prompt| encoder.embed(prompt, context));
            let missing = || Error::new(Kind::Bug, "A request without a prompt was run");
            let prompt = embeds.next().ok_or_else(missing)??;
            Ok((prompt, embeds.next().transpose()?, prefetch))
        })?;
        encoder.encode_ahead(inputs.upcoming, began.elapsed(), context)?;
        encoder.release(context);
        let image = match networks.image_encoder() {
            Some(source) => {
                context.stage(Stage::Image, |context| self.image_condition(source, inputs, context))?
            }
            None => ImageCondition::None,
        };
        let rope = self.rope(inputs.request)?;
        let frame_tokens = rope.num_tokens() / self.latent_shape(inputs.request)[2];
        Ok((Conditions { prompt, negative, image, rope, frame_tokens }, prefetch))
    }

    /// The given images, encoded.
    fn image_condition(
        &self,
        source: &ImageEncoderSource<'_>,
        inputs: Inputs<'_>,
        context: &mut RunContext<'_>,
    ) -> Result<ImageCondition> {
        let Inputs { request, images, .. } = inputs;
        let Some(first) = &images.first else { return Ok(ImageCondition::None) };
        let in_place = self.checkpoint.expand_timesteps;
        let condition = if in_place { ImageCondition::FirstFrame } else { ImageCondition::Channels };
        let pixels = |frame: &Frame| format!("{} {}", frame.size, sha256_hex(&frame.rgb));
        let last = images.last.as_ref().map(pixels).unwrap_or_default();
        let frames = if in_place { 1 } else { request.frames.0 as usize };
        let tile = self.loader().tile_cells().filter(|_| source.file().is_none());
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
