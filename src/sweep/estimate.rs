//! What a sweep will cost, before it starts, and the cheapest cuts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use super::field::SweepField;
use super::jobs::SweepPlan;
use crate::core::{Bytes, Draft, Expert, Result, Sampler, Secs, Stage, WeightsChoice, counted};
use crate::jobs::JobSpec;
use crate::plan::{PreflightResult, examine};
use crate::preflight::DiskSpace;

/// Cuts that are offered.
const CUTS: usize = 3;

/// What a sweep will cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SweepEstimate {
    /// Number of cells.
    pub cells: usize,
    /// Time of all cells, one after the other; none without an earlier run of the model on this machine.
    pub seconds: Option<Secs>,
    /// Time of as many jobs that share nothing.
    pub seconds_unshared: Option<Secs>,
    /// Space for all videos.
    pub disk: Bytes,
    /// Free space where they go.
    pub disk_free: Option<Bytes>,
    /// Largest memory of a cell.
    pub memory: Bytes,
    /// Why cells cannot run, one sentence each.
    pub blockers: Vec<String>,
    /// What makes it cheaper, the largest saving first.
    pub cuts: Vec<Cut>,
}

/// A change that makes a sweep cheaper.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cut {
    /// The axis whose value is left out, counted from 0.
    pub axis: usize,
    /// The value, as it is set.
    pub value: String,
    /// What to do, in words.
    pub label: String,
    /// Cells that are left.
    pub cells: usize,
    /// Time that it saves.
    pub saves: Option<Secs>,
}

impl Cut {
    /// How many cells are left, in words.
    pub fn left_words(&self) -> String {
        format!("{} left", counted(self.cells as u64, "cell"))
    }
}

/// Cost of one cell.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    seconds: Option<f64>,
    /// Part of the high-noise expert.
    high: f64,
    /// The same for cells whose high-noise expert's steps are the same, as far as both have them.
    switch: usize,
    disk: Bytes,
    free: Option<Bytes>,
    memory: Bytes,
}

/// Estimates the cost of a sweep from the preflight of its cells. Reads models and history: call it on a background
/// thread.
pub fn estimate(plan: &SweepPlan, data_dir: &Path) -> Result<SweepEstimate> {
    let mut known: BTreeMap<String, Cost> = BTreeMap::new();
    let mut switches: BTreeMap<String, usize> = BTreeMap::new();
    let mut blockers = BTreeSet::new();
    let mut costs = Vec::new();
    for spec in &plan.specs {
        let key = cost_key(spec);
        if !known.contains_key(&key) {
            let examined = examine(spec, data_dir, true)?;
            blockers.extend(examined.preflight.blockers().map(|finding| finding.message.clone()));
            known.insert(key.clone(), cost(&examined));
        }
        let num_switches = switches.len();
        let switch = *switches.entry(switch_key(&spec.draft)).or_insert(num_switches);
        costs.push(Cost { switch, ..known.get(&key).copied().unwrap_or_default() });
    }
    if let Some(search) = &plan.record.sweep.search {
        // its trials are not known yet: each counts like the ones that are
        let known = costs.clone();
        let wanted = search.trials as usize + usize::from(search.has_reference());
        costs.extend(known.into_iter().cycle().take(wanted.saturating_sub(plan.specs.len())));
        let highest = costs.iter().map(|cost| cost.switch).max().unwrap_or_default();
        (highest + 1..).zip(&mut costs).for_each(|(switch, cost)| cost.switch = switch);
    }
    let unshared: Option<f64> = costs.iter().map(|cost| cost.seconds).sum();
    Ok(SweepEstimate {
        cells: costs.len(),
        seconds: shared_seconds(costs.iter()).map(Secs),
        seconds_unshared: unshared.map(Secs),
        disk: Bytes(costs.iter().map(|cost| cost.disk.0).sum()),
        disk_free: costs.iter().filter_map(|cost| cost.free).min(),
        memory: costs.iter().map(|cost| cost.memory).max().unwrap_or_default(),
        blockers: blockers.into_iter().collect(),
        cuts: cuts(plan, &costs),
    })
}

/// Time of some cells, with the high-noise expert's steps counted once for those that share them.
fn shared_seconds<'a>(cells: impl Iterator<Item = &'a Cost>) -> Option<f64> {
    let mut computed: BTreeMap<usize, f64> = BTreeMap::new();
    let own = |cost: &Cost| {
        let before = computed.entry(cost.switch).or_default();
        let shared = before.min(cost.high);
        *before = before.max(cost.high);
        Some(cost.seconds? - shared)
    };
    cells.map(own).sum()
}

