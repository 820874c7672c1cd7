//! One module of the model while its keys of a LoRA are matched.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::file::LoraFile;
use super::key::{Factor, KeyRole};
use super::report::{LoraReport, SkipReason, SkippedKey};
use super::tucker;
use crate::core::Result;
use crate::onnx::{
    DeltaRows, DenseRows, FactorMatrix, FactorSource, LowRankPair, TensorInfo, WeightDelta, Weights,
    magnitude_axis,
};

/// The keys of one module by their role.
pub(super) type ModuleKeys<'f> = BTreeMap<KeyRole, &'f str>;

/// What the keys of one module make of it.
pub(super) struct Module<'a> {
    file: &'a LoraFile,
    weights: &'a Weights,
    name: &'a str,
    keys: &'a ModuleKeys<'a>,
    pub(super) report: LoraReport,
    /// Deltas with the names of their parameters.
    pub(super) changes: Vec<(String, WeightDelta)>,
    /// The matrix whose magnitudes change, and the tensor that holds them.
    pub(super) magnitude: Option<(String, String)>,
}

impl<'a> Module<'a> {
    /// Reads the keys of the module `name`; no values but alphas and what is needed for small parameters.
    pub(super) fn read(
        file: &'a LoraFile,
        weights: &'a Weights,
        name: &'a str,
        keys: &'a ModuleKeys<'a>,
    ) -> Result<Self> {
        let report = LoraReport::default();
        let mut module = Self { file, weights, name, keys, report, changes: Vec::new(), magnitude: None };
        let has = |is: fn(&KeyRole) -> bool| keys.keys().any(is);
        let has_low_rank = has(|role| matches!(role, KeyRole::Down | KeyRole::Up | KeyRole::Mid));
        let has_kronecker = has(|role| matches!(role, KeyRole::Kronecker(_)));
        let has_hadamard = has(|role| matches!(role, KeyRole::Hadamard(_)));
        if has_low_rank {
            module.low_rank()?;
        }
        if has_kronecker {
            module.kronecker()?;
        }
        if has_hadamard {
            module.hadamard()?;
        }
        if !has_low_rank && !has_kronecker && !has_hadamard {
            module.skip(keys.get(&KeyRole::Alpha), &SkipReason::Incomplete);
        }
        module.full()?;
        module.magnitudes()?;
        Ok(module)
    }

    /// The weight that a delta of the module belongs to; modulation tables are parameters without `.weight`.
    fn weight(&self) -> String {
        let weight = format!("{}.weight", self.name);
        if self.weights.contains(&weight) { weight } else { self.name.to_owned() }
    }

    /// The shape of that weight, and the same as a matrix.
    fn shape(&self) -> Result<(&'a [usize], [usize; 2])> {
        let shape = &self.weights.get(&self.weight())?.shape[..];
        Ok((shape, [shape.first().copied().unwrap_or(1), shape.iter().skip(1).product()]))
    }

