//! Element types for which each provider has kernels, in ONNX Runtime 1.31.1 at opset 23.
//!
//! ONNX Runtime moves a node without a kernel to the CPU with copies both ways, or fails while it loads the graph.
//! Checking here first gives a message with the operation and the type before anything is loaded.
//!
//! Sources: for the CPU the registered kernels of the 1.31.1 library (`get_all_opkernel_def` of the Python package); for
//! CUDA models of one node each, run with the fallback to the CPU disabled (`benches/gpu/kernel_types.py`). Only operations that
//! graphs here use are listed.

use crate::core::{Error, Kind, Provider, Result};
use crate::onnx::Dtype::{self, Bf16, Bool, F8E4M3, F8E5M2, F16, F32, I8, I32, I64, U8};
use crate::onnx::{Graph, TypedNode};

/// Kernels of some operations: supported types of the first input, and of the output where it differs.
struct Row {
    ops: &'static [&'static str],
    inputs: &'static [Dtype],
    outputs: &'static [Dtype],
}

const fn row(ops: &'static [&'static str], inputs: &'static [Dtype]) -> Row {
    Row { ops, inputs, outputs: ALL }
}

const ALL: &[Dtype] = &[F32, F16, Bf16, F8E4M3, F8E5M2, I32, I64, I8, U8];
/// The numeric types without fp8.
const NUMERIC: &[Dtype] = &[F32, F16, Bf16, I32, I64, I8, U8];

/// `Loop`, whose first input is the number of iterations; the nodes of the body are checked separately.
const LOOP: Row = Row { ops: &["Loop"], inputs: &[I64], outputs: &[F32] };
/// `Scan` over the numbers of its iterations.
const SCAN: Row = Row { ops: &["Scan"], inputs: &[I64], outputs: &[F32] };
/// `Identity` of a loop's condition.
const LOOP_CONDITION: Row = Row { ops: &["Identity"], inputs: &[Bool], outputs: &[Bool] };

/// What a graph for a GPU has the CPU compute, in order to wait for the GPU.
const HOST_ONLY: Row = Row { ops: &["Unique"], inputs: &[I64], outputs: &[I64] };

const CPU: &[Row] = &[
    HOST_ONLY,
    LOOP,
    SCAN,
    LOOP_CONDITION,
    row(&["Cast", "Reshape", "Shape", "Transpose"], ALL),
    row(&["Concat", "Gather", "Slice", "Split", "Squeeze", "Unsqueeze"], NUMERIC),
    row(&["Expand"], &[F32, F16, I32, I64, I8, U8]),
    row(&["Add", "Div", "Mul", "Sub"], &[F32, I32, I64, I8, U8]),
    row(&["Clip", "Max", "Min"], &[F32, F16, I32, I64, I8, U8]),
    row(&["Round"], &[F32, F16]),
    row(
        &[
            "Conv",
            "Cos",
            "DepthToSpace",
            "FastGelu",
            "Gelu",
            "Gemm",
            "MultiHeadAttention",
            "QuickGelu",
            "Sigmoid",
            "Sin",
            "Softmax",
        ],
        &[F32],
    ),
    row(&["LayerNormalization"], &[F32, F16, Bf16]),
    row(&["SkipLayerNormalization", "SkipSimplifiedLayerNormalization"], &[F32, F16, Bf16]),
    row(&["RMSNormalization", "RotaryEmbedding"], &[F32, F16]),
    row(&["Einsum", "MatMul", "ReduceL2", "ReduceMean"], &[F32, I32, I64]),
    row(&["ReduceMax", "ReduceMin", "Pad"], &[F32, I32, I64, I8, U8]),
    row(&["Neg"], &[F32, I32, I64, I8]),
    row(&["Resize"], &[F32, I32, I8, U8]),
    row(&["BitwiseXor"], &[I8]),
    row(&["MatMulIntegerToFloat"], &[U8, I8]),
    row(&["MatMulNBits"], &[F32]),
    Row { ops: &["DequantizeLinear"], inputs: &[U8, I8, I32, F8E4M3, F8E5M2], outputs: &[F32, F16] },
    Row { ops: &["QuantizeLinear"], inputs: &[F32, F16], outputs: &[U8, I8, F8E4M3, F8E5M2] },
];

