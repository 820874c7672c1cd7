//! Inference of the element types of every node, by ONNX's rules for the operations used here.
//!
//! A graph declares only the types of its inputs and constants. With the types of all nodes, an operation that the
//! provider does not support can be reported before a session is made; ONNX Runtime would silently run it elsewhere.

use std::collections::HashMap;

use super::proto::{GraphProto, NodeProto, ValueInfoProto};
use super::spec::{Dtype, Graph};
use crate::core::{Error, Kind, Result};

/// A node with the element types of its inputs and outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedNode<'g> {
    /// Name of the node.
    pub name: &'g str,
    /// Operator.
    pub op: &'g str,
    /// Whether the operator is one of ONNX Runtime's own (`com.microsoft`).
    pub contrib: bool,
    /// Types of its inputs in order; `None` for an omitted optional input.
    pub inputs: Vec<Option<Dtype>>,
    /// Type of its outputs.
    pub output: Dtype,
}

/// Type constraint of an input; the last one of a list holds for all further inputs.
#[derive(Clone, Copy)]
enum Slot {
    /// The type variable T: the same type for all inputs with it.
    T,
    /// A second type variable.
    U,
    /// This type.
    Is(Dtype),
    /// Any type.
    Any,
}

/// Type of the outputs.
#[derive(Clone, Copy)]
enum Out {
    T,
    U,
    Is(Dtype),
    /// The type in the attribute `to`.
    To,
}

/// Type constraints and output type of an operator; `None` for operators that no graph here uses.
fn rule(op: &str) -> Option<(&'static [Slot], Out)> {
    use Dtype::{F32, I64, U8};
    use Slot::{Any, Is, T, U};
    Some(match op {
        "Add"
        | "BitwiseXor"
        | "Clip"
        | "Concat"
        | "Conv"
        | "Cos"
        | "DepthToSpace"
        | "Div"
        | "Einsum"
        | "FastGelu"
        | "Gelu"
        | "Gemm"
        | "Identity"
        | "LayerNormalization"
        | "MatMul"
        | "Max"
        | "Min"
        | "Mul"
        | "MultiHeadAttention"
        | "Neg"
        | "QuickGelu"
        | "RMSNormalization"
        | "Round"
        | "Sigmoid"
        | "Sin"
        | "SkipLayerNormalization"
        | "SkipSimplifiedLayerNormalization"
        | "Softmax"
        | "Sub"
        | "Transpose"
        | "Unique" => (&[T], Out::T),
        "Expand" | "Gather" | "ReduceL2" | "ReduceMax" | "ReduceMean" | "ReduceMin" | "Reshape" | "Slice"
        | "Split" | "Squeeze" | "Unsqueeze" => (&[T, Is(I64)], Out::T),
        "Pad" => (&[T, Is(I64), T, Is(I64)], Out::T),
        "Resize" => (&[T, Any, Is(F32), Is(I64)], Out::T),
        "RotaryEmbedding" => (&[T, Is(I64), T], Out::T),
        "Shape" => (&[T], Out::Is(I64)),
        "Loop" => (&[Is(I64), Is(Dtype::Bool)], Out::Is(F32)),
        "Scan" => (&[Is(I64)], Out::Is(F32)),
        "Cast" => (&[T], Out::To),
        "DequantizeLinear" => (&[T, U, T], Out::U),
        "QuantizeLinear" => (&[T, T, U], Out::U),
        "MatMulNBits" => (&[Is(F32), Is(U8), Is(F32)], Out::Is(F32)),
        "MatMulIntegerToFloat" => (&[Is(U8), Any, Is(F32), Is(F32), Is(U8)], Out::Is(F32)),
        _ => return None,
    })
}

