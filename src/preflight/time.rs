//! Duration of a run: the work of its stages by formula, times what this machine needed for such work in earlier runs.

use super::facts::{MeasuredTime, PreflightFacts};
use super::history::MeasuredRun;
use super::memory::{self, tiles};
use super::report::TimeEstimate;
use super::size::{ComponentSize, ModelSize};
use super::vae::{decoder_chunk, encoder_chunk};
use crate::core::{FrameCount, GenRequest, Mode, Provider, Resolution, Secs, Stage, StageEstimate};
use crate::wan::graphs::TEXT_TOKENS;
use crate::wan::{VaeSplit, vae_cost};

/// Maximum number of earlier runs that an estimate is based on; the most similar ones are used.
const MAX_RUNS: usize = 5;
/// Distance from which the estimate is a range, and how much wider it gets with the distance.
const NEAR: f64 = 0.7;
const SPREAD: f64 = 0.3;
/// Part of the nominal time of the text stage that a run with a known prompt stays below.
const KNOWN_PROMPT: f64 = 0.2;
/// Multiplications and additions per second of one core of a typical machine; only their ratio matters.
const DENOISE_OPERATIONS: f64 = 4e10;
const VAE_OPERATIONS: f64 = 2e10;
/// Bytes of weights that are read and packed in a second, and pixels that are written.
const LOADED_PER_SECOND: f64 = 1e9;
const WRITTEN_PER_SECOND: f64 = 2e7;
/// Products of the VAE decoder in bands for each product by the definition, in the first call and in later ones.
const BANDED_PRODUCTS: [f64; 2] = [0.35, 0.5];
/// Tokens of a usual prompt.
const PROMPT_TOKENS: f64 = 30.0;

/// Multiplications and additions of each stage with an expensive graph; `steps` are those of the two experts.
pub fn work(
    request: &GenRequest,
    model: &ModelSize,
    steps: [u32; 2],
    provider: Provider,
) -> Vec<(Stage, f64)> {
    let passes = passes(request);
    let pass = pass(request, model);
    let mut stages = Vec::new();
    if request.starts_from_image() {
        let first = encoder_chunk(&model.vae, request.size, true).work as f64;
        let later = encoder_chunk(&model.vae, request.size, false).work as f64;
        let chunks =
            if request.mode == Mode::I2V { (request.frames.0 - 1) / model.strides.temporal } else { 0 };
        stages.push((Stage::Image, first + later * f64::from(chunks)));
    }
    for (index, stage) in [Stage::DenoiseHigh, Stage::DenoiseLow].into_iter().enumerate() {
        if steps[index] > 0 {
            stages.push((stage, pass * f64::from(steps[index] * passes[index])));
        }
    }
    let split = vae_cost::split(&model.vae, request.size, request.vae_tile, provider);
    let tiles = tiles(request, model, split);
    let cells = tiles.tile().into_iter().product::<usize>() as u64;
    let chunks = (request.frames.0.saturating_sub(1)) / model.strides.temporal;
    let first = decoder_chunk(&model.vae, cells, true).work as f64;
    let later = decoder_chunk(&model.vae, cells, false).work as f64;
    // bands need fewer products, and a first frame has nothing before it
    let [of_first, of_later] = if split == VaeSplit::Bands { BANDED_PRODUCTS } else { [1.0; 2] };
    let decode = first * of_first + later * of_later * f64::from(chunks);
    stages.push((Stage::Decode, decode * tiles.count() as f64));
    stages
}

/// Transformer passes in a step of the high-noise and of the low-noise expert, one after the other: 2 with guidance on one
/// device, else 1.
pub fn passes(request: &GenRequest) -> [u32; 2] {
    let is_parallel = request.devices.cfg_parallel.is_some();
    [request.guidance, request.guidance_low]
        .map(|guidance| if guidance.enabled() && !is_parallel { 2 } else { 1 })
}

