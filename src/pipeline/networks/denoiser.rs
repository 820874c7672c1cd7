//! The transformer: the velocity of a latent at a timestep.

use std::{panic, thread};

use ndarray::{Array1, ArrayD, ArrayView3, Axis, Slice};

use super::device_guidance::{DeviceGuidance, OnDevice};
use super::session_cache::{AnySession, LoadedSession};
use crate::core::{Bytes, CancelToken, Error, Guidance, Kind, Result};
use crate::engine::{Bound, Input, Session, StreamedSession, Tensor};
use crate::onnx::Dtype;
use crate::pipeline::denoise::{Conditions, guided};
use crate::pipeline::encode_image::ImageCondition;
use crate::pipeline::encode_text::PromptEmbeds;
use crate::pipeline::exported::unexpected_shape;
use crate::pipeline::loras::Strengths;
use crate::wan::exported::ExportedGraph;
use crate::wan::graphs::TEXT_TOKENS;

/// A transformer that is loaded, on one device or on two.
pub(in crate::pipeline) struct Denoiser<'g> {
    first: LoadedTransformer,
    /// A copy that computes the predictions for the negative prompt meanwhile.
    second: Option<LoadedTransformer>,
    /// Guidance on the device of the first, where both passes run there. The transformer binds its tensors.
    here: Option<&'g mut DeviceGuidance>,
}

/// A transformer that is loaded on a device.
struct LoadedTransformer {
    loaded: LoadedSession,
    /// Of an exported one.
    form: Option<TimestepForm>,
    /// What is bound for the prompt, and for the negative prompt.
    bound: [Option<Bound>; 2],
    /// The same for velocities that stay on the device.
    staying: [Option<Bound>; 2],
    /// Memory of the device that a pass takes in one piece.
    in_one_piece: Bytes,
}

/// How an exported transformer takes a timestep.
#[derive(Clone, Copy)]
pub(in crate::pipeline) struct TimestepForm {
    is_integer: bool,
    pub(in crate::pipeline) is_per_token: bool,
}

/// Which of the two predictions of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipeline) enum GuidancePass {
    /// For the prompt.
    Prompt,
    /// For the negative prompt.
    Negative,
}

/// What a transformer predicts from. Only latent and timestep may differ between predictions of one pass.
#[derive(Clone, Copy)]
pub(in crate::pipeline) struct DenoiserInput<'a> {
    pub(in crate::pipeline) latent: &'a ArrayD<f32>,
    pub(in crate::pipeline) timestep: f32,
    pub(in crate::pipeline) pass: GuidancePass,
    pub(in crate::pipeline) prompt: &'a PromptEmbeds,
    pub(in crate::pipeline) conditions: &'a Conditions,
    /// Strengths of the LoRAs.
    pub(in crate::pipeline) strengths: &'a Strengths,
}

impl TimestepForm {
    pub(in crate::pipeline) fn of(graph: &ExportedGraph) -> Self {
        let value = graph.input("timestep");
        Self {
            is_integer: value.is_some_and(|value| value.is(Dtype::I64)),
            is_per_token: value.is_some_and(|value| value.dims.len() == 2),
        }
    }
}

impl<'g> Denoiser<'g> {
    pub(super) fn new(
        first: LoadedSession,
        second: Option<LoadedSession>,
        here: Option<&'g mut DeviceGuidance>,
        file: Option<&ExportedGraph>,
        in_one_piece: Bytes,
    ) -> Self {
        let form = file.map(TimestepForm::of);
        let on = |loaded| LoadedTransformer {
            loaded,
            form,
            bound: [None, None],
            staying: [None, None],
            in_one_piece,
        };
        Self { first: on(first), second: second.map(on), here }
    }

