//! The denoising loop: a transformer's velocity, guided, moves the latent step by step.

use std::ops::Range;
use std::time::Instant;

use ndarray::{Array1, Array2, ArrayD};

use super::encode_image::ImageCondition;
use super::encode_text::PromptEmbeds;
use super::exported::{self, TimestepForm, Tokens};
use super::loras::Strengths;
use super::preview::Preview;
use super::reporter::Reporter;
use crate::core::{CancelToken, Error, FaultPoint, Faults, Guidance, Injected, Kind, Result, Secs, Stage};
use crate::engine::{Input, Session};
use crate::wan::schedule::Solver;

/// What does not change over the steps.
pub(super) struct Conditions {
    /// Rows of the prompt.
    pub(super) prompt: PromptEmbeds,
    /// Rows of the negative prompt, where guidance needs them.
    pub(super) negative: Option<PromptEmbeds>,
    /// The pictures.
    pub(super) image: ImageCondition,
    /// Rotary tables.
    pub(super) rope: (Array2<f32>, Array2<f32>),
    /// Tokens of one latent frame.
    pub(super) frame_tokens: usize,
}

/// One expert, ready to run.
pub(super) enum Transformer {
    /// Of a graph over the checkpoint's weights.
    Built(Session),
    /// Of a file that others exported.
    Exported(Session, TimestepForm),
}

/// One expert's share of the steps.
pub(super) struct ExpertPhase {
    /// Which expert.
    pub(super) stage: Stage,
    /// Steps, counted over the whole run.
    pub(super) steps: Range<usize>,
    /// Guidance scale.
    pub(super) guidance: Guidance,
    /// Strengths of the expert's LoRAs.
    pub(super) strengths: Strengths,
}

/// Where denoising stands: enough to go on from here to the same bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct DenoiseState {
    /// The latent `[1, z, T, h, w]`.
    pub latent: ArrayD<f32>,
    /// Steps done, and what the sampler remembers of them.
    pub solver: Solver,
}

/// Whether a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepControl {
    /// To the next step.
    Continue,
    /// Not now: another job comes first, or the person wants the memory.
    Yield,
}

/// Asked after each step, with the state that the next one starts from.
pub type StepHook<'a> = &'a mut dyn FnMut(&DenoiseState) -> Result<StepControl>;

/// Who looks at the steps.
pub(super) struct StepHooks<'a> {
    pub(super) preview: &'a mut Preview,
    pub(super) gate: StepHook<'a>,
    pub(super) faults: &'a Faults,
}

/// Runs the steps of one expert that are not done yet.
pub(super) fn denoise(
    transformer: &mut Transformer,
    state: &mut DenoiseState,
    watch: &mut StepHooks<'_>,
    share: &ExpertPhase,
    conditions: &Conditions,
    (story, cancel): (&mut Reporter<'_>, &CancelToken),
) -> Result<StepControl> {
    let first = share.steps.start;
    for step in first.max(state.solver.done())..share.steps.end {
        cancel.check()?;
        let struck = watch.faults.inject(FaultPoint::Step(step as u32 + 1), cancel)?;
        let DenoiseState { latent, solver } = state;
        let began = Instant::now();
        let timestep = solver.timesteps()[step];
        let mut velocity =
            predict(transformer, latent, (timestep, &conditions.prompt), share, conditions, cancel)?;
        if let (true, Some(negative)) = (share.guidance.enabled(), &conditions.negative) {
            let without = predict(transformer, latent, (timestep, negative), share, conditions, cancel)?;
            let scale = share.guidance.0;
            velocity.zip_mut_with(&without, |with, &without| *with = without + scale * (*with - without));
        }
        let sigma = solver.sigmas().levels()[step];
        watch.preview.tell((latent, &velocity, sigma), share.stage, story);
        let (Some(velocity), Some(sample)) = (velocity.as_slice(), latent.as_slice_mut()) else {
            return Err(Error::new(Kind::Bug, "A latent is not in row-major order"));
        };
        solver.step(velocity, sample);
        if struck == Injected::NotFinite {
            sample.fill(f32::NAN);
        }
        if sample.iter().any(|value| !value.is_finite()) {
            return Err(not_finite(share.stage, step));
        }
        if step + 1 == share.steps.end {
            conditions.image.impose(latent);
        }
        let seconds = Secs::from(began.elapsed());
        // what is told must be safe
        let flow = (watch.gate)(state)?;
        story.stepped(share.stage, ((step - first + 1) as u32, share.steps.len() as u32), seconds);
        if flow == StepControl::Yield {
            return Ok(flow);
        }
    }
    Ok(StepControl::Continue)
}

fn predict(
    transformer: &mut Transformer,
    latent: &ArrayD<f32>,
    (timestep, text): (f32, &PromptEmbeds),
    share: &ExpertPhase,
    conditions: &Conditions,
    cancel: &CancelToken,
) -> Result<ArrayD<f32>> {
    let input = conditions.image.input(latent)?;
    let session = match transformer {
        Transformer::Built(session) => session,
        Transformer::Exported(session, form) => {
            let given = match conditions.image {
                ImageCondition::FirstFrame(_) => conditions.frame_tokens,
                _ => 0,
            };
            let tokens = Tokens { given, all: conditions.rope.0.nrows() };
            return exported::predict(session, form, &input, (timestep, text), tokens, cancel);
        }
    };
    // a given first frame is without noise: its tokens have a timestep of their own
    let timesteps = match conditions.image {
        ImageCondition::FirstFrame(_) => vec![0.0, timestep],
        _ => vec![timestep],
    };
    let timestep = Array1::from_vec(timesteps).into_dyn();
    let first = conditions.frame_tokens;
    let split = Array1::from_vec(vec![first as i64, (conditions.rope.0.nrows() - first) as i64]).into_dyn();
    let position = Array1::<i64>::zeros(1).into_dyn();
    let (cos, sin) = &conditions.rope;
    let mut inputs = vec![
        ("hidden_states", Input::F32(input.view())),
        ("timestep", Input::F32(timestep.view())),
        ("encoder_hidden_states", Input::F32(text.rows.view().into_dyn())),
        ("text_index", Input::I64(text.index.view().into_dyn())),
        ("rope_cos", Input::F32(cos.view().into_dyn())),
        ("rope_sin", Input::F32(sin.view().into_dyn())),
        ("pos", Input::I64(position.view())),
    ];
    if let ImageCondition::FirstFrame(_) = conditions.image {
        inputs.push(("seg_split", Input::I64(split.view())));
    }
    inputs.extend(share.strengths.iter().map(|(name, value)| (name.as_str(), Input::F32(value.view()))));
    let sample = session.run(inputs, cancel)?.swap_remove(0);
    Ok(sample.view()?.to_owned())
}

fn not_finite(stage: Stage, step: usize) -> Error {
    Error::new(
        Kind::Generation,
        format!("The latent is not a number after step {} ({stage}, fp32 on the CPU)", step + 1),
    )
    .remedy("Lower the guidance scale, or verify the model's files")
}