impl Graph {
    /// All nodes in order with their element types.
    ///
    /// Fails with [`Kind::Bug`] if a node or an output violates ONNX's type rules.
    pub fn typed_nodes(&self) -> Result<Vec<TypedNode<'_>>> {
        let Some(graph) = &self.model.graph else { return Ok(Vec::new()) };
        let mut types: HashMap<&str, Dtype> = HashMap::new();
        for (name, number) in self.initializers().map(|tensor| (&tensor.name, tensor.data_type)) {
            let dtype = number.and_then(|number| Dtype::from_number(number.into()));
            types.extend(name.as_deref().zip(dtype));
        }
        types.extend(self.spec.inputs.iter().map(|input| (input.name.as_str(), input.dtype)));
        let mut nodes = Vec::with_capacity(graph.node.len());
        infer_all(graph, &mut types, &mut nodes).map_err(|why| {
            Error::new(Kind::Bug, format!("The graph of the {} has a type error in {why}", self.name))
        })?;
        for output in &self.spec.outputs {
            let found = types.get(output.name.as_str());
            if found != Some(&output.dtype) {
                let found = found.map_or_else(|| "none".to_owned(), ToString::to_string);
                let (name, output, wanted) = (self.name, &output.name, output.dtype);
                let message =
                    format!("The output {output} of the {name} graph has the type {found}, not {wanted}");
                return Err(Error::new(Kind::Bug, message));
            }
        }
        Ok(nodes)
    }
}

/// Infers the types of the nodes of `graph` in order, those of a loop body before the loop.
fn infer_all<'g>(
    graph: &'g GraphProto,
    types: &mut HashMap<&'g str, Dtype>,
    nodes: &mut Vec<TypedNode<'g>>,
) -> Result<(), String> {
    for node in &graph.node {
        for body in node.attribute.iter().filter_map(|attribute| attribute.g.as_ref()) {
            types.extend(
                body.input.iter().filter_map(|input| Some((input.name.as_deref()?, element(input)?))),
            );
            infer_all(body, types, nodes)?;
        }
        let typed = infer(node, types)
            .map_err(|why| format!("{}: {why}", node.name.as_deref().unwrap_or_default()))?;
        types.extend(node.output.iter().map(|output| (output.as_str(), typed.output)));
        nodes.push(typed);
    }
    Ok(())
}

/// Element type of a declared input.
fn element(input: &ValueInfoProto) -> Option<Dtype> {
    Dtype::from_number(input.r#type.as_ref()?.tensor_type.as_ref()?.elem_type?.into())
}

/// Infers the types of `node` from those of the values in `types`.
fn infer<'g>(node: &'g NodeProto, types: &HashMap<&str, Dtype>) -> Result<TypedNode<'g>, String> {
    let op = node.op_type.as_deref().unwrap_or_default();
    let (slots, out) = rule(op).ok_or_else(|| format!("there is no type rule for {op}"))?;
    let (mut t, mut u) = (None, None);
    let mut inputs = Vec::with_capacity(node.input.len());
    for (index, input) in node.input.iter().enumerate() {
        if input.is_empty() {
            inputs.push(None);
            continue;
        }
        let found = *types.get(input.as_str()).ok_or_else(|| format!("no node produces {input}"))?;
        let wanted = match slots[index.min(slots.len() - 1)] {
            Slot::T => *t.get_or_insert(found),
            Slot::U => *u.get_or_insert(found),
            Slot::Is(dtype) => dtype,
            Slot::Any => found,
        };
        if found != wanted {
            return Err(format!("{op} has the input {input} of type {found}, but {wanted} is needed"));
        }
        inputs.push(Some(found));
    }
    let output = match out {
        Out::T => t,
        Out::U => u,
        Out::Is(dtype) => Some(dtype),
        Out::To => {
            let to = node.attribute.iter().find(|attribute| attribute.name.as_deref() == Some("to"));
            to.and_then(|to| Dtype::from_number(to.i?))
        }
    };
    Ok(TypedNode {
        name: node.name.as_deref().unwrap_or_default(),
        op,
        contrib: node.domain.as_deref().is_some_and(|domain| !domain.is_empty()),
        inputs,
        output: output.ok_or_else(|| format!("the output type of {op} is unknown"))?,
    })
}
