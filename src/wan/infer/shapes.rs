//! Reads sizes off tensor names and shapes.

use crate::core::{Error, Kind, Result};
use crate::onnx::Weights;
use crate::wan::CheckConfig;

/// Largest dimension of a tensor; a tensor with another dimension of zero may claim any.
const MAX_SIZE: usize = 1 << 24;

/// Dimension `index` of the tensor `name`.
pub(super) fn dim(weights: &Weights, name: &str, index: usize) -> Result<usize> {
    let shape = &weights.get(name)?.shape;
    shape.get(index).copied().filter(|size| (1..=MAX_SIZE).contains(size)).ok_or_else(|| {
        Error::new(Kind::CorruptModel, format!("The tensor {name} has the invalid shape {shape:?}"))
            .remedy("Download the file again")
    })
}

/// Fails if a derived configuration is out of its limits.
pub(super) fn check(config: &impl CheckConfig, weights: &Weights) -> Result<()> {
    config.check().map_err(|what| {
        Error::new(Kind::CorruptModel, format!("{} is invalid: {what}", weights.root().display()))
            .remedy("Download the file again")
    })
}

/// Number of tensors `name(0)`, `name(1)`, … without a gap.
pub(super) fn count(weights: &Weights, name: impl Fn(usize) -> String) -> usize {
    let most = weights.iter().count();
    (0..most).take_while(|&index| weights.contains(&name(index))).count()
}

/// One more than the largest number after `prefix`: the number of blocks. Each block has a tensor at least.
pub(super) fn blocks(weights: &Weights, prefix: &str) -> Result<usize> {
    let number = |(name, _): (&str, _)| name.strip_prefix(prefix)?.split('.').next()?.parse::<usize>().ok();
    let (last, tensors) = (weights.iter().filter_map(number).max(), weights.iter().count());
    match last {
        Some(last) if last >= tensors => Err(Error::new(
            Kind::CorruptModel,
            format!("{} has a tensor of block {last} and only {tensors} tensors", weights.root().display()),
        )
        .remedy("Download the file again")),
        last => Ok(last.map_or(0, |last| last + 1)),
    }
}

/// A sentence about a value of `config.json` that contradicts the weights.
pub(super) fn contradiction(what: &str, config: usize, shapes: usize) -> Option<String> {
    (config != shapes).then(|| format!("config.json has {what} {config}, the weights have {shapes}"))
}
