//! How long a run takes: the work of its stages by formula, times what this machine needed for such work before.

use super::facts::{Facts, TimeEstimate};
use super::measured::MeasuredRun;
use super::memory::tiling;
use super::size::ModelSize;
use super::vae::{decoded, encoded};
use crate::core::{GenRequest, Mode, Quantisation, Secs, Stage};
use crate::wan::graphs::TEXT_TOKENS;

/// Runs that an estimate rests on at most, the nearest ones.
const NEAREST: usize = 5;

/// Multiplications and additions of each stage that does any.
pub fn work(request: &GenRequest, model: &ModelSize, steps: [u32; 2]) -> Vec<(Stage, f64)> {
    let passes = passes(request);
    let pass = pass(request, model);
    let mut stages = Vec::new();
    if request.starts_from_image() {
        let first = encoded(&model.vae, request.size, true).work as f64;
        let later = encoded(&model.vae, request.size, false).work as f64;
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
    let first = decoded(&model.vae, cells, true).work as f64;
    let later = decoded(&model.vae, cells, false).work as f64;
    stages.push((Stage::Decode, (first + later * f64::from(chunks)) * tiles.count() as f64));
    stages
}

/// Passes of the transformer in a step of each expert.
pub fn passes(request: &GenRequest) -> [u32; 2] {
    [request.guidance, request.guidance_low].map(|guidance| if guidance.enabled() { 2 } else { 1 })
}

/// One pass of a transformer over all tokens.
fn pass(request: &GenRequest, model: &ModelSize) -> f64 {
    let config = &model.transformer;
    let latent = model.strides.latent(1, request.size, request.frames);
    let tokens = latent.tokens(model.strides.patch as usize) as f64;
    let (width, ffn) = (config.width() as f64, config.ffn_dim as f64);
    // self-attention has four matrices, cross-attention two over the tokens; its keys and values are of few rows
    let matrices = 6.0 * width * width + 2.0 * width * ffn;
    let attention = 2.0 * width * (tokens + TEXT_TOKENS as f64);
    2.0 * tokens * (matrices + attention) * config.num_layers as f64
}

/// The time of a run, from the nearest of the earlier ones; none without any.
pub(super) fn estimate(facts: &Facts<'_>) -> Option<TimeEstimate> {
    let Facts { request, model, history, .. } = facts;
    let work = work(request, model, facts.steps);
    let precision = model.integers.map_or("fp32", Quantisation::word);
    let distance = |run: &MeasuredRun| {
        let other = |is_other: bool, much: f64| if is_other { much } else { 0.0 };
        let area = (run.size.area() as f64 * f64::from(run.frames.0)).max(1.0);
        let asked = (request.size.area() as f64 * f64::from(request.frames.0)).max(1.0);
        other(run.model_fingerprint != model.fingerprint, 10.0)
            + other(run.precision != precision, 5.0)
            + other(run.mode != request.mode, 1.0)
            + (area / asked).ln().abs()
    };
    let mut nearest: Vec<_> =
        history.iter().filter(|run| run.provider == facts.provider).map(|run| (distance(run), run)).collect();
    nearest.sort_by(|a, b| a.0.total_cmp(&b.0));
    // others are left out where there are runs of the same model
    let like = nearest.first().is_some_and(|(_, run)| run.model_fingerprint == model.fingerprint);
    nearest.retain(|(_, run)| !like || run.model_fingerprint == model.fingerprint);
    nearest.truncate(NEAREST);
    let ratio = |stage: Stage| {
        let of = |(distance, run): &(f64, &MeasuredRun)| {
            Some(((-distance).exp(), run.seconds(stage)? / run.work_of(stage)?))
        };
        weighted(nearest.iter().filter_map(of))
    };
    // a machine that never denoised by the low expert did by the other
    let any = |stage: Stage| match stage {
        Stage::DenoiseLow => ratio(stage).or_else(|| ratio(Stage::DenoiseHigh)),
        Stage::DenoiseHigh => ratio(stage).or_else(|| ratio(Stage::DenoiseLow)),
        Stage::Image => ratio(stage).or_else(|| ratio(Stage::Decode)),
        _ => ratio(stage),
    };
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
    // runs made in the same way know what the formulas do not: how long loading takes
    let (seconds, runs) = facts.like_runs.filter(|_| like).unwrap_or((sum, nearest.len()));
    Some(TimeEstimate { seconds, stages, runs, like })
}

/// The mean of (weight, value); none of nothing.
fn weighted(values: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let (weights, sum) = values.fold((0.0, 0.0), |(weights, sum), (weight, value)| {
        let weight = weight.max(f64::MIN_POSITIVE);
        (weights + weight, sum + weight * value)
    });
    (weights > 0.0).then(|| sum / weights)
}
