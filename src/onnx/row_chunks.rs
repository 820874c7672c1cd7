//! A section of a graph that processes its rows in chunks: the body of a `Loop`.

use std::collections::HashSet;
use std::rc::Rc;

use super::builder::{Attr, GraphBuilder, Var};
use super::proto::{GraphProto, NodeProto, TensorProto, ValueInfoProto};
use super::spec::{Dim, Dtype, ValueSpec};
use crate::core::Result;

/// The loop body under construction.
#[derive(Default)]
pub(super) struct LoopBody {
    pub(super) nodes: Vec<NodeProto>,
    /// Weights that belong to the body, if it has weights of its own.
    pub(super) weights: Option<Vec<TensorProto>>,
    /// Values that differ between iterations, and the weights of the body.
    local: HashSet<Var>,
}

impl LoopBody {
    /// A body that owns the weights that it uses.
    pub(super) fn with_weights() -> Self {
        Self { weights: Some(Vec::new()), ..Self::default() }
    }

    /// Whether a node with these inputs belongs to the body; nodes that are the same in every iteration stay outside.
    pub(super) fn contains(&self, inputs: &[&Var]) -> bool {
        inputs.iter().any(|input| self.local.contains(*input))
    }

    pub(super) fn add(&mut self, node: NodeProto, outputs: &[Var]) {
        self.nodes.push(node);
        self.localize(outputs);
    }

    /// Adds a weight of the body.
    pub(super) fn own(&mut self, tensor: TensorProto, var: &Var) {
        self.weights.get_or_insert_default().push(tensor);
        self.localize(std::slice::from_ref(var));
    }

    /// Marks values as belonging to the body.
    pub(super) fn localize(&mut self, values: &[Var]) {
        self.local.extend(values.iter().cloned());
    }
}

impl GraphBuilder<'_> {
    /// Applies `section` to the fp32 rows `x`, `[S, inputs]`, in chunks of at most `max_rows` rows.
    ///
    /// This bounds the memory of intermediate values, and a cancelled run ends after the current chunk. `section` must
    /// treat each row independently and return fp32 `[rows, outputs]`.
    ///
    /// Each weight is an input of one node, so a session packs it once. Separate nodes per chunk would compute as fast, but
    /// pack every matrix once for each: a transformer with 8 layers of TI2V-5B's width took 46 s to load instead of 10 s.
    pub fn in_row_chunks(
        &mut self,
        x: &Var,
        max_rows: usize,
        section: impl FnOnce(&mut Self, &Var) -> Result<Var>,
    ) -> Result<Var> {
        let chunks = self.chunks(x, max_rows);
        let name = self.unique("row_chunks");
        let axis = self.ints(&[0]);
        let graph = self.loop_body(&name, LoopBody::default(), Iteration::Loop, |g, iteration| {
            let start = g.op("Mul", &[iteration, &chunks.rows], &[]);
            let end = g.op("Add", &[&start, &chunks.rows], &[]);
            let rows = g.op("Slice", &[&chunks.padded, &start, &end, &axis], &[]);
            Ok([(section(g, &rows)?, vec!["rows".into(), "columns".into()])])
        })?;
        let attrs = [("body", Attr::Graph(Box::new(graph)))];
        let stacked = self.op("Loop", &[&chunks.count, &Var::none()], &attrs);
        // [chunks, rows, outputs] to [S, outputs], without the padding
        let shape = self.op("Shape", &[&stacked], &[("start", Attr::Int(2))]);
        let any = self.ints(&[-1]);
        let shape = self.op("Concat", &[&any, &shape], &[("axis", Attr::Int(0))]);
        let joined = self.op("Reshape", &[&stacked, &shape], &[]);
        let from = self.ints(&[0]);
        Ok(self.op("Slice", &[&joined, &from, &chunks.total, &axis], &[]))
    }

    /// The body of the operation called `name` that repeats it: `section` gets the number of the iteration, an int64
    /// scalar, and returns fp32 results with their dimensions.
    pub(super) fn loop_body<const N: usize>(
        &mut self,
        name: &str,
        mut body: LoopBody,
        repeated_by: Iteration,
        section: impl FnOnce(&mut Self, &Var) -> Result<[(Var, Vec<Dim>); N]>,
    ) -> Result<GraphProto> {
        let iteration = local(name, "iteration");
        body.localize(std::slice::from_ref(&iteration));
        debug_assert!(self.body.is_none(), "loops must not be nested");
        self.body = Some(body);
        let results = section(self, &iteration);
        let body = self.body.take().unwrap_or_default();
        Ok(body_graph(name, body, repeated_by, &results?))
    }

    /// Divides the rows of `x` into chunks of equal size, padding the last with zeros.
    fn chunks(&mut self, x: &Var, max_rows: usize) -> Chunks {
        let total = self.op("Shape", &[x], &[("start", Attr::Int(0)), ("end", Attr::Int(1))]);
        // integer divisions that round up
        let max = self.ints(&[max_rows as i64]);
        let (max_less_one, one) = (self.ints(&[max_rows as i64 - 1]), self.ints(&[1]));
        let count = self.op("Add", &[&total, &max_less_one], &[]);
        let count = self.op("Div", &[&count, &max], &[]);
        let rows = self.op("Add", &[&total, &count], &[]);
        let rows = self.op("Sub", &[&rows, &one], &[]);
        let rows = self.op("Div", &[&rows, &count], &[]);
        let padded_total = self.op("Mul", &[&rows, &count], &[]);
        let missing = self.op("Sub", &[&padded_total, &total], &[]);
        let (before, after) = (self.ints(&[0, 0]), self.ints(&[0]));
        let pads = self.op("Concat", &[&before, &missing, &after], &[("axis", Attr::Int(0))]);
        let padded = self.op("Pad", &[x, &pads], &[]);
        Chunks { total, count, rows, padded }
    }
}

