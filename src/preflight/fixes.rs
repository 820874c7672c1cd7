//! Fixes that make a run fit: each one offered was tried on the estimate itself, and removes what it is offered for.

use super::device::DeviceFacts;
use super::facts::PreflightFacts;
use super::memory::experts;
use super::memory_plan;
use super::report::StageMemory;
use super::size::{ComponentSize, EightBitPart, ModelSize};
use crate::core::{
    Bytes, Fix, FrameCount, GenRequest, Provider, ProviderChoice, Quantisation, Resolution, StepCount,
    WeightsChoice,
};
use crate::engine::Prepack;
use crate::pipeline::ComponentId;
use crate::wan::vae_cost;

/// Maximum number of fixes in a finding.
const MAX_FIXES: usize = 5;
/// Sizes of VAE tiles that are suggested, in pixels, the largest first.
const TILE_SIZES: [u32; 3] = [512, 256, 128];
/// Pixel counts of suggested sizes, relative to the request's; the first is close to 480p instead of 720p.
const AREA_RATIOS: [f64; 3] = [0.45, 0.2, 0.08];
/// Bits of a quantised weight with its part of the scales.
const INT8_BITS: u64 = 8;
const INT4_BITS: u64 = 5;

/// A fix, and what the run comes to after it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Suggestion {
    pub(super) fix: Fix,
    /// For instance "needs 17.0 GiB, fits".
    pub(super) figures: String,
}

/// How a run fits into the memory that it may take. Ordered: the first is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// All of it.
    Fits,
    /// Weights are read from disk in every step.
    Slow,
    /// It may be more than there is.
    Risky,
    /// It is more than there can be.
    Blocked,
}

/// Peak memory of a run, and the peak of what the system cannot drop.
pub(super) fn peaks(facts: &PreflightFacts<'_>) -> (Bytes, Bytes) {
    let stages = memory_plan::stages(facts);
    let undroppable = |stage: &StageMemory| Bytes(stage.peak.0 - stage.droppable.0.min(stage.peak.0));
    let peak = stages.iter().map(|stage| stage.peak).max().unwrap_or_default();
    (peak, stages.iter().map(undroppable).max().unwrap_or_default())
}

/// How a run fits, and its peak; none if the memory is unknown.
pub(super) fn fit(facts: &PreflightFacts<'_>) -> Option<(Fit, Bytes)> {
    let (peak, undroppable) = peaks(facts);
    if !facts.provider.uses_host_memory() {
        return fit_on_devices(facts).map(|(fit, peak, _)| (fit, peak));
    }
    let free = facts.free_memory?;
    let fit = if peak <= free {
        if streamed_from_disk(facts, Bytes(free.0 - peak.0)).is_some() { Fit::Slow } else { Fit::Fits }
    } else if undroppable <= free {
        Fit::Slow
    } else if estimate_with(facts, &Fix::WeightsInPlace, peaks).1 <= free {
        Fit::Risky
    } else {
        Fit::Blocked
    };
    Some((fit, peak))
}

/// Bytes that a step reads of a transformer's files if the CPU streams them, and if the memory that is `left` to the system
/// cannot keep them.
pub(super) fn streamed_from_disk(facts: &PreflightFacts<'_>, left: Bytes) -> Option<Bytes> {
    let stored = streamed_bytes(facts)?;
    (stored > left).then_some(stored)
}

/// Bytes that a step reads of a transformer's files if the CPU streams them.
pub(super) fn streamed_bytes(facts: &PreflightFacts<'_>) -> Option<Bytes> {
    let plan = memory_plan::memory_plan(facts);
    let is_streamed = |component| plan.of(component).prepack == Prepack::Streamed;
    let experts = [ComponentId::Transformer, ComponentId::Transformer2].into_iter().zip(experts(facts.model));
    experts.filter(|(component, _)| is_streamed(*component)).map(|(_, expert)| expert.stored).max()
}

/// How a run fits on the GPU where it fits worse, its peak there, and that GPU.
pub(super) fn fit_on_devices(facts: &PreflightFacts<'_>) -> Option<(Fit, Bytes, DeviceFacts)> {
    let on = |device: DeviceFacts, peak: Bytes| {
        let fit = match peak {
            peak if peak <= device.available() => Fit::Fits,
            peak if peak <= device.total => Fit::Risky,
            _ => Fit::Blocked,
        };
        (fit, peak, device)
    };
    let first = facts.device.map(|device| on(device, peaks(facts).0))?;
    let second = facts.second_device.map(|device| on(device, memory_plan::peak_on_second(facts)));
    Some(second.filter(|second| second.0 > first.0).unwrap_or(first))
}