    /// The velocity for the prompt, moved away from the one for the negative prompt by the guidance scale.
    pub(in crate::pipeline) fn guided(
        &mut self,
        prompt: &DenoiserInput<'_>,
        negative: Option<&DenoiserInput<'_>>,
        guidance: Guidance,
        cancel: &CancelToken,
    ) -> Result<ArrayD<f32>> {
        let Some(here) = &mut self.here else {
            let (prompt, negative) = self.predict(prompt, negative, cancel)?;
            return Ok(guided(prompt, negative, guidance));
        };
        let hidden = here.hidden_states(prompt, cancel)?;
        let mut velocity = |input: &DenoiserInput<'_>| {
            let memory = here.velocity_memory(input.latent)?;
            self.first.predict_into(memory, input, &here.for_pass(input, &hidden)?, cancel)
        };
        let prompt = velocity(prompt)?;
        let negative = negative.map(velocity).transpose()?;
        here.guided(&prompt, negative.as_ref(), guidance, cancel)
    }

    /// The velocities of one or two passes, of the latent's shape; two at once where there are two devices.
    pub(in crate::pipeline) fn predict(
        &mut self,
        prompt: &DenoiserInput<'_>,
        negative: Option<&DenoiserInput<'_>>,
        cancel: &CancelToken,
    ) -> Result<(ArrayD<f32>, Option<ArrayD<f32>>)> {
        let Self { first, second, .. } = self;
        let (Some(second), Some(negative)) = (second, negative) else {
            let velocity = first.predict(prompt, cancel)?;
            return Ok((velocity, negative.map(|input| first.predict(input, cancel)).transpose()?));
        };
        thread::scope(|scope| {
            let other = thread::Builder::new()
                .name("guidance".to_owned())
                .spawn_scoped(scope, || second.predict(negative, cancel))
                .map_err(|error| {
                    Error::new(Kind::OutOfMemory, "Cannot start the thread of the second device")
                        .because(error)
                })?;
            let velocity = first.predict(prompt, cancel);
            let other = other.join().unwrap_or_else(|panic| panic::resume_unwind(panic));
            Ok((velocity?, Some(other?)))
        })
    }

    /// Its sessions.
    pub(in crate::pipeline) fn into_loaded(self) -> impl Iterator<Item = LoadedSession> {
        std::iter::once(self.first).chain(self.second).map(|one| one.loaded)
    }
}

impl LoadedTransformer {
    /// The velocity, of the latent's shape.
    fn predict(&mut self, input: &DenoiserInput<'_>, cancel: &CancelToken) -> Result<ArrayD<f32>> {
        if let AnySession::Streamed(session) = &mut self.loaded.session {
            session.reserve(self.in_one_piece);
            return predict_streamed(session, input, cancel);
        }
        let session = self.loaded.whole()?;
        if let Some(form) = self.form {
            return predict_exported(session, form, input, cancel);
        }
        let bound = &mut self.bound[usize::from(input.pass == GuidancePass::Negative)];
        let bound = match bound {
            Some(bound) => bound,
            None => bound.insert(PassInputs::of(input).bind(session.bind()?, self.in_one_piece)?),
        };
        session.reserve(self.in_one_piece);
        predict_built(session, bound, input, cancel)
    }

    /// The velocity in `memory` of the device, of what is there.
    fn predict_into(
        &mut self,
        memory: Tensor,
        input: &DenoiserInput<'_>,
        there: &OnDevice<'_>,
        cancel: &CancelToken,
    ) -> Result<Tensor> {
        let timesteps = timesteps(input);
        let of_step =
            [("hidden_states", Input::Tensor(there.hidden)), ("timestep", Input::F32(timesteps.view()))];
        let pass = PassInputs { there: Some(there), ..PassInputs::of(input) };
        if let AnySession::Streamed(session) = &mut self.loaded.session {
            session.reserve(self.in_one_piece);
            return session.run_into(memory, &[&pass.named()[..], &of_step].concat(), cancel);
        }
        let session = self.loaded.whole()?;
        let bound = &mut self.staying[usize::from(input.pass == GuidancePass::Negative)];
        let bound = match bound {
            Some(bound) => bound,
            None => bound.insert(pass.bind(session.bind()?, self.in_one_piece)?),
        };
        session.reserve(self.in_one_piece);
        if let Some(name) = session.outputs().first() {
            bound.place(name, memory);
        }
        of_step.into_iter().try_for_each(|(name, input)| bound.set(name, input))?;
        Ok(session.run_bound(bound, cancel)?.swap_remove(0))
    }
}

/// What is the same in all steps of a pass.
struct PassInputs<'a> {
    input: &'a DenoiserInput<'a>,
    /// The token at which those with the second timestep begin.
    split: ArrayD<i64>,
    /// Position of the first token.
    position: ArrayD<i64>,
    /// What is on the device already.
    there: Option<&'a OnDevice<'a>>,
}

impl<'a> PassInputs<'a> {
    fn of(input: &'a DenoiserInput<'a>) -> Self {
        let split = Array1::from_elem(1, input.conditions.frame_tokens as i64).into_dyn();
        Self { input, split, position: Array1::<i64>::zeros(1).into_dyn(), there: None }
    }

