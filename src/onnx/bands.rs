//! A section of a graph that is computed in bands of an image: the body of a `Scan` with weights of its own.

use super::builder::{Attr, GraphBuilder, Var};
use super::quantised::scale_name;
use super::row_chunks::{Iteration, LoopBody};
use super::spec::{Dim, Dtype};
use crate::core::Result;

impl GraphBuilder<'_> {
    /// Applies `section` to the numbers 0 to `count - 1`, an int64 scalar, and returns each of its `N` results stacked:
    /// `[count, ..]`. `section` returns fp32 values with the number of their dimensions.
    ///
    /// This bounds the memory of intermediate values, and a cancelled run ends after the current operation. The results of
    /// an iteration are written where they belong at once: into the memory of an input too, if that is bound to the output
    /// and no later iteration reads what an earlier one replaces. Weights that
    /// `section` asks for belong to the body: ONNX Runtime brings the weights of a 2-D convolution into the layout of its
    /// fastest kernels (`NCHWc`) only in the graph that owns them, and computes what depends on weights alone when it
    /// makes the session.
    pub fn in_bands<const N: usize>(
        &mut self,
        count: usize,
        section: impl FnOnce(&mut Self, &Var) -> Result<[(Var, usize); N]>,
    ) -> Result<[Var; N]> {
        let name = self.unique("bands");
        let any = |rank: usize| -> Vec<Dim> {
            (0..rank).map(|axis| Dim::Named(format!("{name}_{axis}").into())).collect()
        };
        // a weight of the body is no weight of the graph around it
        let outer = (std::mem::take(&mut self.views), std::mem::take(&mut self.casts));
        let graph = self.loop_body(&name, LoopBody::with_weights(), Iteration::Scan, |g, iteration| {
            Ok(section(g, iteration)?.map(|(var, rank)| (var, any(rank))))
        });
        (self.views, self.casts) = outer;
        let graph = graph?;
        let numbers = self.ints(&(0..count as i64).collect::<Vec<_>>());
        let attrs = [("body", Attr::Graph(Box::new(graph))), ("num_scan_inputs", Attr::Int(1))];
        let outputs = self.op_many("Scan", &[&numbers], N, &attrs);
        let mut outputs = outputs.into_iter();
        Ok(std::array::from_fn(|_| outputs.next().unwrap_or_else(Var::none)))
    }

    /// The weight `name` viewed as `dims` in the current compute type, for the iteration `iteration` only: a weight that is
    /// stored in 16 bits is cast in every iteration, so that the session does not hold what it becomes.
    pub fn weight_in_iteration(&mut self, name: &str, dims: &[usize], iteration: &Var) -> Result<Var> {
        let dtype = self.weights().get(name)?.dtype;
        let has_scale = scale_name(name).is_some_and(|scale| self.weights().contains(&scale));
        if has_scale || !matches!(dtype, Dtype::Bf16 | Dtype::F16) {
            return self.weight_view(name, dims);
        }
        let raw = self.raw_weight(name, dims)?;
        // ONNX Runtime computes what depends on weights alone when it makes the session
        let zero = self.op("Sub", &[iteration, iteration], &[]);
        let dims = self.ints(&dims.iter().map(|&dim| dim as i64).collect::<Vec<_>>());
        let dims = self.op("Add", &[&dims, &zero], &[]);
        let raw = self.op("Reshape", &[&raw, &dims], &[]);
        Ok(self.as_current(&raw, dtype))
    }

    /// Part `index` along `axis` of the weight `name` viewed as `dims`, without that axis, in the current compute type.
    ///
    /// Only the part is cast, so that only the part is held in the compute type while a session is made.
    pub fn weight_part(&mut self, name: &str, dims: &[usize], axis: usize, index: usize) -> Result<Var> {
        let index = self.constant(Dtype::I64, Vec::new(), (index as i64).to_le_bytes().to_vec());
        let attrs = [("axis", Attr::Int(axis as i64))];
        if scale_name(name).is_some_and(|scale| self.weights().contains(&scale)) {
            let whole = self.weight_view(name, dims)?;
            return Ok(self.op("Gather", &[&whole, &index], &attrs));
        }
        let whole = self.raw_weight(name, dims)?;
        let part = self.op("Gather", &[&whole, &index], &attrs);
        let dtype = self.weights().get(name)?.dtype;
        Ok(self.as_current(&part, dtype))
    }
}
