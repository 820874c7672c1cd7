//! Applies a LoRA to a transformer: its keys become deltas of the model's weights, or are skipped with a reason.

use std::collections::BTreeMap;

use super::file::LoraFile;
use super::key::KeyRole;
use super::names::{Names, is_image_branch};
use super::report::{LoraReport, SkipReason, SkippedKey};
use crate::core::{Error, Kind, Result};
use crate::onnx::{Adapter, Dtype, WeightDelta, Weights};

/// Widths of Wan's transformers with the models' names.
const WIDTHS: [(usize, &str); 3] =
    [(5120, "Wan 2.2 A14B or Wan 2.1 14B"), (3072, "Wan 2.2 5B"), (1536, "Wan 2.1 1.3B")];
/// Name of the layer whose input channels depend on the mode: an I2V LoRA fits a T2V model without it.
const MODE_DEPENDENT: &str = "patch_embedding";

/// A LoRA matched with a transformer.
#[derive(Clone, Debug)]
pub struct LoraMatch {
    /// The deltas of the transformer's weights.
    pub adapter: Adapter,
    /// How each key was used.
    pub report: LoraReport,
}

/// The keys of one module by their role.
type ModuleKeys<'f> = BTreeMap<KeyRole, &'f str>;

/// Matches `file` with the transformer that has these `weights`; `strength` names the graph input for the strength.
///
/// All-zero deltas are dropped. Call [`LoraMatch::check`] to reject a LoRA for another model.
pub fn match_keys(file: &LoraFile, weights: &Weights, strength: &str) -> Result<LoraMatch> {
    let names = Names::of(weights);
    let mut report = LoraReport { notes: file.notes.clone(), ..LoraReport::default() };
    let mut modules: BTreeMap<String, ModuleKeys<'_>> = BTreeMap::new();
    for (raw, info, key) in file.keys() {
        let reason = match key {
            None => Some(SkipReason::NoLora),
            Some(key) => match (names.find(&key.module), key.role) {
                (None, _) if is_image_branch(&key.module) => Some(SkipReason::ImageBranch),
                (None, _) => Some(SkipReason::NoModule),
                (_, KeyRole::Dora) => Some(SkipReason::Dora),
                (_, KeyRole::Foreign(method)) => Some(SkipReason::Foreign(method)),
                (_, role) if role != KeyRole::Alpha && !is_float(info.dtype) => Some(SkipReason::Numbers),
                (Some(module), role) => {
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
    let mut changes: BTreeMap<String, Vec<WeightDelta>> = BTreeMap::new();
    for (name, keys) in &modules {
        let mut module = Module { file, weights, name, report: &mut report, changes: Vec::new() };
        module.low_rank(keys)?;
        module.full(keys)?;
        let found = module.changes;
        if !found.is_empty() {
            report.matched.push(name.clone());
        }
        for (parameter, change) in found {
            changes.entry(parameter).or_default().push(change);
        }
    }
    let adapter = Adapter { strength: strength.to_owned(), weights: file.weights.clone(), deltas: changes };
    Ok(LoraMatch { adapter, report })
}

/// One module while its keys are matched.
struct Module<'a> {
    file: &'a LoraFile,
    weights: &'a Weights,
    name: &'a str,
    report: &'a mut LoraReport,
    changes: Vec<(String, WeightDelta)>,
}

impl Module<'_> {
    /// The weight that a delta of the module belongs to; modulation tables are parameters without `.weight`.
    fn weight(&self) -> String {
        let weight = format!("{}.weight", self.name);
        if self.weights.contains(&weight) { weight } else { self.name.to_owned() }
    }

    fn low_rank(&mut self, keys: &ModuleKeys<'_>) -> Result<()> {
        let (down, up) = match (keys.get(&KeyRole::Down), keys.get(&KeyRole::Up)) {
            (Some(&down), Some(&up)) => (down, up),
            (None, None) => {
                self.skip(keys.get(&KeyRole::Alpha), &SkipReason::Incomplete);
                return Ok(());
            }
            (down, up) => {
                self.skip(down.or(up), &SkipReason::Incomplete);
                return Ok(());
            }
        };
        let parameter = self.weight();
        let shape = &self.weights.get(&parameter)?.shape;
        let outputs = shape.first().copied().unwrap_or(1);
        let inputs: usize = shape.iter().skip(1).product();
        let (a, b) = (self.file.weights.get(down)?, self.file.weights.get(up)?);
        let rank = a.shape.first().copied().unwrap_or(0);
        let elements = |shape: &[usize]| shape.iter().product::<usize>();
        for (key, found, expected) in [(down, a, rank * inputs), (up, b, outputs * rank)] {
            let first_fits = key == down || found.shape.first() == Some(&outputs);
            if elements(&found.shape) != expected || !first_fits || rank == 0 {
                let why = SkipReason::Shape { model: shape.clone(), lora: found.shape.clone() };
                self.skip(Some(&key), &why);
                return Ok(());
            }
        }
        for (key, info) in [(down, a), (up, b)] {
            if self.file.weights.all_zero(info)? {
                self.report.all_zero.push(key.to_owned());
                return Ok(());
            }
        }
        let alpha = match keys.get(&KeyRole::Alpha) {
            Some(&key) => Some(self.file.scalar(self.file.weights.get(key)?).unwrap_or(f32::NAN)),
            None => None,
        };
        let scale = self.file.settings.scale(alpha, self.name, rank);
        if !scale.is_finite() {
            self.skip(keys.get(&KeyRole::Alpha).or(Some(&down)), &SkipReason::Numbers);
            return Ok(());
        }
        if !self.report.scales.contains(&scale) {
            self.report.scales.push(scale);
        }
        self.changes
            .push((parameter, WeightDelta::LowRank { down: down.into(), up: up.into(), rank, scale }));
        Ok(())
    }

    fn full(&mut self, keys: &ModuleKeys<'_>) -> Result<()> {
        let bias = format!("{}.bias", self.name);
        for (role, parameter) in [(KeyRole::Weight, self.weight()), (KeyRole::Bias, bias)] {
            let Some(&key) = keys.get(&role) else { continue };
            if !self.weights.contains(&parameter) {
                self.skip(Some(&key), &SkipReason::NoModule);
                continue;
            }
            let shape = &self.weights.get(&parameter)?.shape;
            let info = self.file.weights.get(key)?;
            if info.shape.iter().product::<usize>() != shape.iter().product::<usize>() {
                let why = SkipReason::Shape { model: shape.clone(), lora: info.shape.clone() };
                self.skip(Some(&key), &why);
            } else if self.file.weights.all_zero(info)? {
                self.report.all_zero.push(key.to_owned());
            } else {
                self.changes.push((parameter, WeightDelta::Full(key.to_owned())));
            }
        }
        Ok(())
    }

    fn skip(&mut self, key: Option<&&str>, why: &SkipReason) {
        if let Some(&key) = key {
            self.report.skipped.push(SkippedKey { key: key.to_owned(), reason: why.clone() });
        }
    }
}

impl LoraMatch {
    /// Fails if the LoRA was made for another model, and says for which; `model` names this one.
    pub fn check(&self, file: &LoraFile, model: &str, width: usize) -> Result<()> {
        let wrong_shape = |skipped: &&SkippedKey| {
            matches!(skipped.reason, SkipReason::Shape { .. }) && !skipped.key.contains(MODE_DEPENDENT)
        };
        let path = file.path.display();
        let refuse = |message: String, remedy: &str| {
            Err(Error::new(Kind::Input, message).remedy(remedy).field("lora"))
        };
        if let Some(skipped) = self.report.skipped.iter().find(wrong_shape) {
            let theirs = file.summary().width.filter(|theirs| *theirs != width);
            let made_for =
                theirs.map_or_else(String::new, |theirs| format!("is made for {} and ", named(theirs)));
            return refuse(
                format!(
                    "The LoRA {path} {made_for}does not fit {model} ({}): {}: {}",
                    named(width),
                    skipped.key,
                    skipped.reason
                ),
                "Choose a LoRA for this model, or the model the LoRA was made for",
            );
        }
        if self.report.matched.is_empty() && self.report.all_zero.is_empty() {
            let kind = kind_from_keys(&self.report.skipped);
            return refuse(
                format!("The LoRA {path} matches no layer of {model}: {kind}"),
                "Choose a LoRA that was trained on Wan",
            );
        }
        Ok(())
    }
}

fn is_float(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F32 | Dtype::F16 | Dtype::Bf16 | Dtype::F8E4M3)
}

/// A width with the model's name, if it is known.
fn named(width: usize) -> String {
    let name = WIDTHS.iter().find(|(known, _)| *known == width).map(|(_, name)| *name);
    name.map_or_else(|| format!("width {width}"), |name| format!("{name}, width {width}"))
}

/// What a file without any matching key probably is.
fn kind_from_keys(keys: &[SkippedKey]) -> String {
    let has = |words: &[&str]| keys.iter().any(|skipped| words.iter().any(|word| skipped.key.contains(word)));
    let first = keys.first().map_or("", |skipped| skipped.key.as_str());
    let image_branch = keys.iter().all(|skipped| skipped.reason == SkipReason::ImageBranch);
    let foreign = keys.iter().find_map(|skipped| match skipped.reason {
        SkipReason::Foreign(method) => Some(method),
        _ => None,
    });
    if keys.is_empty() {
        "the file has no tensors".to_owned()
    } else if image_branch {
        "it changes only the image branch of Wan 2.1, which Wan 2.2 does not have".to_owned()
    } else if let Some(method) = foreign {
        format!("{method} is not supported ({first})")
    } else if has(&["single_blocks", "double_blocks", "single_transformer_blocks"]) {
        format!("it is made for FLUX or HunyuanVideo ({first})")
    } else if has(&["down_blocks", "input_blocks", "mid_block", "up_blocks", "output_blocks"]) {
        format!("it is made for Stable Diffusion ({first})")
    } else if has(&["transformer_blocks"]) {
        format!(
            "it is made for LTX-Video, Stable Diffusion 3 or another model with transformer_blocks ({first})"
        )
    } else if has(&["lora_te", "text_encoder", "text_model"]) {
        format!("it changes a text encoder ({first})")
    } else if has(&["vace_blocks"]) {
        format!("it is made for VACE ({first})")
    } else if keys.iter().all(|skipped| skipped.reason == SkipReason::NoLora) {
        format!("it is not a LoRA; it may be a whole model or another kind of file ({first})")
    } else {
        format!("its keys belong to another model ({first})")
    }
}