    fn named(&self) -> Vec<(&str, Input<'_>)> {
        let DenoiserInput { prompt, conditions, strengths, .. } = self.input;
        let [cos, sin, text] = match self.there {
            Some(OnDevice { tables: [cos, sin], text, .. }) => [cos, sin, *text].map(Input::Tensor),
            None => [&conditions.rope.cos, &conditions.rope.sin, &prompt.rows]
                .map(|rows| Input::F32(rows.view().into_dyn())),
        };
        let mut inputs = vec![
            ("encoder_hidden_states", text),
            ("text_index", Input::I64(prompt.index.view().into_dyn())),
            ("rope_cos", cos),
            ("rope_sin", sin),
            ("pos", Input::I64(self.position.view())),
        ];
        if let ImageCondition::FirstFrame(_) = conditions.image {
            inputs.push(("seg_split", Input::I64(self.split.view())));
        }
        inputs.extend(strengths.iter().map(|(name, value)| (name.as_str(), Input::F32(value.view()))));
        inputs
    }

    /// `bound` with these inputs.
    fn bind(&self, mut bound: Bound, in_one_piece: Bytes) -> Result<Bound> {
        if in_one_piece > Bytes(0) {
            // the next job may need a larger piece
            bound.return_memory();
        }
        self.named().into_iter().try_for_each(|(name, input)| bound.set(name, input))?;
        Ok(bound)
    }
}

/// A timestep for each kind of token: a given first frame is without noise, so its tokens have one of their own.
fn timesteps(input: &DenoiserInput<'_>) -> ArrayD<f32> {
    let timesteps = match input.conditions.image {
        ImageCondition::FirstFrame(_) => vec![0.0, input.timestep],
        _ => vec![input.timestep],
    };
    Array1::from_vec(timesteps).into_dyn()
}

fn predict_built(
    session: &mut Session,
    bound: &mut Bound,
    input: &DenoiserInput<'_>,
    cancel: &CancelToken,
) -> Result<ArrayD<f32>> {
    let sample = input.conditions.image.input(input.latent)?;
    bound.set("hidden_states", Input::F32(sample.view()))?;
    bound.set("timestep", Input::F32(timesteps(input).view()))?;
    let velocity = session.run_bound(bound, cancel)?.swap_remove(0);
    Ok(velocity.view()?.to_owned())
}

fn predict_streamed(
    session: &mut StreamedSession,
    input: &DenoiserInput<'_>,
    cancel: &CancelToken,
) -> Result<ArrayD<f32>> {
    let (sample, timesteps) = (input.conditions.image.input(input.latent)?, timesteps(input));
    let pass = PassInputs::of(input);
    let mut inputs = pass.named();
    inputs.push(("hidden_states", Input::F32(sample.view())));
    inputs.push(("timestep", Input::F32(timesteps.view())));
    let velocity = session.run(&inputs, cancel)?;
    Ok(velocity.view()?.to_owned())
}

fn predict_exported(
    session: &mut Session,
    form: TimestepForm,
    input: &DenoiserInput<'_>,
    cancel: &CancelToken,
) -> Result<ArrayD<f32>> {
    let DenoiserInput { latent, timestep, prompt, conditions, .. } = input;
    let sample = conditions.image.input(latent)?;
    let width = prompt.rows.ncols();
    let rows: Vec<f32> =
        prompt.index.iter().flat_map(|&row| prompt.rows.row(row as usize).to_vec()).collect();
    let rows = ArrayView3::from_shape((1, TEXT_TOKENS, width), &rows)
        .map_err(|error| Error::new(Kind::Bug, "A prompt has not 512 embeddings").because(error))?;
    let dims = if form.is_per_token { vec![1, conditions.rope.num_tokens()] } else { vec![1] };
    let mut floats = ArrayD::from_elem(dims, *timestep);
    if let (true, ImageCondition::FirstFrame(_)) = (form.is_per_token, &conditions.image) {
        // a given first frame is without noise
        floats.slice_axis_mut(Axis(1), Slice::from(..conditions.frame_tokens)).fill(0.0);
    }
    let integers = floats.mapv(|value| value.round() as i64);
    let timestep = if form.is_integer { Input::I64(integers.view()) } else { Input::F32(floats.view()) };
    let inputs = vec![
        ("hidden_states", Input::F32(sample.view())),
        ("timestep", timestep),
        ("encoder_hidden_states", Input::F32(rows.into_dyn())),
    ];
    let velocity = session.run(inputs, cancel)?.swap_remove(0);
    let velocity = velocity.view()?;
    let (found, wanted) = (velocity.shape(), sample.shape());
    if found.len() != wanted.len() || found[0] != 1 || found[2..] != wanted[2..] {
        return Err(unexpected_shape("transformer", &velocity));
    }
    Ok(velocity.as_standard_layout().into_owned())
}
