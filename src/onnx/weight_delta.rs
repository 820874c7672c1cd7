//! The deltas of an adapter, and their values computed without ONNX Runtime.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, ArrayView2, s};

use super::decode::decode;
use super::weights::Weights;
use crate::core::{Error, Kind, Result};

/// A delta of one parameter. Names are those of tensors in the adapter's file.
#[derive(Clone, Debug, PartialEq)]
pub enum WeightDelta {
    /// `scale * up down`, added to a weight `[outputs, inputs]`.
    LowRank {
        /// Name of the tensor `[rank, inputs]`.
        down: String,
        /// Name of the tensor `[outputs, rank]`.
        up: String,
        /// Rank.
        rank: usize,
        /// Factor in addition to the strength (alpha / rank).
        scale: f32,
    },
    /// `scale` times the Kronecker product of two matrices (`LoKr`).
    Kronecker {
        /// The matrix whose elements are multiplied by the whole of `right`.
        left: FactorMatrix,
        /// The matrix that is repeated.
        right: FactorMatrix,
        /// Factor in addition to the strength.
        scale: f32,
    },
    /// `scale` times the element-wise product of two low-rank matrices (`LoHa`).
    Hadamard {
        /// The two matrices.
        pairs: [LowRankPair; 2],
        /// Factor in addition to the strength.
        scale: f32,
    },
    /// Name of a tensor with as many elements as the parameter.
    Full(String),
    /// The values themselves, for small parameters.
    Values(Arc<[f32]>),
}

/// A matrix of an adapter's file, or the product of two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactorMatrix {
    /// Rows and columns.
    pub shape: [usize; 2],
    /// Where it is.
    pub source: FactorSource,
}

/// Where a matrix of an adapter is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FactorSource {
    /// Name of the tensor.
    Whole(String),
    /// The product of two tensors.
    Product(LowRankPair),
}

/// The product of two tensors `[rows, rank]` and `[rank, columns]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LowRankPair {
    /// Name of the tensor `[rows, rank]`.
    pub up: String,
    /// Name of the tensor `[rank, columns]`.
    pub down: String,
    /// Rank.
    pub rank: usize,
}

impl FactorMatrix {
    /// Reads it from `weights`.
    pub fn read(&self, weights: &Weights) -> Result<Array2<f32>> {
        match &self.source {
            FactorSource::Whole(name) => values(weights, name, self.shape),
            FactorSource::Product(pair) => pair.read(weights, self.shape).map(|[up, down]| up.dot(&down)),
        }
    }
}

impl LowRankPair {
    /// Reads both tensors, whose product has the shape `[rows, columns]`.
    fn read(&self, weights: &Weights, [rows, columns]: [usize; 2]) -> Result<[Array2<f32>; 2]> {
        let Self { up, down, rank } = self;
        Ok([values(weights, up, [rows, *rank])?, values(weights, down, [*rank, columns])?])
    }
}

/// Factors of a DoRA for one matrix: the learned magnitudes divided by the norms of the changed matrix.
///
/// With the ratios `r` the matrix becomes `W + strength * (r (W + delta) - W)`.
#[derive(Clone, Debug, PartialEq)]
pub struct MagnitudeRatios {
    /// What has a ratio of its own.
    pub axis: MagnitudeAxis,
    /// One value for each output or input.
    pub values: Arc<[f32]>,
}

/// What has a magnitude of its own in a DoRA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MagnitudeAxis {
    /// Each output, as in PEFT.
    Outputs,
    /// Each input, as in older `LyCORIS`.
    Inputs,
}

/// The rows of a delta, computed as they are asked for.
pub struct DeltaRows {
    parts: Parts,
    scale: f32,
}

enum Parts {
    Product(Array2<f32>, Array2<f32>),
    Kronecker(Array2<f32>, Array2<f32>),
    Hadamard([Array2<f32>; 4]),
    Whole(Array2<f32>),
}