/// What a run needs and what it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryShortage {
    /// The least that it needs; on a GPU with a margin.
    pub needed: Bytes,
    /// What is free for it now.
    pub free: Bytes,
    /// All memory of the GPU; `None` on the CPU.
    pub total: Option<Bytes>,
}

/// The shortage of a run that cannot fit into the memory that is free now: on a GPU more is needed than is free, on the CPU
/// more than the system can make free by dropping pages of files. `None` if it may fit, or if the memory is unknown.
pub fn memory_shortage(facts: &PreflightFacts<'_>) -> Option<MemoryShortage> {
    let (fit, needed) = fit(facts)?;
    if facts.provider.uses_host_memory() {
        let needed = estimate_with(facts, &Fix::WeightsInPlace, peaks).1;
        let free = facts.free_memory?;
        return (fit == Fit::Blocked).then_some(MemoryShortage { needed, free, total: None });
    }
    let (_, _, device) = fit_on_devices(facts)?;
    let shortage = MemoryShortage { needed, free: device.free?, total: Some(device.total) };
    matches!(fit, Fit::Risky | Fit::Blocked).then_some(shortage)
}

/// Fixes with which the run fits: single changes if one suffices, else the smallest combinations; none if nothing helps.
pub(super) fn less_memory(facts: &PreflightFacts<'_>) -> Vec<Suggestion> {
    let Some((now, _)) = fit(facts) else { return Vec::new() };
    let kinds = kinds(facts);
    for count in 1..=kinds.len() {
        let mut found = Vec::new();
        combinations(&kinds, count, &mut Vec::new(), &mut |kinds| {
            let mut wanted = [Fit::Fits, Fit::Slow].into_iter().filter(|wanted| *wanted < now);
            found.extend(wanted.find_map(|wanted| first_that_fits(facts, kinds, wanted)));
        });
        if !found.is_empty() {
            found.truncate(MAX_FIXES);
            return found;
        }
    }
    Vec::new()
}

/// The peak with every change at its strongest.
pub(super) fn least_possible(facts: &PreflightFacts<'_>) -> Bytes {
    let all = kinds(facts).into_iter().filter_map(|kind| kind.into_iter().next_back()).collect();
    estimate_with(facts, &Fix::Together(all), peaks).1
}

/// The changes that may need less memory, a list for each kind with its mildest first.
fn kinds(facts: &PreflightFacts<'_>) -> Vec<Vec<Fix>> {
    let PreflightFacts { request, model, .. } = facts;
    let longer_side = request.size.width.max(request.size.height);
    let tile = vae_cost::tile_size(&model.vae, request.size, request.vae_tile).unwrap_or(longer_side);
    let tiles = TILE_SIZES.into_iter().filter(|size| *size < tile).map(Fix::VaeTile);
    let on_cpu = facts.provider.uses_host_memory();
    let is_built = model.exported.is_none();
    let needs_less_in_place = is_built && (on_cpu || facts.provider == Provider::Cuda);
    let is_packed = matches!(request.weights, WeightsChoice::Auto | WeightsChoice::Packed);
    let in_place = (needs_less_in_place && is_packed).then(|| unpacked(facts));
    let no_loras = (facts.loras != [Bytes(0); 2]).then_some(Fix::NoLoras);
    let cpu = (!on_cpu).then_some(Fix::Provider(ProviderChoice::Cpu));
    let mut kinds = vec![Vec::from_iter(in_place), if is_built { tiles.collect() } else { Vec::new() }];
    kinds.extend(smaller_variants(facts).into_iter().map(|(_, fix)| vec![fix]));
    kinds.extend([Vec::from_iter(cpu), Vec::from_iter(no_loras), fewer_frames(facts), smaller_sizes(facts)]);
    kinds.retain(|kind| !kind.is_empty());
    kinds
}