/// Multiplications and additions of one transformer pass over all tokens.
fn pass(request: &GenRequest, model: &ModelSize) -> f64 {
    let config = &model.transformer;
    let latent = model.strides.latent(1, request.size, request.frames);
    let tokens = latent.tokens(model.strides.patch as usize) as f64;
    let (width, ffn) = (config.width() as f64, config.ffn_dim as f64);
    // self-attention has four matrices, cross-attention two over the tokens; its keys and values have few rows
    let matrices = 6.0 * width * width + 2.0 * width * ffn;
    let attention = 2.0 * width * (tokens + TEXT_TOKENS as f64);
    2.0 * tokens * (matrices + attention) * config.num_layers as f64
}

/// Estimates the duration from the most similar earlier runs of the model; `None` without any on the same provider.
///
/// Runs of other models say nothing: a toy computes at another speed than a model whose weights do not fit any cache.
pub(super) fn estimate(facts: &PreflightFacts<'_>) -> Option<(TimeEstimate, Vec<StageEstimate>)> {
    let PreflightFacts { request, model, history, .. } = facts;
    let provider = facts.provider.word();
    let is_like = |run: &&MeasuredRun| run.provider == provider && run.model_fingerprint == model.fingerprint;
    let mut nearest: Vec<_> =
        history.iter().filter(is_like).map(|run| (distance(request, run), run)).collect();
    nearest.sort_by(|a, b| a.0.total_cmp(&b.0));
    nearest.truncate(MAX_RUNS);
    let (nearest_distance, _) = *nearest.first()?;
    let mean = |of: &dyn Fn(&MeasuredRun) -> Option<f64>| {
        weighted(nearest.iter().filter_map(|(distance, run)| Some(((-distance).exp(), of(run)?))))
    };
    let rate = |stage: Stage| mean(&|run| Some(run.loading_and_work(stage)?.1 / run.work_of(stage)?));
    // a stage that never ran here is estimated from one with similar operations
    let any_rate = |stage: Stage| match stage {
        Stage::DenoiseLow => rate(stage).or_else(|| rate(Stage::DenoiseHigh)),
        Stage::DenoiseHigh => rate(stage).or_else(|| rate(Stage::DenoiseLow)),
        Stage::Image => rate(stage).or_else(|| rate(Stage::Decode)),
        _ => rate(stage),
    };
    let range_of = |stage: Stage, work: f64| {
        let speeds = nearest.iter().filter_map(|(_, run)| Some(run.seconds(stage)? / run.work_of(stage)?));
        let (low, high) =
            speeds.fold((f64::MAX, 0.0_f64), |(low, high), speed| (low.min(speed), high.max(speed)));
        (low <= high).then_some((stage, [Secs(low * work), Secs(high * work)]))
    };
    let work = work(request, model, facts.steps, facts.provider);
    let ranges = work.iter().filter_map(|&(stage, work)| range_of(stage, work)).collect();
    let mut stages = nominal(facts);
    for (stage, work) in work {
        let seconds = any_rate(stage)? * work;
        let loading = mean(&|run| Some(run.loading_and_work(stage)?.0)).unwrap_or_default();
        set(&mut stages, StageEstimate { stage, loading: Secs(loading), work: Secs(seconds) });
    }
    // a prompt that was known already took no time: the longest is that of one that was not
    let text = nearest.iter().filter_map(|(_, run)| run.seconds(Stage::Text)).fold(0.0, f64::max);
    if text > KNOWN_PROMPT * seconds_of(&stages, Stage::Text) {
        set(&mut stages, StageEstimate { stage: Stage::Text, loading: Secs(0.0), work: Secs(text) });
    }
    for stage in [Stage::Preflight, Stage::Prepare, Stage::PostProcess] {
        if let Some(seconds) = mean(&|run| run.seconds(stage)) {
            set(&mut stages, StageEstimate { stage, loading: Secs(0.0), work: Secs(seconds) });
        }
    }
    let sum: f64 = stages.iter().map(|stage| stage.seconds().0).sum();
    // runs with the same settings include what the formulas leave out
    let MeasuredTime { seconds, num_runs: runs } =
        facts.similar_runs.unwrap_or(MeasuredTime { seconds: Secs(sum), num_runs: nearest.len() });
    let range = (facts.similar_runs.is_none() && nearest_distance > NEAR).then(|| {
        let factor = (nearest_distance * SPREAD).exp();
        (Secs(seconds.0 / factor), Secs(seconds.0 * factor))
    });
    let of_stages = stages.iter().map(|stage| (stage.stage, stage.seconds())).collect();
    Some((TimeEstimate { seconds, range, stages: of_stages, ranges, runs, same_model: true }, stages))
}

