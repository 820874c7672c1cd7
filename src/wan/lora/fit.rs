//! A LoRA brought onto a transformer: keys become changes to its parameters, or a reason why not.

use std::collections::BTreeMap;

use super::file::LoraFile;
use super::key::Part;
use super::names::{Names, is_image_branch};
use super::report::{LeftOut, LoraReport, Why};
use crate::core::{Error, Kind, Result};
use crate::onnx::{Adapter, Dtype, WeightDelta, Weights};

/// Widths of Wan's transformers and what they are called.
const WIDTHS: [(usize, &str); 3] =
    [(5120, "Wan 2.2 A14B or Wan 2.1 14B"), (3072, "Wan 2.2 5B"), (1536, "Wan 2.1 1.3B")];
/// Its shape follows from the mode, not from the size: a LoRA for I2V fits T2V without it.
const MODE_DEPENDENT: &str = "patch_embedding";

/// What came of it.
#[derive(Clone, Debug)]
pub struct LoraFit {
    /// The changes.
    pub adapter: Adapter,
    /// What became of each key.
    pub report: LoraReport,
}

/// The keys of one module.
type Parts<'f> = BTreeMap<Part, &'f str>;

/// Fits `file` to a transformer with these `weights`; `strength` is what the graph will call the input for it.
///
/// Changes that are all zero are left away. Whether enough is left is for [`LoraFit::check`] to say.
pub fn fit(file: &LoraFile, weights: &Weights, strength: &str) -> Result<LoraFit> {
    let names = Names::of(weights);
    let mut report = LoraReport { notes: file.notes.clone(), ..LoraReport::default() };
    let mut modules: BTreeMap<String, Parts<'_>> = BTreeMap::new();
    for (raw, info, key) in file.keys() {
        let why = match key {
            None => Some(Why::NoLora),
            Some(key) => match (names.find(&key.module), key.part) {
                (None, _) if is_image_branch(&key.module) => Some(Why::ImageBranch),
                (None, _) => Some(Why::NoModule),
                (_, Part::Dora) => Some(Why::Dora),
                (_, Part::Foreign(method)) => Some(Why::Foreign(method)),
                (_, part) if part != Part::Alpha && !is_float(info.dtype) => Some(Why::Numbers),
                (Some(module), part) => {
                    let parts = modules.entry(module.to_owned()).or_default();
                    let taken = parts.contains_key(&part);
                    if !taken {
                        parts.insert(part, raw);
                    }
                    taken.then_some(Why::Twice)
                }
            },
        };
        if let Some(why) = why {
            report.left_out.push(LeftOut { key: raw.to_owned(), why });
        }
    }
    let mut changes: BTreeMap<String, Vec<WeightDelta>> = BTreeMap::new();
    for (name, parts) in &modules {
        let mut module = Module { file, weights, name, report: &mut report, changes: Vec::new() };
        module.low_rank(parts)?;
        module.full(parts)?;
        let found = module.changes;
        if !found.is_empty() {
            report.matched.push(name.clone());
        }
        for (parameter, change) in found {
            changes.entry(parameter).or_default().push(change);
        }
    }
    let adapter = Adapter { strength: strength.to_owned(), weights: file.weights.clone(), deltas: changes };
    Ok(LoraFit { adapter, report })
}

/// One module while its parts are looked at.
struct Module<'a> {
    file: &'a LoraFile,
    weights: &'a Weights,
    name: &'a str,
    report: &'a mut LoraReport,
    changes: Vec<(String, WeightDelta)>,
}

