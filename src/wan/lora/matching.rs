//! Applies a LoRA to a transformer: its keys become deltas of the model's weights, or are skipped with a reason.

use std::collections::BTreeMap;

use super::file::LoraFile;
use super::key::KeyRole;
use super::module::{Module, ModuleKeys};
use super::names::{Names, is_image_branch};
use super::report::{LoraReport, SkipReason, SkippedKey};
use crate::core::{CancelToken, Expert, Result};
use crate::onnx::{Adapter, DenseRows, Dtype, MagnitudeRatios, TensorInfo, Weights};

/// A LoRA matched with a transformer.
#[derive(Clone, Debug)]
pub struct LoraMatch {
    /// How each key was used.
    pub report: LoraReport,
    adapter: Adapter,
    /// The magnitudes of a DoRA by the matrix they belong to.
    magnitudes: BTreeMap<String, String>,
}

/// The transformer that a LoRA is matched with.
#[derive(Clone, Copy, Debug)]
pub struct MatchTarget<'a> {
    /// Its weights, with diffusers' names.
    pub weights: &'a Weights,
    /// Which expert it is; `None` for the only transformer of a model.
    pub expert: Option<Expert>,
}

impl<'a> MatchTarget<'a> {
    /// The only transformer of a model.
    pub fn only(weights: &'a Weights) -> Self {
        Self { weights, expert: None }
    }

    /// Where a key is applied that names the expert `named`.
    fn place_of(self, named: Option<Expert>) -> Place {
        match (self.expert, named) {
            (_, None) | (None, Some(Expert::High)) => Place::Here,
            (None, Some(Expert::Low)) => Place::Nowhere(Expert::Low),
            (Some(own), Some(named)) if own == named => Place::Here,
            (Some(_), Some(_)) => Place::OtherExpert,
        }
    }
}

/// Where a key is applied.
enum Place {
    Here,
    OtherExpert,
    Nowhere(Expert),
}

/// Matches `file` with a transformer; `strength` names the graph input for the strength.
///
/// All-zero deltas are dropped, and keys that name the model's other expert are no part of the report. Call
/// [`LoraMatch::check`] to reject a LoRA for another model.
pub fn match_keys(file: &LoraFile, target: MatchTarget<'_>, strength: &str) -> Result<LoraMatch> {
    let names = Names::of(target.weights);
    let mut report = LoraReport { notes: file.notes.clone(), ..LoraReport::default() };
    let mut modules: BTreeMap<String, ModuleKeys<'_>> = BTreeMap::new();
    for (raw, info, key) in file.keys() {
        let reason = match key {
            None => Some(SkipReason::NoLora),
            Some(key) => match (target.place_of(file.expert_of(key)), names.find(&key.module), key.role) {
                (Place::OtherExpert, ..) => continue,
                (Place::Nowhere(expert), ..) => Some(SkipReason::OtherExpert(expert)),
                (_, None, _) if is_image_branch(&key.module) => Some(SkipReason::ImageBranch),
                (_, None, _) => Some(SkipReason::NoModule),
                (_, _, KeyRole::Foreign(method)) => Some(SkipReason::Foreign(method)),
                (_, _, role) if !is_usable(role, info) => Some(SkipReason::Numbers),
                (_, Some(module), role) => {
                    let keys = modules.entry(module.to_owned()).or_default();
                    let taken = keys.contains_key(&role);
                    if !taken {
                        keys.insert(role, raw);
                    }
                    taken.then_some(SkipReason::Twice)
                }
            },
        };
        if let Some(reason) = reason {
            report.skipped.push(SkippedKey { key: raw.to_owned(), reason });
        }
    }
    let mut fit = LoraMatch {
        report,
        adapter: Adapter {
            strength: strength.to_owned(),
            weights: file.weights.clone(),
            deltas: BTreeMap::new(),
            magnitudes: BTreeMap::new(),
        },
        magnitudes: BTreeMap::new(),
    };
    for (name, keys) in &modules {
        fit.add(Module::read(file, target.weights, name, keys)?, name);
    }
    Ok(fit)
}

impl LoraMatch {
    fn add(&mut self, module: Module<'_>, name: &str) {
        let Module { changes, magnitude, report, .. } = module;
        if !changes.is_empty() || magnitude.is_some() {
            self.report.matched.push(name.to_owned());
        }
        for (parameter, change) in changes {
            self.adapter.deltas.entry(parameter).or_default().push(change);
        }
        if let Some((parameter, tensor)) = magnitude {
            self.magnitudes.insert(parameter, tensor);
        }
        let LoraReport { scales, skipped, all_zero, magnitudes, .. } = report;
        for scale in scales {
            if !self.report.scales.contains(&scale) {
                self.report.scales.push(scale);
            }
        }
        self.report.skipped.extend(skipped);
        self.report.all_zero.extend(all_zero);
        self.report.magnitudes += magnitudes;
    }

    /// The deltas of the transformer's weights. For a DoRA this reads the matrices that it changes, because its
    /// magnitudes are divided by their norms.
    pub fn into_adapter(mut self, weights: &Weights, cancel: &CancelToken) -> Result<Adapter> {
        for (parameter, tensor) in self.magnitudes {
            let deltas = self.adapter.deltas.get(&parameter).map(Vec::as_slice).unwrap_or_default();
            let (rows, file) = (DenseRows::open(weights, &parameter)?, &self.adapter.weights);
            let ratios = MagnitudeRatios::compute(&rows, file, &tensor, deltas, cancel)?;
            self.adapter.magnitudes.insert(parameter, ratios);
        }
        Ok(self.adapter)
    }
}

/// Whether a tensor's type can be used in its role.
fn is_usable(role: KeyRole, info: Option<&TensorInfo>) -> bool {
    use Dtype::{Bf16, F8E4M3, F8E5M2, F16, F32};
    role == KeyRole::Alpha
        || info.is_some_and(|info| matches!(info.dtype, F32 | F16 | Bf16 | F8E4M3 | F8E5M2))
}
