//! Guidance on the card that computes, for transformers in 16 bits: the latent of a step travels there once for both passes,
//! and one velocity comes back.

use ndarray::{Array1, Array2, ArrayD};

use super::denoiser::{DenoiserInput, GuidancePass};
use super::loader::Loader;
use crate::core::{CancelToken, Error, Guidance, Kind, Provider, Result};
use crate::engine::{Input, Prepack, Session, SessionOptions, Tensor};
use crate::onnx::{ComputeType, Dtype};
use crate::pipeline::denoise::Conditions;
use crate::pipeline::encode_image::ImageCondition;
use crate::pipeline::memory_plan::ComponentId;
use crate::wan::graphs;

/// What is loaded beside the transformers of both experts.
pub(in crate::pipeline) struct DeviceGuidance {
    widen: Session,
    guide: Session,
    /// The type that a latent travels in.
    dtype: Dtype,
    /// What is the same in all steps; `None` before the first.
    kept: Option<Kept>,
}

/// Values on the device that are the same in all steps.
struct Kept {
    /// The tables of the rotary embedding, cosines first.
    tables: [Tensor; 2],
    /// The channels of the images.
    condition: Option<Tensor>,
    /// The embeddings of the prompt, and of the negative prompt.
    text: [Option<Tensor>; 2],
}

/// What is on the device before a pass.
pub(super) struct OnDevice<'a> {
    /// The transformer's input for the latent.
    pub(super) hidden: &'a Tensor,
    /// The tables of the rotary embedding, cosines first.
    pub(super) tables: &'a [Tensor; 2],
    /// The embeddings of the pass's prompt.
    pub(super) text: &'a Tensor,
}

impl DeviceGuidance {
    /// Loads it, if the transformer computes in 16 bits on a device that keeps values between the runs of several sessions.
    pub(super) fn load(loader: &Loader<'_>, cancel: &CancelToken) -> Result<Option<Self>> {
        let (compute, model) = (loader.compute, loader.checkpoint);
        let provider = compute.device.provider;
        let is_narrow = compute.transformer != ComputeType::Fp32 && model.exported.is_none();
        if provider != Provider::Cuda || !is_narrow {
            return Ok(None);
        }
        let (config, weights) = (&model.transformer.config, &model.transformer.weights);
        let has_condition = config.in_channels > config.channels_out();
        let dtype = compute.transformer.dtype();
        let options = loader.options(ComponentId::Transformer);
        let options = SessionOptions { profile: None, prepack: Prepack::default(), ..options };
        let load = |graph| Session::load(loader.runtime, &graph, &options, cancel);
        let widen = load(graphs::widened_latent(weights, provider, dtype, has_condition))?;
        let guide = load(graphs::guided_velocity(weights, provider))?;
        Ok(Some(Self { widen, guide, dtype, kept: None }))
    }

    /// The transformer's input for the latent of a step, on the device.
    pub(super) fn hidden_states(
        &mut self,
        input: &DenoiserInput<'_>,
        cancel: &CancelToken,
    ) -> Result<Tensor> {
        let image = &input.conditions.image;
        let mut bound = self.widen.bind_staying()?;
        if let Some(condition) = &self.kept(input)?.condition {
            bound.set("condition", Input::Tensor(condition))?;
        }
        let latent = self.widen.upload(&image.noisy_part(input.latent).view(), self.dtype)?;
        bound.set("latent", Input::Tensor(&latent))?;
        only(self.widen.run_bound(&mut bound, cancel)?)
    }

    /// Memory on the device for the velocity of a latent of this shape. The transformer's own would keep the memory around it,
    /// which it takes in large pieces.
    pub(super) fn velocity_memory(&self, latent: &ArrayD<f32>) -> Result<Tensor> {
        self.guide.allocate(latent.shape())
    }

    /// What is on the device for a pass, with `hidden`.
    pub(super) fn for_pass<'a>(
        &'a mut self,
        input: &DenoiserInput<'_>,
        hidden: &'a Tensor,
    ) -> Result<OnDevice<'a>> {
        let pass = usize::from(input.pass == GuidancePass::Negative);
        if self.kept(input)?.text[pass].is_none() {
            let text = self.widen.upload(&input.prompt.rows.view().into_dyn(), Dtype::F32)?;
            self.kept(input)?.text[pass] = Some(text);
        }
        let Kept { tables, text, .. } = self.kept(input)?;
        let text = text[pass].as_ref().ok_or_else(nothing)?;
        Ok(OnDevice { hidden, tables, text })
    }

    fn kept(&mut self, input: &DenoiserInput<'_>) -> Result<&mut Kept> {
        if self.kept.is_none() {
            let Conditions { rope, image, .. } = input.conditions;
            let table = |table: &Array2<f32>| self.widen.upload(&table.view().into_dyn(), Dtype::F32);
            let tables = [table(&rope.cos)?, table(&rope.sin)?];
            let condition = match image {
                ImageCondition::Channels(channels) => Some(self.widen.upload(&channels.view(), self.dtype)?),
                ImageCondition::None | ImageCondition::FirstFrame(_) => None,
            };
            self.kept = Some(Kept { tables, condition, text: [None, None] });
        }
        self.kept.as_mut().ok_or_else(nothing)
    }

    /// The guided velocity of those of both passes, which are on the device.
    pub(super) fn guided(
        &mut self,
        prompt: &Tensor,
        negative: Option<&Tensor>,
        guidance: Guidance,
        cancel: &CancelToken,
    ) -> Result<ArrayD<f32>> {
        let scale = Array1::from_elem(1, guidance.0).into_dyn();
        let mut bound = self.guide.bind()?;
        bound.set("prompt", Input::Tensor(prompt))?;
        bound.set("negative", Input::Tensor(negative.unwrap_or(prompt)))?;
        bound.set("guidance", Input::F32(scale.view()))?;
        only(self.guide.run_bound(&mut bound, cancel)?)?.to_fp32()
    }
}

fn only(outputs: Vec<Tensor>) -> Result<Tensor> {
    outputs.into_iter().next().ok_or_else(nothing)
}

fn nothing() -> Error {
    Error::new(Kind::Bug, "A graph of the guidance returned nothing")
}