impl DeltaRows {
    /// Reads the tensors of `delta` of a parameter `[outputs, inputs]`.
    pub fn read(weights: &Weights, delta: &WeightDelta, [outputs, inputs]: [usize; 2]) -> Result<Self> {
        let matrix = |name: &str, shape: [usize; 2]| values(weights, name, shape);
        let shape = [outputs, inputs];
        let (parts, scale) = match delta {
            WeightDelta::LowRank { down, up, rank, scale } => {
                (Parts::Product(matrix(up, [outputs, *rank])?, matrix(down, [*rank, inputs])?), *scale)
            }
            WeightDelta::Kronecker { left, right, scale } => {
                (Parts::Kronecker(left.read(weights)?, right.read(weights)?), *scale)
            }
            WeightDelta::Hadamard { pairs: [first, second], scale } => {
                let ([a, b], [c, d]) = (first.read(weights, shape)?, second.read(weights, shape)?);
                (Parts::Hadamard([a, b, c, d]), *scale)
            }
            WeightDelta::Full(name) => (Parts::Whole(matrix(name, shape)?), 1.0),
            WeightDelta::Values(values) => {
                (Parts::Whole(into_matrix("a computed delta", values.to_vec(), shape)?), 1.0)
            }
        };
        Ok(Self { parts, scale })
    }

    /// The rows in `range`, `[rows, inputs]`.
    pub fn rows(&self, range: Range<usize>) -> Array2<f32> {
        let of = |up: &Array2<f32>, down: &Array2<f32>| up.slice(s![range.clone(), ..]).dot(down);
        let rows = match &self.parts {
            Parts::Product(up, down) => of(up, down),
            Parts::Hadamard([a, b, c, d]) => of(a, b) * of(c, d),
            Parts::Whole(values) => values.slice(s![range, ..]).to_owned(),
            Parts::Kronecker(left, right) => {
                let ((_, b), (c, d)) = (left.dim(), right.dim());
                Array2::from_shape_fn((range.len(), b * d), |(row, column)| {
                    let row = range.start + row;
                    left[(row / c, column / d)] * right[(row % c, column % d)]
                })
            }
        };
        rows * self.scale
    }
}

/// The tensor `name` in fp32, viewed as a matrix. Fails with [`Kind::Input`] for another type or number of values.
pub fn values(weights: &Weights, name: &str, shape: [usize; 2]) -> Result<Array2<f32>> {
    let info = weights.get(name)?;
    let mut numbers = Vec::new();
    if !decode(info.dtype, &weights.bytes(info)?, &mut numbers) {
        return Err(Error::new(Kind::Input, format!("The tensor {name} has the type {}", info.dtype))
            .remedy("Choose a LoRA in fp32, fp16, bf16 or fp8")
            .field("lora"));
    }
    into_matrix(name, numbers, shape)
}

fn into_matrix(name: &str, numbers: Vec<f32>, [rows, columns]: [usize; 2]) -> Result<Array2<f32>> {
    Array2::from_shape_vec((rows, columns), numbers).map_err(|error| {
        Error::new(Kind::Input, format!("The tensor {name} cannot be viewed as [{rows}, {columns}]"))
            .because(error)
            .remedy("Fetch the LoRA again")
            .field("lora")
    })
}

/// Sum of the squares of each row, or of each column.
pub(super) fn squares(matrix: &ArrayView2<'_, f32>, axis: MagnitudeAxis) -> Vec<f64> {
    let square = |value: &f32| f64::from(*value).powi(2);
    match axis {
        MagnitudeAxis::Outputs => matrix.rows().into_iter().map(|row| row.iter().map(square).sum()).collect(),
        MagnitudeAxis::Inputs => {
            let mut sums = vec![0.0; matrix.ncols()];
            for row in matrix.rows() {
                sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += square(value));
            }
            sums
        }
    }
}
