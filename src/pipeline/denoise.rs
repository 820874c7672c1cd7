//! The denoising loop: a transformer's velocity, guided, moves the latent step by step.

use std::ops::Range;
use std::time::Instant;

use ndarray::{Array2, ArrayD};

use super::context::RunContext;
use super::encode_image::ImageCondition;
use super::encode_text::PromptEmbeds;
use super::following_expert::FollowingExpert;
use super::loras::Strengths;
use super::networks::{Denoiser, DenoiserInput, GuidancePass};
use super::preview::Preview;
use super::reporter::StageStep;
use super::step_cache::{Predictions, StepCache};
use crate::core::{Error, Expert, FaultPoint, Guidance, Injected, Kind, Result, Secs, Stage};
use crate::wan::schedule::Solver;

/// What does not change over the steps.
pub(super) struct Conditions {
    /// Embeddings of the prompt.
    pub(super) prompt: PromptEmbeds,
    /// Embeddings of the negative prompt, where guidance needs them.
    pub(super) negative: Option<PromptEmbeds>,
    /// The images.
    pub(super) image: ImageCondition,
    /// Positions of the tokens.
    pub(super) rope: RopeTables,
    /// Tokens of one latent frame.
    pub(super) frame_tokens: usize,
}

/// Rotary position tables, a row for each token.
pub(super) struct RopeTables {
    pub(super) cos: Array2<f32>,
    pub(super) sin: Array2<f32>,
}

impl RopeTables {
    /// Tokens of the latent.
    pub(super) fn num_tokens(&self) -> usize {
        self.cos.nrows()
    }
}

/// One expert's part of the schedule.
pub(super) struct ExpertPhase {
    /// Which expert.
    pub(super) expert: Expert,
    /// Its stage.
    pub(super) stage: Stage,
    /// Steps, counted over the whole run.
    pub(super) steps: Range<usize>,
    /// Guidance scale.
    pub(super) guidance: Guidance,
    /// Strengths of the expert's LoRAs.
    pub(super) strengths: Strengths,
}

/// What a transformer predicts of a latent at a noise level.
pub(super) struct Prediction<'a> {
    /// The latent before the step.
    pub(super) sample: &'a ArrayD<f32>,
    /// The guided velocity.
    pub(super) velocity: &'a ArrayD<f32>,
    /// The noise level.
    pub(super) sigma: f32,
}

/// The state after a step: enough to continue from here to the same bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct DenoiseState {
    /// The latent `[1, z, T, h, w]`.
    pub latent: ArrayD<f32>,
    /// Steps done, and what the sampler keeps of them.
    pub solver: Solver,
    /// What decides which steps are skipped; `None` if all are computed.
    pub step_cache: Option<StepCache>,
}

/// Whether a run goes on after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepControl {
    /// Run the next step.
    Continue,
    /// Stop here for now: another job comes first, or the memory is needed.
    Yield,
}

/// Called after each step with the state that the next one starts from.
pub type StepHook<'a> = &'a mut dyn FnMut(&DenoiseState) -> Result<StepControl>;

/// What is called during the steps.
pub(super) struct StepHooks<'a, 'n> {
    /// Shows the latent.
    pub(super) preview: &'a mut Preview,
    /// Called after each step.
    pub(super) after_step: StepHook<'a>,
    /// The expert that takes over after the steps, if one does.
    pub(super) following: Option<&'a mut FollowingExpert<'n>>,
}

/// Runs the steps of one expert that are not done yet.
pub(super) fn denoise(
    denoiser: &mut Denoiser<'_>,
    state: &mut DenoiseState,
    phase: &ExpertPhase,
    conditions: &Conditions,
    hooks: &mut StepHooks<'_, '_>,
    context: &mut RunContext<'_>,
) -> Result<StepControl> {
    let first = phase.steps.start;
    for step in first.max(state.solver.done())..phase.steps.end {
        context.cancel.check()?;
        if let Some(following) = &mut hooks.following {
            following.before_step(phase.steps.end - step, context);
        }
        let injected = context.faults.inject(FaultPoint::Step(step as u32 + 1), context.cancel)?;
        let DenoiseState { latent, solver, step_cache } = state;
        let began = Instant::now();
        let timestep = solver.timesteps()[step];
        let (prompt, negative) = passes(latent, timestep, phase, conditions);
        let (negative, cancel) = (negative.as_ref(), context.cancel);
        let velocity = match step_cache {
            None => denoiser.guided(&prompt, negative, phase.guidance, cancel)?,
            Some(cache) => {
                if step == first {
                    cache.forget();
                }
                let input = conditions.image.noisy_part(latent);
                let Predictions { prompt, negative } = if let Some(reused) = cache.reuse(step, &input) {
                    reused
                } else {
                    let (prompt, negative) = denoiser.predict(&prompt, negative, cancel)?;
                    let computed = Predictions { prompt, negative };
                    cache.keep(step, input, &computed);
                    computed
                };
                guided(prompt, negative, phase.guidance)
            }
        };
        let sigma = solver.sigmas().levels()[step];
        let prediction = Prediction { sample: latent, velocity: &velocity, sigma };
        hooks.preview.send(&prediction, phase.stage, &mut context.reporter);
        let (Some(velocity), Some(sample)) = (velocity.as_slice(), latent.as_slice_mut()) else {
            return Err(Error::new(Kind::Bug, "A latent is not in row-major order"));
        };
        solver.step(velocity, sample);
        if injected == Injected::NotFinite {
            sample.fill(f32::NAN);
        }
        if sample.iter().any(|value| !value.is_finite()) {
            return Err(not_finite(phase.stage, step));
        }
        if step + 1 == phase.steps.end {
            conditions.image.impose(latent);
        }
        let seconds = Secs::from(began.elapsed());
        // the event is sent only after the state is durable
        let control = (hooks.after_step)(state)?;
        let (step, of) = ((step - first + 1) as u32, phase.steps.len() as u32);
        context.reporter.step_done(StageStep { stage: phase.stage, step, of }, seconds);
        if control == StepControl::Yield {
            return Ok(control);
        }
    }
    Ok(StepControl::Continue)
}

/// What is predicted in a step: for the prompt and, where guidance needs it, for the negative prompt.
fn passes<'a>(
    latent: &'a ArrayD<f32>,
    timestep: f32,
    phase: &'a ExpertPhase,
    conditions: &'a Conditions,
) -> (DenoiserInput<'a>, Option<DenoiserInput<'a>>) {
    let strengths = &phase.strengths;
    let input = |pass, prompt| DenoiserInput { latent, timestep, pass, prompt, conditions, strengths };
    let negative = conditions.negative.as_ref().filter(|_| phase.guidance.enabled());
    let negative = negative.map(|negative| input(GuidancePass::Negative, negative));
    (input(GuidancePass::Prompt, &conditions.prompt), negative)
}

/// The velocity for the prompt, moved away from the one for the negative prompt by the guidance scale.
pub(super) fn guided(
    mut prompt: ArrayD<f32>,
    negative: Option<ArrayD<f32>>,
    guidance: Guidance,
) -> ArrayD<f32> {
    if let Some(without) = negative {
        let scale = guidance.0;
        prompt.zip_mut_with(&without, |with, &without| *with = without + scale * (*with - without));
    }
    prompt
}

fn not_finite(stage: Stage, step: usize) -> Error {
    Error::new(Kind::Generation, format!("The latent is not a number after step {} ({stage})", step + 1))
        .remedy("Lower the guidance scale, or verify the model's files")
}