/// The values whose cells take the most time.
fn cuts(plan: &SweepPlan, costs: &[Cost]) -> Vec<Cut> {
    let whole = shared_seconds(costs.iter());
    let mut values: BTreeMap<(usize, u32), BTreeSet<usize>> = BTreeMap::new();
    let mut num_values: BTreeMap<usize, usize> = BTreeMap::new();
    for (index, cell) in plan.record.cells.iter().enumerate() {
        for (axis, at) in cell.place.iter().enumerate() {
            let members = values.entry((axis, *at)).or_default();
            if members.is_empty() {
                *num_values.entry(axis).or_default() += 1;
            }
            members.insert(index);
        }
    }
    let mut cuts: Vec<Cut> = values
        .iter()
        .filter(|((axis, _), _)| num_values.get(axis).is_some_and(|count| *count > 1))
        .filter_map(|((axis, _), members)| {
            let left = (0..).zip(costs).filter(|(index, _)| !members.contains(index)).map(|(_, cost)| cost);
            let left: Vec<_> = left.collect();
            let first = members.first().and_then(|&index| plan.record.cells.get(index))?;
            let field = plan.record.sweep.axes.get(*axis)?.field.clone();
            let (_, value) = first.values.iter().find(|(of, _)| *of == field)?;
            let saves =
                whole.zip(shared_seconds(left.iter().copied())).map(|(whole, left)| Secs(whole - left));
            let words = if matches!(field, SweepField::Prompt | SweepField::Preset) {
                format!("\"{value}\"")
            } else {
                format!("{field} {value}")
            };
            let label = format!("Leave out {words}");
            Some(Cut { axis: *axis, value: value.clone(), label, cells: left.len(), saves })
        })
        .collect();
    cuts.sort_by(|a, b| {
        let saved = |cut: &Cut| cut.saves.map_or(0.0, |Secs(seconds)| seconds);
        saved(b).total_cmp(&saved(a)).then(a.cells.cmp(&b.cells))
    });
    cuts.truncate(CUTS);
    cuts
}

fn cost(examined: &PreflightResult) -> Cost {
    let time = examined.preflight.time.as_ref();
    let of_stage = |stage: Stage| {
        time.and_then(|time| time.stages.iter().find(|(of, _)| *of == stage))
            .map(|(_, Secs(seconds))| *seconds)
    };
    // what is shared is the state before the low-noise expert; a single transformer has no such state
    let high = of_stage(Stage::DenoiseLow).and_then(|_| of_stage(Stage::DenoiseHigh));
    let video = examined.disk_space.iter().find(|space| space.content == DiskSpace::VIDEO);
    let device = examined.preflight.device.iter().map(|stage| stage.peak).max();
    Cost {
        seconds: time.map(|time| time.seconds.0),
        high: high.unwrap_or_default(),
        disk: video.map(|space| space.needed).unwrap_or_default(),
        free: video.and_then(|space| space.free),
        memory: device.unwrap_or_else(|| examined.preflight.peak()),
        ..Cost::default()
    }
}

/// Jobs with the same key cost the same.
fn cost_key(spec: &JobSpec) -> String {
    let draft = &spec.draft;
    // whether there is guidance doubles the passes; how strong it is costs nothing
    let passes = |scale: f32| if scale > 1.0 { 2.0 } else { 1.0 };
    let same = Draft {
        prompt: String::new(),
        negative_prompt: String::new(),
        seed: 0,
        guidance: passes(draft.guidance),
        guidance_low: draft.guidance_low.map(passes),
        sampler: Sampler::default(),
        ..draft.clone()
    };
    serde_json::to_string(&same).unwrap_or_default()
}

/// Drafts with the same key have the same states in the high-noise expert's steps.
fn switch_key(draft: &Draft) -> String {
    let mut same =
        Draft { guidance_low: None, vae_tile: None, weights: WeightsChoice::Auto, fps: 1, ..draft.clone() };
    if draft.step_cache.is_none() {
        same.boundary = None;
    }
    same.loras.retain(|lora| lora.expert != Some(Expert::Low));
    if draft.guidance <= 1.0 {
        same.negative_prompt.clear();
    }
    serde_json::to_string(&same).unwrap_or_default()
}
