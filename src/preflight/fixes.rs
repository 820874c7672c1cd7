//! Fixes that make a run cheaper, the least visible in the video first. Each is tried on the estimate itself.

use super::facts::PreflightFacts;
use super::memory_plan;
use super::report::StageMemory;
use crate::core::{Bytes, Fix, FrameCount, GenRequest, Quantisation, Resolution, StepCount, WeightsChoice};
use crate::wan::vae_cost;

/// Maximum number of fixes in a finding.
const MAX_FIXES: usize = 5;
/// Sizes of VAE tiles that are suggested, in pixels, the largest first.
const TILE_SIZES: [u32; 3] = [512, 256, 128];
/// Pixel counts of suggested sizes, relative to the request's; the first is close to 480p instead of 720p.
const AREA_RATIOS: [f64; 3] = [0.45, 0.2, 0.08];

/// Peak memory of a run, and the peak of what the system cannot drop.
pub(super) fn peaks(facts: &PreflightFacts<'_>) -> (Bytes, Bytes) {
    let stages = memory_plan::stages(facts);
    let undroppable = |stage: &StageMemory| Bytes(stage.peak.0 - stage.droppable.0.min(stage.peak.0));
    let peak = stages.iter().map(|stage| stage.peak).max().unwrap_or_default();
    (peak, stages.iter().map(undroppable).max().unwrap_or_default())
}

/// Fixes that lower the peak memory: of each kind the mildest that fits into `free`, else the strongest.
pub(super) fn less_memory(facts: &PreflightFacts<'_>, free: Bytes) -> Vec<Fix> {
    let before = peaks(facts);
    let mut fixes = Vec::new();
    let mut add = |candidates: Vec<Fix>| {
        let helps = |fix: &Fix| {
            let (peak, undroppable) = estimate_with(facts, fix, peaks);
            (peak < before.0 || undroppable < before.1).then_some((peak, fix.clone()))
        };
        let helping: Vec<_> = candidates.iter().filter_map(helps).collect();
        let suffices = helping.iter().find(|(peak, _)| *peak <= free).or_else(|| helping.last());
        fixes.extend(suffices.map(|(_, fix)| fix.clone()));
    };
    if facts.request.weights != WeightsChoice::InPlace {
        add(vec![Fix::WeightsInPlace]);
    }
    let request = facts.request;
    let longer_side = request.size.width.max(request.size.height);
    let tile = vae_cost::tile_size(&facts.model.vae, request.size, request.vae_tile).unwrap_or(longer_side);
    add(TILE_SIZES.into_iter().filter(|size| *size < tile).map(Fix::VaeTile).collect());
    fixes.extend(smaller_variants(facts).map(|(_, fix)| fix));
    let mut add = |candidates: Vec<Fix>| {
        let suffices = |fix: &&Fix| estimate_with(facts, fix, peaks).0 <= free;
        let helps = |fix: &&Fix| estimate_with(facts, fix, peaks).0 < before.0;
        fixes.extend(candidates.iter().find(suffices).or_else(|| candidates.iter().rfind(helps)).cloned());
    };
    add(fewer_frames(facts));
    add(smaller_sizes(facts));
    fixes.truncate(MAX_FIXES);
    fixes
}

/// Fixes that shorten a run.
pub(super) fn less_time(facts: &PreflightFacts<'_>, default_steps: Option<u32>) -> Vec<Fix> {
    let request = facts.request;
    // int4 weights are unpacked before each product, so int4 is no faster
    let faster = smaller_variants(facts).find(|(quantisation, _)| *quantisation == Quantisation::Int8);
    let mut fixes: Vec<_> = faster.into_iter().map(|(_, fix)| fix).collect();
    if request.step_list.is_none() {
        let fewer = default_steps.unwrap_or(20).min(request.steps.0 / 2).max(5);
        fixes.extend((fewer < request.steps.0).then_some(Fix::Steps(StepCount(fewer))));
    }
    fixes.extend(fewer_frames(facts).into_iter().next());
    fixes.extend(smaller_sizes(facts).into_iter().next());
    fixes
}

/// Copies of the model with fewer bits than it has, the more exact first.
fn smaller_variants(facts: &PreflightFacts<'_>) -> impl Iterator<Item = (Quantisation, Fix)> {
    let current = facts.model.quantisation;
    let smaller =
        facts.variants.iter().filter(move |(other, _)| current.is_none_or(|current| *other > current));
    smaller.map(|(quantisation, model)| (*quantisation, Fix::Model(model.clone())))
}

/// Half and a quarter of the frames, the larger count first.
pub(super) fn fewer_frames(facts: &PreflightFacts<'_>) -> Vec<Fix> {
    let (frames, strides) = (facts.request.frames, facts.model.strides);
    let divided = |by: u32| strides.nearest_frames(FrameCount((frames.0 / by).max(1))).0;
    let mut counts: Vec<_> = [2, 4].map(divided).into_iter().filter(|count| *count < frames).collect();
    counts.dedup();
    counts.into_iter().map(Fix::Frames).collect()
}

/// Smaller sizes with the same aspect ratio, the largest first.
pub(super) fn smaller_sizes(facts: &PreflightFacts<'_>) -> Vec<Fix> {
    let (size, multiple) = (facts.request.size, facts.model.strides.size_multiple().max(1));
    let scaled = |area_ratio: f64| {
        let side = |side: u32| {
            let near = (f64::from(side) * area_ratio.sqrt()) as u32;
            ((near + multiple / 2) / multiple * multiple).max(multiple)
        };
        Resolution::new(side(size.width), side(size.height))
    };
    let mut sizes: Vec<_> =
        AREA_RATIOS.map(scaled).into_iter().filter(|other| other.area() < size.area()).collect();
    sizes.dedup();
    sizes.into_iter().map(Fix::Size).collect()
}

/// What `estimate` gives for the request after `fix`.
pub(super) fn estimate_with<T>(
    facts: &PreflightFacts<'_>,
    fix: &Fix,
    estimate: impl FnOnce(&PreflightFacts<'_>) -> T,
) -> T {
    let mut request: GenRequest = facts.request.clone();
    match fix {
        Fix::WeightsInPlace => request.weights = WeightsChoice::InPlace,
        Fix::VaeTile(size) => request.vae_tile = Some(*size),
        Fix::Steps(steps) => request.steps = *steps,
        Fix::Frames(frames) => request.frames = *frames,
        Fix::Size(size) => request.size = *size,
        _ => {}
    }
    estimate(&PreflightFacts { request: &request, ..*facts })
}
