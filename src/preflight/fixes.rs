//! Changes that make a run cheaper, the ones that cost the picture least first, each tried on the estimate itself.

use super::facts::Facts;
use super::memory;
use crate::core::{Bytes, Fix, FrameCount, GenRequest, Quantisation, Resolution, StepCount, WeightsChoice};
use crate::wan::vae_cost;

/// Changes that are offered at most.
const MOST: usize = 5;
/// Edges of VAE tiles that are offered, pixels.
const TILES: [u32; 3] = [512, 256, 128];
/// Shares of the pixels of a smaller picture: 720p to 480p is near the first.
const SMALLER: [f64; 3] = [0.45, 0.2, 0.08];

/// The largest memory of a run, and what of it cannot be dropped.
pub(super) fn peaks(facts: &Facts<'_>) -> (Bytes, Bytes) {
    let stages = memory::stages(facts);
    let hard = |stage: &super::facts::StageMemory| Bytes(stage.peak.0 - stage.droppable.0.min(stage.peak.0));
    let peak = stages.iter().map(|stage| stage.peak).max().unwrap_or_default();
    (peak, stages.iter().map(hard).max().unwrap_or_default())
}

/// Changes that lower the largest memory, the weakest that is enough of each kind, else the strongest.
pub(super) fn less_memory(facts: &Facts<'_>, free: Bytes) -> Vec<Fix> {
    let before = peaks(facts);
    let mut changes = Vec::new();
    let mut add = |candidates: Vec<Fix>| {
        let helps = |change: &Fix| {
            let (peak, hard) = with(facts, change, peaks);
            (peak < before.0 || hard < before.1).then_some((peak, change.clone()))
        };
        let helping: Vec<_> = candidates.iter().filter_map(helps).collect();
        let enough = helping.iter().find(|(peak, _)| *peak <= free).or_else(|| helping.last());
        changes.extend(enough.map(|(_, change)| change.clone()));
    };
    if facts.request.weights != WeightsChoice::InPlace {
        add(vec![Fix::WeightsInPlace]);
    }
    let request = facts.request;
    let whole = request.size.width.max(request.size.height);
    let current = vae_cost::tile_edge(&facts.model.vae, request.size, request.vae_tile).unwrap_or(whole);
    add(TILES.into_iter().filter(|edge| *edge < current).map(Fix::VaeTile).collect());
    changes.extend(variants(facts).map(|(_, change)| change));
    let mut add = |candidates: Vec<Fix>| {
        let enough = |change: &&Fix| with(facts, change, peaks).0 <= free;
        let helps = |change: &&Fix| with(facts, change, peaks).0 < before.0;
        changes.extend(candidates.iter().find(enough).or_else(|| candidates.iter().rfind(helps)).cloned());
    };
    add(fewer_frames(facts));
    add(smaller(facts));
    changes.truncate(MOST);
    changes
}

/// Changes that take less time.
pub(super) fn less_time(facts: &Facts<'_>, default_steps: Option<u32>) -> Vec<Fix> {
    let request = facts.request;
    // 4 bits are unpacked as they are computed, which makes them no faster
    let faster = variants(facts).find(|(integers, _)| *integers == Quantisation::Int8);
    let mut changes: Vec<_> = faster.into_iter().map(|(_, change)| change).collect();
    if request.step_list.is_none() {
        let fewer = default_steps.unwrap_or(20).min(request.steps.0 / 2).max(5);
        changes.extend((fewer < request.steps.0).then_some(Fix::Steps(StepCount(fewer))));
    }
    changes.extend(fewer_frames(facts).into_iter().next());
    changes.extend(smaller(facts).into_iter().next());
    changes
}

/// The same model in smaller integers, where it is here, the more exact first.
fn variants(facts: &Facts<'_>) -> impl Iterator<Item = (Quantisation, Fix)> {
    let has = facts.model.integers;
    let smaller = facts.variants.iter().filter(move |(integers, _)| has.is_none_or(|has| *integers > has));
    smaller.map(|(integers, model)| (*integers, Fix::Model(model.clone())))
}

/// Fewer frames, the larger counts first.
pub(super) fn fewer_frames(facts: &Facts<'_>) -> Vec<Fix> {
    let (frames, strides) = (facts.request.frames, facts.model.strides);
    let at = |share: u32| strides.nearest_frames(FrameCount((frames.0 / share).max(1))).0;
    let mut counts: Vec<_> = [2, 4].map(at).into_iter().filter(|count| *count < frames).collect();
    counts.dedup();
    counts.into_iter().map(Fix::Frames).collect()
}

/// Smaller pictures of the same shape, the larger first.
pub(super) fn smaller(facts: &Facts<'_>) -> Vec<Fix> {
    let (size, multiple) = (facts.request.size, facts.model.strides.size_multiple().max(1));
    let at = |share: f64| {
        let side = |side: u32| {
            let near = (f64::from(side) * share.sqrt()) as u32;
            ((near + multiple / 2) / multiple * multiple).max(multiple)
        };
        Resolution::new(side(size.width), side(size.height))
    };
    let mut sizes: Vec<_> = SMALLER.map(at).into_iter().filter(|other| other.area() < size.area()).collect();
    sizes.dedup();
    sizes.into_iter().map(Fix::Size).collect()
}

/// What `look` says of the request with `change`.
pub(super) fn with<T>(facts: &Facts<'_>, change: &Fix, look: impl FnOnce(&Facts<'_>) -> T) -> T {
    let mut request: GenRequest = facts.request.clone();
    match change {
        Fix::WeightsInPlace => request.weights = WeightsChoice::InPlace,
        Fix::VaeTile(edge) => request.vae_tile = Some(*edge),
        Fix::Steps(steps) => request.steps = *steps,
        Fix::Frames(frames) => request.frames = *frames,
        Fix::Size(size) => request.size = *size,
        _ => {}
    }
    look(&Facts { request: &request, ..*facts })
}