/// How unlike an earlier run is: the logarithm of how many times the pixels it had, and what else was different.
fn distance(request: &GenRequest, run: &MeasuredRun) -> f64 {
    let pixels = |size: Resolution, frames: FrameCount| size.area() as f64 * f64::from(frames.0);
    let (of_run, asked) = (pixels(run.size, run.frames), pixels(request.size, request.frames));
    let of_mode = if run.mode == request.mode { 0.0 } else { 1.0 };
    of_mode + (of_run.max(1.0) / asked.max(1.0)).ln().abs()
}

/// Every stage of a run on a typical machine: without an earlier run, their proportions.
pub(super) fn nominal(facts: &PreflightFacts<'_>) -> Vec<StageEstimate> {
    let PreflightFacts { request, model, .. } = facts;
    let cores = facts.cores.max(1) as f64;
    let load = |component: ComponentSize| Secs(component.loaded.0 as f64 / LOADED_PER_SECOND);
    let [high, low] = memory::experts(model);
    let loading = |stage: Stage| match stage {
        Stage::Image => load(model.vae_encoder),
        Stage::DenoiseHigh => load(high),
        // a single transformer is loaded already
        Stage::DenoiseLow if model.transformers.len() > 1 || facts.steps[0] == 0 => load(low),
        Stage::DenoiseLow => Secs(0.0),
        _ => load(model.vae_decoder),
    };
    let rate = |stage: Stage| match stage {
        Stage::Image | Stage::Decode => VAE_OPERATIONS,
        _ => DENOISE_OPERATIONS,
    };
    let of_work = work(request, model, facts.steps, facts.provider).into_iter().map(|(stage, work)| {
        StageEstimate { stage, loading: loading(stage), work: Secs(work / (rate(stage) * cores)) }
    });
    // a product of each weight with each token of the prompt
    let text = model.text_encoder.loaded.0 as f64 / 4.0 * 2.0 * PROMPT_TOKENS / (DENOISE_OPERATIONS * cores);
    let text = StageEstimate { stage: Stage::Text, loading: load(model.text_encoder), work: Secs(text) };
    let pixels = request.size.area() as f64 * f64::from(request.frames.0);
    let writing = StageEstimate {
        stage: Stage::PostProcess,
        loading: Secs(0.0),
        work: Secs(pixels / WRITTEN_PER_SECOND),
    };
    let mut stages: Vec<_> = of_work.chain([text, writing]).collect();
    stages.sort_by_key(|estimate| estimate.stage);
    stages
}

fn set(stages: &mut Vec<StageEstimate>, estimate: StageEstimate) {
    stages.retain(|known| known.stage != estimate.stage);
    stages.push(estimate);
    stages.sort_by_key(|estimate| estimate.stage);
}

fn seconds_of(stages: &[StageEstimate], stage: Stage) -> f64 {
    stages.iter().find(|known| known.stage == stage).map(|known| known.seconds().0).unwrap_or_default()
}

/// The weighted mean of (weight, value) pairs; `None` without any.
fn weighted(values: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let (weights, sum) = values.fold((0.0, 0.0), |(weights, sum), (weight, value)| {
        let weight = weight.max(f64::MIN_POSITIVE);
        (weights + weight, sum + weight * value)
    });
    (weights > 0.0).then(|| sum / weights)
}
