//! Ratios of a DoRA: its magnitudes divided by the norms of a changed matrix.

use ndarray::ArrayView2;

use super::dense_rows::DenseRows;
use super::weight_delta::{DeltaRows, MagnitudeAxis, MagnitudeRatios, WeightDelta, squares, values};
use super::weights::Weights;
use crate::core::{CancelToken, Error, Kind, Result};

/// Rows of a matrix that are read at once.
const ROWS: usize = 256;

impl MagnitudeRatios {
    /// The ratios for the matrix with these `rows`: the magnitudes in the tensor `tensor` of `file`, divided by the norms
    /// of the matrix plus `deltas`.
    ///
    /// Reads the whole matrix.
    pub fn compute(
        rows: &DenseRows<'_>,
        file: &Weights,
        tensor: &str,
        deltas: &[WeightDelta],
        cancel: &CancelToken,
    ) -> Result<Self> {
        let [outputs, inputs] = rows.shape();
        let info = file.get(tensor)?;
        let axis = magnitude_axis(&info.shape, [outputs, inputs]).ok_or_else(|| {
            let message = format!("The tensor {tensor} has the shape {:?}", info.shape);
            Error::new(Kind::Input, message).remedy("Fetch the LoRA again").field("lora")
        })?;
        let count = info.shape.iter().product();
        let magnitudes = values(file, tensor, [1, count])?;
        let deltas = deltas
            .iter()
            .map(|delta| DeltaRows::read(file, delta, [outputs, inputs]))
            .collect::<Result<Vec<_>>>()?;
        let mut sums = Vec::new();
        for first in (0..outputs).step_by(ROWS) {
            cancel.check()?;
            let range = first..outputs.min(first + ROWS);
            let numbers = rows.rows(range.clone())?;
            let mut sum = ArrayView2::from_shape((range.len(), inputs), &numbers)
                .map_err(|error| Error::new(Kind::Bug, "Rows of a matrix have another size").because(error))?
                .to_owned();
            for delta in &deltas {
                sum += &delta.rows(range.clone());
            }
            let found = squares(&sum.view(), axis);
            match axis {
                MagnitudeAxis::Inputs if !sums.is_empty() => {
                    sums.iter_mut().zip(found).for_each(|(sum, more): (&mut f64, f64)| *sum += more);
                }
                _ => sums.extend(found),
            }
        }
        let ratio = |(magnitude, sum): (&f32, f64)| magnitude_ratio(*magnitude, sum);
        Ok(Self { axis, values: magnitudes.iter().zip(sums).map(ratio).collect() })
    }
}

/// A magnitude divided by the norm of what it belongs to, given as the sum of its squares; zeros stay what they are.
pub fn magnitude_ratio(magnitude: f32, squares: f64) -> f32 {
    if squares > 0.0 { (f64::from(magnitude) / squares.sqrt()) as f32 } else { 1.0 }
}

/// What the magnitudes of the shape `found` belong to in a matrix; `None` if they do not fit.
pub fn magnitude_axis(found: &[usize], [outputs, inputs]: [usize; 2]) -> Option<MagnitudeAxis> {
    let count: usize = found.iter().product();
    if count == outputs && found.first() == Some(&outputs) {
        Some(MagnitudeAxis::Outputs)
    } else if count == inputs && found.len() > 1 {
        Some(MagnitudeAxis::Inputs)
    } else {
        None
    }
}
