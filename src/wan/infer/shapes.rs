//! Reads sizes off tensor names and shapes.

use crate::core::{Error, Kind, Result};
use crate::onnx::Weights;

/// Dimension `index` of the tensor `name`.
pub(super) fn dim(weights: &Weights, name: &str, index: usize) -> Result<usize> {
    let shape = &weights.get(name)?.shape;
    shape.get(index).copied().filter(|&size| size > 0).ok_or_else(|| {
        Error::new(Kind::CorruptModel, format!("The tensor {name} has the invalid shape {shape:?}"))
            .remedy("Download the file again")
    })
}

/// Number of tensors `name(0)`, `name(1)`, … without a gap.
pub(super) fn count(weights: &Weights, name: impl Fn(usize) -> String) -> usize {
    let most = weights.iter().count();
    (0..most).take_while(|&index| weights.contains(&name(index))).count()
}

/// One more than the largest number after `prefix`: the number of blocks.
pub(super) fn blocks(weights: &Weights, prefix: &str) -> usize {
    let number = |(name, _): (&str, _)| name.strip_prefix(prefix)?.split('.').next()?.parse::<usize>().ok();
    weights.iter().filter_map(number).max().map_or(0, |last| last + 1)
}

/// A sentence about a value of `config.json` that contradicts the weights.
pub(super) fn contradiction(what: &str, config: usize, shapes: usize) -> Option<String> {
    (config != shapes).then(|| format!("config.json has {what} {config}, the weights have {shapes}"))
}
