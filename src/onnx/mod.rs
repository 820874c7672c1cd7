//! ONNX models built in memory over weights that stay in their safetensors files.
//!
//! Types of the ONNX protobuf, a reader of safetensors headers, and a graph builder that refers to the weights as
//! external data (file, offset, length). It must not know ONNX Runtime or Wan.

mod adapter;
mod bands;
mod blocks;
mod branches;
mod builder;
mod chain;
mod compute_type;
mod content;
mod decode;
mod dense_rows;
mod dequantise;
mod encode;
mod export;
mod file_identity;
mod gguf;
mod header;
mod int4;
mod int8;
mod magnitude;
mod order;
mod proto;
mod quantised;
mod repack;
mod rotation;
mod row_chunks;
mod row_reader;
mod safetensors_header;
mod scale_check;
mod scaled_form;
mod signature;
mod size_ranges;
mod spec;
mod target;
mod type_inference;
mod weight_delta;
mod weights;

pub use adapter::Adapter;
pub use blocks::BlockType;
pub use builder::{Attr, Attrs, GraphBuilder, Var};
pub use chain::{GraphChain, StreamedBlock, WeightInput};
pub use compute_type::ComputeType;
pub use decode::{decode, f8e4m3, num_not_finite};
pub use dense_rows::DenseRows;
pub use encode::push_float;
pub use export::{ExportDocument, WeightPlacement, export};
pub use gguf::{GGUF_TOKENIZER, GgufVocabulary};
pub use magnitude::{magnitude_axis, magnitude_ratio};
pub use proto::{ModelProto, NodeProto};
pub use quantised::{INT4_BLOCK, QUANTIZATION_KEY, int8_row, quantization_layout, scale_of};
pub use repack::{Repack, RepackTarget, StageFile};
pub use rotation::ROTATION_GROUP;
pub use row_reader::{RowReader, matrix_shape};
pub use safetensors_header::safetensors_header;
pub use scaled_form::{ScaleOrder, ScaledForm};
pub use signature::{Signature, SignatureValue, dims_text, element_name};
pub use size_ranges::{SizeRange, SizeRanges};
pub use spec::{Dim, Dtype, FileRange, Graph, GraphSpec, ValueSpec};
pub use target::{GraphTarget, Operators};
pub use type_inference::TypedNode;
pub use weight_delta::{
    DeltaRows, FactorMatrix, FactorSource, LowRankPair, MagnitudeAxis, MagnitudeRatios, WeightDelta, values,
};
pub use weights::{StoredForm, TensorInfo, Weights};
