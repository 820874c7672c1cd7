//! Deltas of convolutions in Tucker form, and magnitudes of convolutions: computed here, because the only convolution
//! of a transformer, the patch embedding, is small.

use std::sync::Arc;

use super::file::LoraFile;
use super::module::dense;
use crate::core::Result;
use crate::onnx::{
    DeltaRows, FactorMatrix, MagnitudeAxis, WeightDelta, Weights, magnitude_axis, magnitude_ratio, values,
};

/// The tensor `name` with its shape.
fn tensor(file: &LoraFile, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
    let shape = file.weights.get(name)?.shape.clone();
    let numbers = values(&file.weights, name, [1, shape.iter().product()])?;
    Ok((shape, numbers.into_iter().collect()))
}

/// `out[o, i, s] = sum of core[p, q, s] * outer(o, p) * inner(q, i)` over both ranks, flattened.
fn contract(
    core: &(Vec<usize>, Vec<f32>),
    [outputs, inputs]: [usize; 2],
    outer: impl Fn(usize, usize) -> f32,
    inner: impl Fn(usize, usize) -> f32,
) -> Option<Vec<f32>> {
    let (&[first, second], kernel) = core.0.split_first_chunk::<2>()?;
    let size: usize = kernel.iter().product();
    let mut out = vec![0.0; outputs * inputs * size];
    // over the second rank first
    let mut half = vec![0.0; first * inputs * size];
    for p in 0..first {
        for q in 0..second {
            for i in 0..inputs {
                for s in 0..size {
                    half[(p * inputs + i) * size + s] += core.1[(p * second + q) * size + s] * inner(q, i);
                }
            }
        }
    }
    for o in 0..outputs {
        for p in 0..first {
            let factor = outer(o, p);
            for j in 0..inputs * size {
                out[o * inputs * size + j] += factor * half[p * inputs * size + j];
            }
        }
    }
    Some(out)
}

/// `LyCORIS`' `rebuild_tucker`: both factors have the rank first.
fn rebuild(file: &LoraFile, [core, up, down]: [&str; 3]) -> Result<Option<Vec<f32>>> {
    let (core, up, down) = (tensor(file, core)?, tensor(file, up)?, tensor(file, down)?);
    let (&[up_rank, outputs], &[down_rank, inputs]) = (&up.0[..], &down.0[..]) else { return Ok(None) };
    if core.0.get(..2) != Some(&[up_rank, down_rank]) {
        return Ok(None);
    }
    let outer = |o, p| up.1[p * outputs + o];
    let inner = |q, i| down.1[q * inputs + i];
    Ok(contract(&core, [outputs, inputs], outer, inner))
}

/// The delta of a LoRA of a convolution with a core between its halves.
pub(super) fn lora(
    file: &LoraFile,
    [up, core, down]: [&str; 3],
    shape: &[usize],
) -> Result<Option<Vec<f32>>> {
    let (core, up, down) = (tensor(file, core)?, tensor(file, up)?, tensor(file, down)?);
    let (Some((&outputs, _)), Some(&inputs)) = (shape.split_first(), shape.get(1)) else { return Ok(None) };
    let (Some(&up_rank), Some(&down_rank)) = (core.0.first(), core.0.get(1)) else { return Ok(None) };
    if up.1.len() != outputs * up_rank || down.1.len() != down_rank * inputs {
        return Ok(None);
    }
    let outer = |o, p| up.1[o * up_rank + p];
    let inner = |q, i| down.1[q * inputs + i];
    Ok(contract(&core, [outputs, inputs], outer, inner))
}

/// The delta of a `LoHa` of a convolution: the element-wise product of two tensors in Tucker form.
pub(super) fn loha(file: &LoraFile, names: [[&str; 3]; 2]) -> Result<Option<Vec<f32>>> {
    let [first, second] = names;
    let (Some(first), Some(second)) = (rebuild(file, first)?, rebuild(file, second)?) else {
        return Ok(None);
    };
    Ok((first.len() == second.len()).then(|| first.iter().zip(&second).map(|(a, b)| a * b).collect()))
}

/// The delta of a `LoKr` of a convolution whose right factor is in Tucker form.
pub(super) fn lokr(
    file: &LoraFile,
    left: &FactorMatrix,
    right: [&str; 3],
    [rows, columns]: [usize; 2],
) -> Result<Option<Vec<f32>>> {
    let Some(right) = rebuild(file, right)?.filter(|right| right.len() == rows * columns) else {
        return Ok(None);
    };
    let [a, b] = left.shape;
    let left = left.read(&file.weights)?;
    let width = b * columns;
    let value = |index: usize| {
        let (row, column) = (index / width, index % width);
        left[(row / rows, column / columns)] * right[row % rows * columns + column % columns]
    };
    Ok(Some((0..a * rows * width).map(value).collect()))
}

/// `deltas` of the convolution `name` of the model with the magnitudes in the tensor `key`, as one delta.
pub(super) fn with_magnitudes(
    file: &LoraFile,
    weights: &Weights,
    name: &str,
    key: &str,
    deltas: &[WeightDelta],
) -> Result<WeightDelta> {
    let shape = &weights.get(name)?.shape;
    let (outputs, channels) = (shape.first().copied().unwrap_or(1), shape.get(1).copied().unwrap_or(1));
    let inputs: usize = shape.iter().skip(1).product();
    let kernel = inputs / channels.max(1);
    let plain = dense(weights, name)?;
    let mut changed = plain.clone();
    for delta in deltas {
        let rows = DeltaRows::read(&file.weights, delta, [outputs, inputs])?.rows(0..outputs);
        changed.iter_mut().zip(rows).for_each(|(sum, more)| *sum += more);
    }
    let (found, magnitudes) = tensor(file, key)?;
    let axis = magnitude_axis(&found, [outputs, channels]).unwrap_or(MagnitudeAxis::Outputs);
    let group = |index: usize| match axis {
        MagnitudeAxis::Outputs => index / inputs,
        MagnitudeAxis::Inputs => index % inputs / kernel,
    };
    let mut sums = vec![0.0; magnitudes.len()];
    for (index, value) in changed.iter().enumerate() {
        sums[group(index)] += f64::from(*value).powi(2);
    }
    let ratio = |index: usize| magnitude_ratio(magnitudes[group(index)], sums[group(index)]);
    let delta = |(index, (changed, plain)): (usize, (&f32, &f32))| changed * ratio(index) - plain;
    let values: Arc<[f32]> = changed.iter().zip(&plain).enumerate().map(delta).collect();
    Ok(WeightDelta::Values(values))
}