/// The division of rows into chunks; numbers are int64 `[1]`.
struct Chunks {
    /// Number of rows.
    total: Var,
    /// Number of chunks.
    count: Var,
    /// Rows per chunk.
    rows: Var,
    /// The rows, padded to `count * rows`.
    padded: Var,
}

fn local(body: &str, value: &str) -> Var {
    Var(Rc::from(format!("{body}.{value}")))
}

/// What repeats a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Iteration {
    /// `Loop`, which counts itself. It joins the results of all iterations when it ends, and so holds them twice.
    Loop,
    /// `Scan` over the numbers of the iterations. The results of an iteration are written where they belong at once, but
    /// their number is part of the graph.
    Scan,
}

/// A body whose input is the number of the iteration and whose outputs are fp32 `results`. That of a `Loop` also takes
/// and returns the condition that it goes on.
fn body_graph(
    name: &str,
    LoopBody { mut nodes, weights, .. }: LoopBody,
    repeated_by: Iteration,
    results: &[(Var, Vec<Dim>)],
) -> GraphProto {
    let value = |var: &Var, dtype, dims: &[Dim]| -> ValueInfoProto {
        ValueSpec::new(&*var.0, dtype, dims.iter().cloned()).proto()
    };
    let mut input = vec![value(&local(name, "iteration"), Dtype::I64, &[])];
    let mut output = Vec::with_capacity(1 + results.len());
    if repeated_by == Iteration::Loop {
        let [cond, cond_out] = ["cond", "cond_out"].map(|value| local(name, value));
        input.push(value(&cond, Dtype::Bool, &[]));
        output.push(value(&cond_out, Dtype::Bool, &[]));
        nodes.push(NodeProto {
            input: vec![cond.0.to_string()],
            output: vec![cond_out.0.to_string()],
            name: Some(format!("{name}.Identity")),
            op_type: Some("Identity".to_owned()),
            ..NodeProto::default()
        });
    }
    output.extend(results.iter().map(|(var, dims)| value(var, Dtype::F32, dims)));
    GraphProto {
        node: nodes,
        name: Some(name.to_owned()),
        initializer: weights.unwrap_or_default(),
        input,
        output,
    }
}
