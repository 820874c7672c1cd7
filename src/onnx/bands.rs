//! A section of a graph that is computed in bands of an image: the body of a `Loop` with weights of its own.

use super::builder::{Attr, GraphBuilder, Var};
use super::row_chunks::{LoopBody, body_graph, local};
use super::spec::{Dim, Dtype};
use crate::core::Result;

impl GraphBuilder<'_> {
    /// Applies `section` to the numbers 0 to `count - 1`, an int64 scalar, and returns each of its `N` results stacked:
    /// `[count, ..]`. `section` returns fp32 values with the number of their dimensions.
    ///
    /// This bounds the memory of intermediate values, and a cancelled run ends after the current operation. Weights that
    /// `section` asks for belong to the body: ONNX Runtime brings the weights of a 2-D convolution into the layout of its
    /// fastest kernels (`NCHWc`) only in the graph that owns them, and computes what depends on weights alone when it
    /// makes the session.
    pub fn in_bands<const N: usize>(
        &mut self,
        count: usize,
        section: impl FnOnce(&mut Self, &Var) -> Result<[(Var, usize); N]>,
    ) -> Result<[Var; N]> {
        let name = self.unique("bands");
        let [iteration, cond, cond_out] = ["iteration", "cond", "cond_out"].map(|value| local(&name, value));
        let mut body = LoopBody::with_weights();
        body.localize(&[iteration.clone(), cond.clone()]);
        debug_assert!(self.body.is_none(), "loops must not be nested");
        self.body = Some(body);
        // a weight of the body is no weight of the graph around it
        let outer = (std::mem::take(&mut self.views), std::mem::take(&mut self.casts));
        let results = section(self, &iteration);
        (self.views, self.casts) = outer;
        let body = self.body.take().unwrap_or_default();
        let any = |rank: usize| -> Vec<Dim> {
            (0..rank).map(|axis| Dim::Named(format!("{name}_{axis}").into())).collect()
        };
        let results = results?.map(|(var, rank)| (var, any(rank)));
        let graph = body_graph(&name, body, [&iteration, &cond, &cond_out], &results);
        let count = self.constant(Dtype::I64, Vec::new(), (count as i64).to_le_bytes().to_vec());
        let attrs = [("body", Attr::Graph(Box::new(graph)))];
        let outputs = self.op_many("Loop", &[&count, &Var::none()], N, &attrs);
        let mut outputs = outputs.into_iter();
        Ok(std::array::from_fn(|_| outputs.next().unwrap_or_else(Var::none)))
    }
}