const CUDA: &[Row] = &[
    LOOP,
    LOOP_CONDITION,
    HOST_ONLY,
    row(&["Cast", "Reshape", "Shape"], ALL),
    row(&["Concat", "Expand", "Gather", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"], NUMERIC),
    row(&["Add", "Div", "Mul", "Sub"], NUMERIC),
    row(&["Conv", "FastGelu", "Gemm", "MatMul", "MultiHeadAttention", "QuickGelu"], &[F32, F16, Bf16]),
    row(&["LayerNormalization", "RMSNormalization", "RotaryEmbedding"], &[F32, F16, Bf16]),
    row(&["SkipLayerNormalization", "SkipSimplifiedLayerNormalization"], &[F32, F16, Bf16]),
    row(&["Clip"], &[F32, F16, I64, I8, U8]),
    row(&["Round"], &[F32, F16]),
    row(&["Cos", "Sin"], &[F32, F16, Bf16]),
    row(&["Max"], &[F32, F16, Bf16, I32, I64]),
    row(&["Neg"], &[F32, F16, Bf16, I32, I64, I8]),
    row(&["Pad"], &[F32, F16]),
    row(&["ReduceL2"], &[F32, F16, I32]),
    row(&["ReduceMax", "ReduceMin"], &[F32, F16, I32, I64, I8, U8]),
    row(&["ReduceMean"], &[F32, F16, Bf16, I32]),
    row(&["Resize"], &[F32, F16, I32, U8]),
    Row { ops: &["DequantizeLinear"], inputs: &[U8, I8, F8E4M3, F8E5M2], outputs: &[F32, F16] },
];

/// What `TensorRT` compiles instead of the fused activations, beside the other operations of [`CUDA`]
/// (`tests/rtx_engines` builds engines of all graphs).
const TENSORRT: &[Row] = &[row(&["Gelu", "Sigmoid", "Softmax"], &[F32, F16, Bf16])];
/// The activations that `TensorRT` does not know.
const FUSED: &[&str] = &["FastGelu", "QuickGelu"];

/// Whether `provider` has a kernel for the types of `node`.
fn has(provider: Provider, node: &TypedNode<'_>) -> bool {
    let (rows, others): (_, &[Row]) = match provider {
        // what the experimental providers lack runs on the CPU
        Provider::Cpu | Provider::WebGpu | Provider::OpenVino => (CPU, &[]),
        Provider::Cuda => (CUDA, &[]),
        Provider::TensorRt | Provider::Rtx if FUSED.contains(&node.op) => return false,
        Provider::TensorRt | Provider::Rtx => (CUDA, TENSORRT),
    };
    let input = node.inputs.iter().flatten().next();
    rows.iter().chain(others).any(|row| {
        row.ops.contains(&node.op)
            && input.is_none_or(|input| row.inputs.contains(input))
            && row.outputs.contains(&node.output)
    })
}

/// Checks that `provider` has kernels for all operations of `graph`.
///
/// Fails with [`Kind::Unsupported`] if a kernel is missing, and with [`Kind::Bug`] if the graph has type errors.
pub fn check_kernels(graph: &Graph, provider: Provider) -> Result<()> {
    let nodes = graph.typed_nodes()?;
    let Some(lacking) = nodes.iter().find(|node| !has(provider, node)) else { return Ok(()) };
    let dtype = lacking.inputs.iter().flatten().next().copied().unwrap_or(lacking.output);
    let message =
        format!("{provider} does not support {} in {dtype}, needed by the {}", lacking.op, graph.name);
    Err(Error::new(Kind::Unsupported, message)
        .remedy("Use the precision auto or the provider cpu")
        .field("precision"))
}