    fn key(&self, role: KeyRole) -> Option<Tensor<'a>> {
        tensor_of(self.file, self.keys, role)
    }

    fn low_rank(&mut self) -> Result<()> {
        let (Some((down, a)), Some((up, b))) = (self.key(KeyRole::Down), self.key(KeyRole::Up)) else {
            for role in [KeyRole::Down, KeyRole::Up, KeyRole::Mid] {
                self.skip(self.keys.get(&role), &SkipReason::Incomplete);
            }
            return Ok(());
        };
        if let Some((mid, _)) = self.key(KeyRole::Mid) {
            let scale = self.alpha_scale(a.shape.first().copied().unwrap_or(0));
            return self
                .computed(&[up, mid, down], scale, |file, shape| tucker::lora(file, [up, mid, down], shape));
        }
        let (shape, [outputs, inputs]) = self.shape()?;
        let rank = a.shape.first().copied().unwrap_or(0);
        let elements = |shape: &[usize]| shape.iter().product::<usize>();
        for (key, found, expected) in [(down, a, rank * inputs), (up, b, outputs * rank)] {
            let first_fits = key == down || found.shape.first() == Some(&outputs);
            if elements(&found.shape) != expected || !first_fits || rank == 0 {
                let why = SkipReason::Shape { model: shape.to_vec(), lora: found.shape.clone() };
                self.skip(Some(&key), &why);
                return Ok(());
            }
        }
        if self.is_all_zero(&[down, up])? {
            return Ok(());
        }
        let scale = self.alpha_scale(rank);
        let delta = WeightDelta::LowRank { down: down.into(), up: up.into(), rank, scale };
        self.push(delta, scale, down)
    }

    /// The module's scale for this rank; not finite if its alpha cannot be read.
    fn alpha_scale(&self, rank: usize) -> f32 {
        self.file.settings.scale(self.alpha(), self.name, rank)
    }

    fn alpha(&self) -> Option<f32> {
        self.keys.get(&KeyRole::Alpha).map(|key| self.file.scalar(key).unwrap_or(f32::NAN))
    }

    fn kronecker(&mut self) -> Result<()> {
        let (shape, [outputs, inputs]) = self.shape()?;
        let (file, keys) = (self.file, self.keys);
        let key = |factor| tensor_of(file, keys, KeyRole::Kronecker(factor));
        let first = self.keys.iter().find(|(role, _)| matches!(role, KeyRole::Kronecker(_)));
        let first = first.map(|(_, key)| *key).unwrap_or_default();
        let left = matrix_of([key(Factor::W1), key(Factor::W1A), key(Factor::W1B)]);
        let core = key(Factor::T2);
        let right = match core {
            Some((core, info)) => tucker_matrix((core, info), key(Factor::W2A), key(Factor::W2B)),
            None => matrix_of([key(Factor::W2), key(Factor::W2A), key(Factor::W2B)]),
        };
        let (Some(left), Some(right)) = (left, right) else {
            self.skip(Some(&first), &SkipReason::Incomplete);
            return Ok(());
        };
        let whole = [left.shape[0] * right.shape[0], left.shape[1] * right.shape[1]];
        if whole != [outputs, inputs] {
            let why = SkipReason::Shape { model: shape.to_vec(), lora: whole.to_vec() };
            self.skip(Some(&first), &why);
            return Ok(());
        }
        let used: Vec<&str> = self.factors(|role| matches!(role, KeyRole::Kronecker(_)));
        if self.is_all_zero(&used)? {
            return Ok(());
        }
        let scale = self.file.settings.of_factors(self.alpha(), rank(&right).or_else(|| rank(&left)));
        if let Some((core, _)) = core {
            let (a, b) = (key(Factor::W2A), key(Factor::W2B));
            let names = [core, a.map_or("", |(key, _)| key), b.map_or("", |(key, _)| key)];
            return self.computed(&used, scale, |file, _| tucker::lokr(file, &left, names, right.shape));
        }
        let delta = WeightDelta::Kronecker { left, right, scale };
        self.push(delta, scale, first)
    }

    fn hadamard(&mut self) -> Result<()> {
        let (shape, matrix) = self.shape()?;
        let (file, keys) = (self.file, self.keys);
        let key = |factor| tensor_of(file, keys, KeyRole::Hadamard(factor));
        let used: Vec<&str> = self.factors(|role| matches!(role, KeyRole::Hadamard(_)));
        let factors = [key(Factor::W1A), key(Factor::W1B), key(Factor::W2A), key(Factor::W2B)];
        let [Some(a), Some(b), Some(c), Some(d)] = factors else {
            self.skip(used.first(), &SkipReason::Incomplete);
            return Ok(());
        };
        let cores = (key(Factor::T1), key(Factor::T2));
        let scale = |module: &Self, rank: usize| module.file.settings.of_factors(module.alpha(), Some(rank));
        if let (Some((first, _)), Some((second, _))) = cores {
            let scale = scale(self, b.1.shape.first().copied().unwrap_or(1));
            let names = [[first, a.0, b.0], [second, c.0, d.0]];
            if self.is_all_zero(&used)? {
                return Ok(());
            }
            return self.computed(&used, scale, |file, _| tucker::loha(file, names));
        }
        let pairs = [(a, b), (c, d)].map(|(up, down)| matrix_of([None, Some(up), Some(down)]));
        let [Some(first), Some(second)] = pairs else {
            self.skip(used.first(), &SkipReason::Incomplete);
            return Ok(());
        };
        if let Some(wrong) = [&first, &second].into_iter().find(|pair| pair.shape != matrix) {
            let why = SkipReason::Shape { model: shape.to_vec(), lora: wrong.shape.to_vec() };
            self.skip(used.first(), &why);
            return Ok(());
        }
        let (FactorSource::Product(first), FactorSource::Product(second)) = (first.source, second.source)
        else {
            return Ok(());
        };
        if self.is_all_zero(&used)? {
            return Ok(());
        }
        let scale = scale(self, first.rank);
        self.push(WeightDelta::Hadamard { pairs: [first, second], scale }, scale, used[0])
    }

    fn full(&mut self) -> Result<()> {
        let bias = format!("{}.bias", self.name);
        for (role, parameter) in [(KeyRole::Weight, self.weight()), (KeyRole::Bias, bias)] {
            let Some((key, info)) = self.key(role) else { continue };
            if !self.weights.contains(&parameter) {
                self.skip(Some(&key), &SkipReason::NoModule);
                continue;
            }
            let shape = &self.weights.get(&parameter)?.shape;
            if info.shape.iter().product::<usize>() != shape.iter().product::<usize>() {
                let why = SkipReason::Shape { model: shape.clone(), lora: info.shape.clone() };
                self.skip(Some(&key), &why);
            } else if !self.is_all_zero(&[key])? {
                self.changes.push((parameter, WeightDelta::Full(key.to_owned())));
            }
        }
        Ok(())
    }

    /// The magnitudes of a DoRA: of a matrix, or of a convolution, whose delta is computed here.
    fn magnitudes(&mut self) -> Result<()> {
        let Some((key, info)) = self.key(KeyRole::Magnitude) else { return Ok(()) };
        let (shape, matrix) = self.shape()?;
        // the spatial dimensions of a convolution's magnitudes are 1
        if magnitude_axis(&info.shape, [matrix[0], shape.get(1).copied().unwrap_or(1)]).is_none() {
            let why = SkipReason::Shape { model: shape.to_vec(), lora: info.shape.clone() };
            self.skip(Some(&key), &why);
            return Ok(());
        }
        self.report.magnitudes += 1;
        let parameter = self.weight();
        if shape.len() == 2 {
            self.magnitude = Some((parameter, key.to_owned()));
            return Ok(());
        }
        let (own, other): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.changes).into_iter().partition(|(name, _)| *name == parameter);
        let deltas: Vec<_> = own.into_iter().map(|(_, delta)| delta).collect();
        let delta = tucker::with_magnitudes(self.file, self.weights, &parameter, key, &deltas)?;
        self.changes = other;
        self.changes.push((parameter, delta));
        Ok(())
    }

    /// The keys whose role `is` holds for.
    fn factors(&self, is: fn(&KeyRole) -> bool) -> Vec<&'a str> {
        self.keys.iter().filter(|(role, _)| is(role)).map(|(_, key)| *key).collect()
    }

    /// Adds the values that `compute` returns for the parameter's shape, times `scale`, as a delta; for convolutions.
    fn computed(
        &mut self,
        keys: &[&str],
        scale: f32,
        compute: impl FnOnce(&LoraFile, &[usize]) -> Result<Option<Vec<f32>>>,
    ) -> Result<()> {
        let (shape, [outputs, inputs]) = self.shape()?;
        match compute(self.file, shape)? {
            Some(values) if values.len() == outputs * inputs => {
                let values: Arc<[f32]> = values.into_iter().map(|value| value * scale).collect();
                self.push(WeightDelta::Values(values), scale, keys.first().copied().unwrap_or_default())?;
            }
            _ => {
                let lora = keys.first().and_then(|key| self.file.weights.get(key).ok());
                let lora = lora.map(|info| info.shape.clone()).unwrap_or_default();
                self.skip(keys.first(), &SkipReason::Shape { model: shape.to_vec(), lora });
            }
        }
        Ok(())
    }

    /// Adds a delta of the module's weight. `key` is blamed if its scale is not finite.
    fn push(&mut self, delta: WeightDelta, scale: f32, key: &str) -> Result<()> {
        if !scale.is_finite() {
            let alpha = self.keys.get(&KeyRole::Alpha).copied().unwrap_or(key);
            self.skip(Some(&alpha), &SkipReason::Numbers);
            return Ok(());
        }
        if !self.report.scales.contains(&scale) {
            self.report.scales.push(scale);
        }
        let parameter = self.weight();
        let is_matrix = self.weights.get(&parameter).is_ok_and(|info| info.shape.len() == 2);
        let has_form =
            matches!(delta, WeightDelta::LowRank { .. } | WeightDelta::Full(_) | WeightDelta::Values(_));
        let delta = if is_matrix || has_form { delta } else { self.values_of(&delta)? };
        self.changes.push((parameter, delta));
        Ok(())
    }

    /// The delta as values, for parameters that are no matrices and therefore small.
    fn values_of(&self, delta: &WeightDelta) -> Result<WeightDelta> {
        let (_, matrix) = self.shape()?;
        let rows = DeltaRows::read(&self.file.weights, delta, matrix)?.rows(0..matrix[0]);
        Ok(WeightDelta::Values(rows.into_iter().collect()))
    }

    /// Notes the first of `keys` that is all zero, which makes the delta zero.
    fn is_all_zero(&mut self, keys: &[&str]) -> Result<bool> {
        for key in keys {
            if self.file.weights.all_zero(self.file.weights.get(key)?)? {
                self.report.all_zero.push((*key).to_owned());
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn skip(&mut self, key: Option<&&str>, why: &SkipReason) {
        if let Some(&key) = key {
            self.report.skipped.push(SkippedKey { key: key.to_owned(), reason: why.clone() });
        }
    }
}

/// A tensor's name and place.
type Tensor<'a> = (&'a str, &'a TensorInfo);

/// The tensor that has `role` in a module.
fn tensor_of<'a>(file: &'a LoraFile, keys: &ModuleKeys<'a>, role: KeyRole) -> Option<Tensor<'a>> {
    let key = *keys.get(&role)?;
    Some((key, file.weights.get(key).ok()?))
}

/// A factor that is whole, or the product of its halves; `None` if tensors are missing or do not fit each other. Further
/// dimensions of a tensor belong to its columns.
fn matrix_of([whole, up, down]: [Option<Tensor<'_>>; 3]) -> Option<FactorMatrix> {
    let flat = |info: &TensorInfo| Some([*info.shape.first()?, info.shape.iter().skip(1).product()]);
    if let Some((name, info)) = whole {
        return Some(FactorMatrix { shape: flat(info)?, source: FactorSource::Whole(name.to_owned()) });
    }
    let ((up, above), (down, below)) = (up?, down?);
    let ([rows, rank], [below_rank, columns]) = (flat(above)?, flat(below)?);
    let pair = LowRankPair { up: up.to_owned(), down: down.to_owned(), rank };
    (rank == below_rank && rank > 0)
        .then_some(FactorMatrix { shape: [rows, columns], source: FactorSource::Product(pair) })
}

/// The shape of a factor in Tucker form; its source is not used.
fn tucker_matrix(core: Tensor<'_>, up: Option<Tensor<'_>>, down: Option<Tensor<'_>>) -> Option<FactorMatrix> {
    let ((up, above), (down, below)) = (up?, down?);
    let (&[rank, rows], &[_, columns]) = (&above.shape[..], &below.shape[..]) else { return None };
    let kernel: usize = core.1.shape.iter().skip(2).product();
    let pair = LowRankPair { up: up.to_owned(), down: down.to_owned(), rank };
    Some(FactorMatrix { shape: [rows, columns * kernel], source: FactorSource::Product(pair) })
}

fn rank(factor: &FactorMatrix) -> Option<usize> {
    match &factor.source {
        FactorSource::Whole(_) => None,
        FactorSource::Product(pair) => Some(pair.rank),
    }
}

/// Rows of a small parameter as they are stored in the model.
pub(super) fn dense(weights: &Weights, name: &str) -> Result<Vec<f32>> {
    let rows = DenseRows::open(weights, name)?;
    rows.rows(0..rows.shape()[0])
}