/// The change that keeps most weights out of the memory that computes. The CPU streams those that it would have to convert.
fn unpacked(facts: &PreflightFacts<'_>) -> Fix {
    let converts = |expert: &ComponentSize| expert.mapped.0 < expert.loaded.0 / 2;
    if facts.provider.uses_host_memory() && !facts.model.transformers.iter().any(converts) {
        Fix::WeightsInPlace
    } else {
        Fix::StreamWeights
    }
}

/// Calls `found` with every choice of `count` kinds, in order.
fn combinations<'k>(
    kinds: &'k [Vec<Fix>],
    count: usize,
    chosen: &mut Vec<&'k [Fix]>,
    found: &mut dyn FnMut(&[&'k [Fix]]),
) {
    if count == 0 {
        found(chosen);
        return;
    }
    for (index, kind) in kinds.iter().enumerate() {
        chosen.push(kind);
        combinations(kinds.get(index + 1..).unwrap_or_default(), count - 1, chosen, found);
        chosen.pop();
    }
}

/// The mildest choice of one change of each kind with which the run fits as `wanted`.
fn first_that_fits(facts: &PreflightFacts<'_>, kinds: &[&[Fix]], wanted: Fit) -> Option<Suggestion> {
    let mut choices = vec![Vec::new()];
    for kind in kinds {
        let with = |fix: &Fix| {
            choices
                .iter()
                .map(|choice: &Vec<Fix>| [choice.as_slice(), std::slice::from_ref(fix)].concat())
                .collect::<Vec<_>>()
        };
        choices = kind.iter().flat_map(with).collect();
    }
    choices.into_iter().find_map(|mut choice| {
        let fix = if choice.len() == 1 { choice.pop()? } else { Fix::Together(choice) };
        let (fits, peak, undroppable) =
            estimate_with(facts, &fix, |facts| fit(facts).map(|(fit, peak)| (fit, peak, peaks(facts).1)))?;
        let figures = match fits {
            Fit::Fits => format!("needs {peak}, fits"),
            _ => format!("needs {undroppable} and reads the rest from disk in every step, slow"),
        };
        (fits <= wanted).then_some(Suggestion { fix, figures })
    })
}

/// Changes that shorten a run.
pub(super) fn less_time(facts: &PreflightFacts<'_>, default_steps: Option<u32>) -> Vec<Fix> {
    let request = facts.request;
    // int4 weights are unpacked before each product, so int4 is no faster; nor is int8 on a GPU, for the same reason
    let is_faster = |kind: Quantisation| {
        kind == Quantisation::Int8 && facts.provider == Provider::Cpu && facts.has_fast_int8
    };
    let faster = smaller_variants(facts).into_iter().find(|(kind, _)| is_faster(*kind));
    let mut fixes: Vec<_> = faster.into_iter().map(|(_, fix)| fix).collect();
    if request.step_list.is_none() {
        let fewer = default_steps.unwrap_or(20).min(request.steps.0 / 2).max(5);
        fixes.extend((fewer < request.steps.0).then_some(Fix::Steps(StepCount(fewer))));
    }
    fixes.extend(fewer_frames(facts).into_iter().next());
    fixes.extend(smaller_sizes(facts).into_iter().next());
    fixes
}

/// Copies of the model that the provider computes with fewer bits than it has, the more exact first: those on this machine, else those that can be
/// made of it.
fn smaller_variants(facts: &PreflightFacts<'_>) -> Vec<(Quantisation, Fix)> {
    let current = facts.model.quantisation;
    let runs = |other: Quantisation| other == Quantisation::Int8 || facts.provider == Provider::Cpu;
    let is_smaller = |other: Quantisation| current.is_none_or(|current| other > current) && runs(other);
    let variant = |kind: Quantisation| {
        let known = facts.variants.iter().find(|(known, _)| *known == kind);
        let fix = match known {
            Some((_, model)) => Some(Fix::Model(model.clone())),
            // a quantised model cannot be converted again
            None if facts.suggests_quantised && current.is_none() && facts.model.exported.is_none() => {
                Some(Fix::Convert { model: facts.request.model.clone(), quantisation: kind })
            }
            None => None,
        };
        fix.map(|fix| (kind, fix))
    };
    let kinds = [Quantisation::Int8, Quantisation::Int4].into_iter().filter(|kind| is_smaller(*kind));
    kinds.filter_map(variant).collect()
}

/// Half, a quarter and an eighth of the frames, the larger count first.
fn fewer_frames(facts: &PreflightFacts<'_>) -> Vec<Fix> {
    let (frames, strides) = (facts.request.frames, facts.model.strides);
    let divided = |by: u32| strides.nearest_frames(FrameCount((frames.0 / by).max(1))).0;
    let mut counts: Vec<_> = [2, 4, 8].map(divided).into_iter().filter(|count| *count < frames).collect();
    counts.dedup();
    counts.into_iter().map(Fix::Frames).collect()
}

/// Smaller sizes with the same aspect ratio, the largest first.
fn smaller_sizes(facts: &PreflightFacts<'_>) -> Vec<Fix> {
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

/// What `estimate` gives for the run after `fix`.
pub(super) fn estimate_with<T>(
    facts: &PreflightFacts<'_>,
    fix: &Fix,
    estimate: impl FnOnce(&PreflightFacts<'_>) -> T,
) -> T {
    let mut after = After { request: facts.request.clone(), model: None, facts: *facts };
    after.apply(fix);
    let After { request, model, facts } = &after;
    estimate(&PreflightFacts { request, model: model.as_ref().unwrap_or(facts.model), ..*facts })
}

/// The facts with fixes applied.
struct After<'a> {
    request: GenRequest,
    model: Option<ModelSize>,
    facts: PreflightFacts<'a>,
}

impl After<'_> {
    fn apply(&mut self, fix: &Fix) {
        match fix {
            Fix::WeightsInPlace => self.request.weights = WeightsChoice::InPlace,
            Fix::StreamWeights => self.request.weights = WeightsChoice::Streamed,
            Fix::VaeTile(size) => self.request.vae_tile = Some(*size),
            Fix::Steps(steps) => {
                let before = self.request.steps.0.max(1);
                self.request.steps = *steps;
                self.facts.steps = self.facts.steps.map(|of_expert| (of_expert * steps.0).div_ceil(before));
            }
            Fix::Frames(frames) => self.request.frames = *frames,
            Fix::Size(size) => self.request.size = *size,
            Fix::NoLoras => self.facts.loras = [Bytes(0); 2],
            Fix::TimeLimit(limit) => self.facts.time_limit = *limit,
            Fix::AnyDevice => self.facts.second_device = None,
            Fix::Provider(ProviderChoice::Cpu) => {
                (self.facts.provider, self.facts.device, self.facts.second_device) =
                    (Provider::Cpu, None, None);
            }
            Fix::Model(name) => {
                let known = self.facts.variants.iter().find(|(_, known)| known == name);
                self.model = known.map(|(kind, _)| quantised(self.facts.model, *kind));
            }
            Fix::Convert { quantisation, .. } => {
                self.model = Some(quantised(self.facts.model, *quantisation));
            }
            Fix::Together(fixes) => fixes.iter().for_each(|fix| self.apply(fix)),
            Fix::Retry | Fix::WithoutCache | Fix::Provider(_) | Fix::Guidance(_) | Fix::Fetch(_) => {}
        }
    }
}

/// The model as `models convert` would write it. Its files hold what is computed with, so the system can drop it.
fn quantised(model: &ModelSize, kind: Quantisation) -> ModelSize {
    let bits = if kind == Quantisation::Int4 { INT4_BITS } else { INT8_BITS };
    let bits_now = match model.quantisation {
        None => 32,
        Some(Quantisation::Int4) => INT4_BITS,
        Some(_) => INT8_BITS,
    };
    let smaller = |component: &ComponentSize| {
        let scaled = |bytes: Bytes| Bytes(bytes.0 / bits_now * bits);
        let loaded = scaled(component.loaded);
        ComponentSize {
            stored: loaded,
            loaded,
            mapped: loaded,
            largest: scaled(component.largest),
            // in place, a matrix is unpacked to fp32
            unpacked: if kind == Quantisation::Int4 { component.largest } else { Bytes(0) },
            eight_bit: match kind {
                Quantisation::Int8 => {
                    let largest = component.largest.0 * 8 / bits_now;
                    EightBitPart { stored: loaded, loaded, largest }
                }
                Quantisation::Int4 => EightBitPart::default(),
            },
        }
    };
    ModelSize {
        transformers: model.transformers.iter().map(smaller).collect(),
        text_encoder: smaller(&model.text_encoder),
        quantisation: Some(kind),
        // other runs than those of the model itself
        fingerprint: String::new(),
        ..model.clone()
    }
}
