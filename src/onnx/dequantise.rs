//! Weights of 8 bits in the type that computes.
//!
//! For the CPU, ONNX Runtime dequantises them once, when it makes the session. A GPU keeps their 8 bits, and dequantises a
//! matrix for each product: that halves the memory of 16-bit weights, and the time that it takes is small beside that of
//! a product of many rows.

use super::builder::{Attr, GraphBuilder, Var};
use super::quantised::scale_name;
use super::spec::Dtype;
use super::target::Operators;
use crate::core::Result;

impl GraphBuilder<'_> {
    /// Builds what multiplies `x` with a matrix. If the matrix is dequantised in every run, that happens when `x` is known.
    pub fn multiplying<R>(&mut self, x: &Var, build: impl FnOnce(&mut Self) -> R) -> R {
        let outer = self.multiplied.replace(x.clone());
        let result = build(self);
        self.multiplied = outer;
        result
    }

    /// The weight `name` in the current compute type viewed as `dims`, times its scale if the checkpoint has one.
    ///
    /// The view costs nothing: only the declared shape changes.
    pub fn weight_view(&mut self, name: &str, dims: &[usize]) -> Result<Var> {
        let raw = self.raw_weight(name, dims)?;
        let info = self.weights().get(name)?;
        let scale = scale_name(name).filter(|scale| self.weights().contains(scale));
        // a cast of a constant is folded, and a GPU would hold 16 bits
        let stays_f8 = info.dtype.is_f8() && !self.is_for_cpu();
        if scale.is_none() && !stays_f8 {
            return Ok(self.as_current(&raw, info.dtype));
        }
        // one product for both compute types
        let key = (raw.clone(), Dtype::F32);
        let wide = if let Some(known) = self.casts.get(&key) {
            known.clone()
        } else {
            let wide = if let Some(scale) = scale {
                self.scaled(&raw, info.dtype, &scale, dims)?
            } else {
                let one = self.floats(&[1.0], &[1]);
                self.dequantised(&raw, &one, 0)
            };
            let wide = match info.rotation {
                Some(group) => self.unrotated(&wide, dims, group)?,
                None => wide,
            };
            // what is dequantised for a product is not held for the next one
            if !stays_f8 || self.multiplied.is_none() {
                self.casts.insert(key, wide.clone());
            }
            wide
        };
        Ok(self.as_current(&wide, Dtype::F32))
    }

    /// The matrix `name`, `[outputs, inputs]`, in the current compute type, with each row times its value of `gate`,
    /// `[outputs]` in fp32. In a checkpoint of fp8 the scales of the matrix are multiplied, and nothing else is.
    pub fn gated_matrix(&mut self, name: &str, [outputs, inputs]: [usize; 2], gate: &Var) -> Result<Var> {
        let (dims, info) = ([outputs, inputs], self.weights().get(name)?);
        if info.dtype.is_f8() && info.rotation.is_none() {
            let raw = self.raw_weight(name, &dims)?;
            let factor = match scale_name(name).filter(|scale| self.weights().contains(scale)) {
                Some(scale) => {
                    let factor = self.scale(info.dtype, &scale, &dims)?;
                    self.op("Mul", &[gate, &factor], &[])
                }
                None => gate.clone(),
            };
            let wide = self.dequantised(&raw, &factor, 0);
            return Ok(self.as_current(&wide, Dtype::F32));
        }
        let matrix = self.matrix(name, &dims)?;
        // else the matrices of all blocks would be multiplied first, and kept
        let gate = match self.multiplied.clone() {
            Some(x) => self.once_known(gate, &x),
            None => gate.clone(),
        };
        let gate = self.narrow(&gate);
        let axis = self.ints(&[1]);
        let gate = self.op("Unsqueeze", &[&gate, &axis], &[]);
        Ok(self.op("Mul", &[&matrix, &gate], &[]))
    }

    /// The values of `scale` of a weight of shape `dims`, in fp32: one for the whole weight, or one per row.
    fn scale(&mut self, dtype: Dtype, scale: &str, dims: &[usize]) -> Result<Var> {
        let info = self.weights().get(scale)?;
        let is_by_row = info.shape.iter().product::<usize>() > 1;
        let rows = dims.first().copied().filter(|_| is_by_row);
        // scales per row are `[rows]`, or `[rows, 1, ..]` where they are multiplied
        let mut shape = vec![rows.unwrap_or(1)];
        if is_by_row && !dtype.is_f8() {
            shape.resize(dims.len(), 1);
        }
        let factor = self.raw_weight(scale, &shape)?;
        Ok(if info.dtype == Dtype::F32 { factor } else { self.cast_f32(&factor) })
    }

    /// `raw` in fp32 times its scale.
    fn scaled(&mut self, raw: &Var, dtype: Dtype, scale: &str, dims: &[usize]) -> Result<Var> {
        let factor = self.scale(dtype, scale, dims)?;
        if dtype.is_f8() {
            // one node: the results of a cast and a product would both be held in fp32 while the session is made
            return Ok(self.dequantised(raw, &factor, 0));
        }
        let wide = if dtype == Dtype::F32 { raw.clone() } else { self.cast_f32(raw) };
        Ok(self.op("Mul", &[&wide, &factor], &[]))
    }

    /// `x W^T` for the int8 matrix `name`, `[outputs, inputs]`, in the compute type.
    pub(super) fn dequantised_product(
        &mut self,
        x: &Var,
        name: &str,
        [outputs, inputs]: [usize; 2],
    ) -> Result<Var> {
        self.check_shape(name, [outputs, inputs])?;
        let weights = self.weights();
        let matrix = self.raw_tensor(weights, name, name, &[inputs, outputs])?;
        let scales = scale_name(name).unwrap_or_default();
        let scales = self.raw_tensor(weights, &scales, &scales, &[outputs])?;
        let wide = self.multiplying(x, |g| g.dequantised(&matrix, &scales, 1));
        let matrix = self.as_current(&wide, Dtype::F32);
        Ok(self.op("MatMul", &[x, &matrix], &[]))
    }

    /// `raw` times its `scales`, one or one for each index of `axis`, in fp32: CUDA has no kernel that gives bf16.
    fn dequantised(&mut self, raw: &Var, scales: &Var, axis: i64) -> Var {
        let scales = match self.multiplied.clone() {
            Some(x) if !self.is_for_cpu() && self.operators() == Operators::OnnxRuntime => {
                self.once_known(scales, &x)
            }
            _ => scales.clone(),
        };
        self.op("DequantizeLinear", &[raw, &scales], &[("axis", Attr::Int(axis))])
    }
}
