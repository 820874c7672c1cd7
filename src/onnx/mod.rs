//! ONNX models written in memory over weights that stay in their safetensors files.
//!
//! Types of the ONNX protobuf, a reader of safetensors headers, and a graph builder that joins the two by
//! external data (file, offset, length). It must not know ONNX Runtime or Wan.

mod adapter;
mod builder;
mod by_rows;
mod compute;
mod export;
mod int4;
mod int8;
mod integers;
mod proto;
mod signature;
mod spec;
mod stamp;
mod types;
mod weights;

pub use adapter::{Adapter, Change};
pub use builder::{Attr, Attrs, GraphBuilder, Var};
pub use compute::Compute;
pub use export::{Placed, export};
pub use integers::{INT4_BLOCK, QUANTIZATION_KEY, quantization};
pub use proto::{ModelProto, NodeProto};
pub use signature::{Signature, Value, dims_word, element_word};
pub use spec::{Dim, Dtype, Graph, GraphSpec, ValueSpec};
pub use types::TypedNode;
pub use weights::{TensorInfo, Weights};
