//! Duration of a run: the work of its stages by formula, times what this machine needed for such work in earlier runs.

use super::facts::{MeasuredTime, PreflightFacts};
use super::history::MeasuredRun;
use super::memory::tiling;
use super::report::TimeEstimate;
use super::size::ModelSize;
use super::vae::{decoder_chunk, encoder_chunk};
use crate::core::{GenRequest, Mode, Quantisation, Secs, Stage};
use crate::wan::graphs::TEXT_TOKENS;

/// Maximum number of earlier runs that an estimate is based on; the most similar ones are used.
const MAX_RUNS: usize = 5;

/// Multiplications and additions of each stage with an expensive graph; `steps` are those of the two experts.
pub fn work(request: &GenRequest, model: &ModelSize, steps: [u32; 2]) -> Vec<(Stage, f64)> {
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
    let tiles = tiling(request, model);
    let cells = tiles.tile().into_iter().product::<usize>() as u64;
    let chunks = (request.frames.0.saturating_sub(1)) / model.strides.temporal;
    let first = decoder_chunk(&model.vae, cells, true).work as f64;
    let later = decoder_chunk(&model.vae, cells, false).work as f64;
    stages.push((Stage::Decode, (first + later * f64::from(chunks)) * tiles.count() as f64));
    stages
}

/// Transformer passes in a step of the high-noise and of the low-noise expert: 2 with guidance, else 1.
pub fn passes(request: &GenRequest) -> [u32; 2] {
    [request.guidance, request.guidance_low].map(|guidance| if guidance.enabled() { 2 } else { 1 })
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

/// Estimates the duration from the most similar earlier runs; `None` without any on the same provider.
pub(super) fn estimate(facts: &PreflightFacts<'_>) -> Option<TimeEstimate> {
    let PreflightFacts { request, model, history, .. } = facts;
    let work = work(request, model, facts.steps);
    let precision = model.quantisation.map_or("fp32", Quantisation::word);
    let distance = |run: &MeasuredRun| {
        let other = |is_other: bool, penalty: f64| if is_other { penalty } else { 0.0 };
        let area = (run.size.area() as f64 * f64::from(run.frames.0)).max(1.0);
        let asked = (request.size.area() as f64 * f64::from(request.frames.0)).max(1.0);
        other(run.model_fingerprint != model.fingerprint, 10.0)
            + other(run.precision != precision, 5.0)
            + other(run.mode != request.mode, 1.0)
            + (area / asked).ln().abs()
    };
    let provider = facts.provider.word();
    let mut nearest: Vec<_> =
        history.iter().filter(|run| run.provider == provider).map(|run| (distance(run), run)).collect();
    nearest.sort_by(|a, b| a.0.total_cmp(&b.0));
    // runs of other models count only if there is none of this one
    let same_model = nearest.first().is_some_and(|(_, run)| run.model_fingerprint == model.fingerprint);
    nearest.retain(|(_, run)| !same_model || run.model_fingerprint == model.fingerprint);
    nearest.truncate(MAX_RUNS);
    let ratio = |stage: Stage| {
        let of = |(distance, run): &(f64, &MeasuredRun)| {
            Some(((-distance).exp(), run.seconds(stage)? / run.work_of(stage)?))
        };
        weighted(nearest.iter().filter_map(of))
    };
    // a stage that never ran here is estimated from one with similar operations
    let any = |stage: Stage| match stage {
        Stage::DenoiseLow => ratio(stage).or_else(|| ratio(Stage::DenoiseHigh)),
        Stage::DenoiseHigh => ratio(stage).or_else(|| ratio(Stage::DenoiseLow)),
        Stage::Image => ratio(stage).or_else(|| ratio(Stage::Decode)),
        _ => ratio(stage),
    };
    let range = |&(stage, work): &(Stage, f64)| {
        let speeds = nearest.iter().filter_map(|(_, run)| Some(run.seconds(stage)? / run.work_of(stage)?));
        let (low, high) =
            speeds.fold((f64::MAX, 0.0_f64), |(low, high), speed| (low.min(speed), high.max(speed)));
        (low <= high).then_some((stage, [Secs(low * work), Secs(high * work)]))
    };
    let ranges = work.iter().filter_map(range).collect();
    let mut stages = work
        .iter()
        .map(|&(stage, work)| Some((stage, Secs(any(stage)? * work))))
        .collect::<Option<Vec<_>>>()?;
    for stage in [Stage::Text, Stage::PostProcess] {
        let seconds =
            weighted(nearest.iter().filter_map(|(near, run)| Some(((-near).exp(), run.seconds(stage)?))));
        stages.extend(seconds.map(|seconds| (stage, Secs(seconds))));
    }
    stages.sort_by_key(|(stage, _)| *stage);
    let sum = Secs(stages.iter().map(|(_, seconds)| seconds.0).sum());
    // runs with the same settings include what the formulas leave out, such as loading
    let similar = facts.similar_runs.filter(|_| same_model);
    let MeasuredTime { seconds, num_runs: runs } =
        similar.unwrap_or(MeasuredTime { seconds: sum, num_runs: nearest.len() });
    Some(TimeEstimate { seconds, stages, ranges, runs, same_model })
}

/// The weighted mean of (weight, value) pairs; `None` without any.
fn weighted(values: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let (weights, sum) = values.fold((0.0, 0.0), |(weights, sum), (weight, value)| {
        let weight = weight.max(f64::MIN_POSITIVE);
        (weights + weight, sum + weight * value)
    });
    (weights > 0.0).then(|| sum / weights)
}
