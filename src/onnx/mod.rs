//! ONNX models written in memory over weights that stay in their safetensors files.
//!
//! Types of the ONNX protobuf, a reader of safetensors headers, and a graph builder that joins the two by
//! external data (file, offset, length). It must not know ONNX Runtime or Wan.

mod adapter;
mod builder;
mod by_rows;
mod compute_type;
mod export;
mod int4;
mod int8;
mod proto;
mod quantised;
mod signature;
mod spec;
mod stamp;
mod types;
mod weights;

pub use adapter::{Adapter, WeightDelta};
pub use builder::{Attr, Attrs, GraphBuilder, Var};
pub use compute_type::ComputeType;
pub use export::{Placed, export};
pub use proto::{ModelProto, NodeProto};
pub use quantised::{INT4_BLOCK, QUANTIZATION_KEY, quantization};
pub use signature::{Signature, Value, dims_word, element_word};
pub use spec::{Dim, Dtype, Graph, GraphSpec, ValueSpec};
pub use types::TypedNode;
pub use weights::{TensorInfo, Weights};
