//! A part of a graph that takes its rows a few at a time: the body of a `Loop`.

use std::collections::HashSet;
use std::rc::Rc;

use super::builder::{Attr, GraphBuilder, Var};
use super::proto::{GraphProto, NodeProto, ValueInfoProto};
use super::spec::{Dim, Dtype, ValueSpec};
use crate::core::Result;

/// The body under construction.
#[derive(Default)]
pub(super) struct Body {
    pub(super) nodes: Vec<NodeProto>,
    /// Values that differ from one pass to the next.
    local: HashSet<Var>,
}

impl Body {
    /// Whether a node with these inputs belongs into the body. What is the same in every pass stays before it.
    pub(super) fn holds(&self, inputs: &[&Var]) -> bool {
        inputs.iter().any(|input| self.local.contains(*input))
    }

    pub(super) fn add(&mut self, node: NodeProto, outputs: &[Var]) {
        self.nodes.push(node);
        self.local.extend(outputs.iter().cloned());
    }
}

impl GraphBuilder<'_> {
    /// `part` of the fp32 rows `x`, `[S, inputs]`, at most `most` of them at once: what lies between `x` and the result
    /// is only ever there for so many, and a run can end after each lot. `part` works on rows each by itself and gives
    /// fp32, `[rows, outputs]`.
    ///
    /// Weights are used by one node, so that a session packs them once. Rows cut into separate nodes compute as fast but
    /// pack every matrix again for each of them: a transformer of 8 layers of TI2V-5B's width took 46 s to load instead
    /// of 10.
    pub fn by_rows(
        &mut self,
        x: &Var,
        most: usize,
        part: impl FnOnce(&mut Self, &Var) -> Result<Var>,
    ) -> Result<Var> {
        let lots = self.lots(x, most);
        let name = self.unique("by_rows");
        let [pass, go_on, going] = ["pass", "go_on", "going"].map(|value| local(&name, value));
        let mut body = Body::default();
        body.local.extend([pass.clone(), go_on.clone()]);
        debug_assert!(self.body.is_none(), "parts by rows do not lie in each other");
        self.body = Some(body);
        let start = self.op("Mul", &[&pass, &lots.rows], &[]);
        let end = self.op("Add", &[&start, &lots.rows], &[]);
        let axis = self.ints(&[0]);
        let rows = self.op("Slice", &[&lots.filled, &start, &end, &axis], &[]);
        let result = part(self, &rows);
        let nodes = self.body.take().map(|body| body.nodes).unwrap_or_default();
        let graph = body_graph(&name, nodes, [&pass, &go_on, &going], &result?);
        let attrs = [("body", Attr::Graph(Box::new(graph)))];
        let stacked = self.op("Loop", &[&lots.count, &Var::none()], &attrs);
        // [lots, rows, outputs], less what was filled up
        let shape = self.op("Shape", &[&stacked], &[("start", Attr::Int(2))]);
        let any = self.ints(&[-1]);
        let shape = self.op("Concat", &[&any, &shape], &[("axis", Attr::Int(0))]);
        let joined = self.op("Reshape", &[&stacked, &shape], &[]);
        let from = self.ints(&[0]);
        Ok(self.op("Slice", &[&joined, &from, &lots.all, &axis], &[]))
    }

    /// Equal lots of the rows of `x`, the last filled up with zeros.
    fn lots(&mut self, x: &Var, most: usize) -> Lots {
        let all = self.op("Shape", &[x], &[("start", Attr::Int(0)), ("end", Attr::Int(1))]);
        let (most, less, one) = (self.ints(&[most as i64]), self.ints(&[most as i64 - 1]), self.ints(&[1]));
        let count = self.op("Add", &[&all, &less], &[]);
        let count = self.op("Div", &[&count, &most], &[]);
        let rows = self.op("Add", &[&all, &count], &[]);
        let rows = self.op("Sub", &[&rows, &one], &[]);
        let rows = self.op("Div", &[&rows, &count], &[]);
        let whole = self.op("Mul", &[&rows, &count], &[]);
        let missing = self.op("Sub", &[&whole, &all], &[]);
        let (before, after) = (self.ints(&[0, 0]), self.ints(&[0]));
        let pads = self.op("Concat", &[&before, &missing, &after], &[("axis", Attr::Int(0))]);
        let filled = self.op("Pad", &[x, &pads], &[]);
        Lots { all, count, rows, filled }
    }
}

/// How rows are divided; numbers are `[1]`.
struct Lots {
    all: Var,
    count: Var,
    rows: Var,
    filled: Var,
}

fn local(body: &str, value: &str) -> Var {
    Var(Rc::from(format!("{body}.{value}")))
}

/// Takes the number of the pass and whether it goes on, gives the latter back and the rows of the pass.
fn body_graph(
    name: &str,
    mut nodes: Vec<NodeProto>,
    [pass, go_on, going]: [&Var; 3],
    rows: &Var,
) -> GraphProto {
    nodes.push(NodeProto {
        input: vec![go_on.0.to_string()],
        output: vec![going.0.to_string()],
        name: Some(format!("{name}.Identity")),
        op_type: Some("Identity".to_owned()),
        ..NodeProto::default()
    });
    let value = |var: &Var, dtype, dims: &[Dim]| -> ValueInfoProto {
        ValueSpec::new(&*var.0, dtype, dims.iter().cloned()).proto()
    };
    let any: [Dim; 2] = ["rows".into(), "columns".into()];
    GraphProto {
        node: nodes,
        name: Some(name.to_owned()),
        initializer: Vec::new(),
        input: vec![value(pass, Dtype::I64, &[]), value(go_on, Dtype::Bool, &[])],
        output: vec![value(going, Dtype::Bool, &[]), value(rows, Dtype::F32, &any)],
    }
}