impl Module<'_> {
    /// The parameter that a change of the weight goes to; a table is one itself.
    fn weight(&self) -> String {
        let weight = format!("{}.weight", self.name);
        if self.weights.contains(&weight) { weight } else { self.name.to_owned() }
    }

    fn low_rank(&mut self, parts: &Parts<'_>) -> Result<()> {
        let (down, up) = match (parts.get(&Part::Down), parts.get(&Part::Up)) {
            (Some(&down), Some(&up)) => (down, up),
            (None, None) => {
                self.leave_out(parts.get(&Part::Alpha), &Why::Incomplete);
                return Ok(());
            }
            (down, up) => {
                self.leave_out(down.or(up), &Why::Incomplete);
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
                let why = Why::Shape { model: shape.clone(), lora: found.shape.clone() };
                self.leave_out(Some(&key), &why);
                return Ok(());
            }
        }
        for (key, info) in [(down, a), (up, b)] {
            if self.file.weights.all_zero(info)? {
                self.report.dead.push(key.to_owned());
                return Ok(());
            }
        }
        let alpha = match parts.get(&Part::Alpha) {
            Some(&key) => Some(self.file.scalar(self.file.weights.get(key)?).unwrap_or(f32::NAN)),
            None => None,
        };
        let scale = self.file.settings.scale(alpha, self.name, rank);
        if !scale.is_finite() {
            self.leave_out(parts.get(&Part::Alpha).or(Some(&down)), &Why::Numbers);
            return Ok(());
        }
        if !self.report.scales.contains(&scale) {
            self.report.scales.push(scale);
        }
        self.changes
            .push((parameter, WeightDelta::LowRank { down: down.into(), up: up.into(), rank, scale }));
        Ok(())
    }

    fn full(&mut self, parts: &Parts<'_>) -> Result<()> {
        let bias = format!("{}.bias", self.name);
        for (part, parameter) in [(Part::Weight, self.weight()), (Part::Bias, bias)] {
            let Some(&key) = parts.get(&part) else { continue };
            if !self.weights.contains(&parameter) {
                self.leave_out(Some(&key), &Why::NoModule);
                continue;
            }
            let shape = &self.weights.get(&parameter)?.shape;
            let info = self.file.weights.get(key)?;
            if info.shape.iter().product::<usize>() != shape.iter().product::<usize>() {
                let why = Why::Shape { model: shape.clone(), lora: info.shape.clone() };
                self.leave_out(Some(&key), &why);
            } else if self.file.weights.all_zero(info)? {
                self.report.dead.push(key.to_owned());
            } else {
                self.changes.push((parameter, WeightDelta::Full(key.to_owned())));
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, key: Option<&&str>, why: &Why) {
        if let Some(&key) = key {
            self.report.left_out.push(LeftOut { key: key.to_owned(), why: why.clone() });
        }
    }
}

impl LoraFit {
    /// Refuses a LoRA that is made for another model, saying for which; `model` names this one.
    pub fn check(&self, file: &LoraFile, model: &str, width: usize) -> Result<()> {
        let wrong_shape =
            |left: &&LeftOut| matches!(left.why, Why::Shape { .. }) && !left.key.contains(MODE_DEPENDENT);
        let path = file.path.display();
        let refuse = |message: String, remedy: &str| {
            Err(Error::new(Kind::Input, message).remedy(remedy).field("lora"))
        };
        if let Some(left) = self.report.left_out.iter().find(wrong_shape) {
            let theirs = file.summary().width.filter(|theirs| *theirs != width);
            let made_for =
                theirs.map_or_else(String::new, |theirs| format!("is made for {} and ", named(theirs)));
            return refuse(
                format!(
                    "The LoRA {path} {made_for}does not fit {model} ({}): {} {}",
                    named(width),
                    left.key,
                    left.why
                ),
                "Choose a LoRA for this model, or the model that it is made for",
            );
        }
        if self.report.matched.is_empty() && self.report.dead.is_empty() {
            let kind = kind_from_keys(&self.report.left_out);
            return refuse(
                format!("The LoRA {path} matches nothing in {model}: {kind}"),
                "Choose a LoRA that was trained on Wan",
            );
        }
        Ok(())
    }
}

fn is_float(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F32 | Dtype::F16 | Dtype::Bf16 | Dtype::F8E4M3)
}

/// A width in words.
fn named(width: usize) -> String {
    let name = WIDTHS.iter().find(|(known, _)| *known == width).map(|(_, name)| *name);
    name.map_or_else(|| format!("width {width}"), |name| format!("{name}, width {width}"))
}

/// What a file without a matching key seems to be.
fn kind_from_keys(keys: &[LeftOut]) -> String {
    let has = |words: &[&str]| keys.iter().any(|left| words.iter().any(|word| left.key.contains(word)));
    let first = keys.first().map_or("", |left| left.key.as_str());
    let image_branch = keys.iter().all(|left| left.why == Why::ImageBranch);
    let foreign = keys.iter().find_map(|left| match left.why {
        Why::Foreign(method) => Some(method),
        _ => None,
    });
    if keys.is_empty() {
        "it holds no tensors".to_owned()
    } else if image_branch {
        "it changes the image branch of Wan 2.1 only, which Wan 2.2 does not have".to_owned()
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
    } else if keys.iter().all(|left| left.why == Why::NoLora) {
        format!("it is no LoRA but looks like a whole model or another kind of file ({first})")
    } else {
        format!("its keys are of another model ({first})")
    }
}
