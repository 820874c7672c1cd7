//! Inputs and outputs of an existing ONNX file, read without loading it into ONNX Runtime.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use prost::Message as _;

use super::proto::{DimensionValue, GraphProto, ModelProto, TensorProto, ValueInfoProto};
use super::spec::{Dim, Dtype};
use crate::core::{Bytes, Error, Kind, Result, read_bounded};

/// Inputs, outputs and weight files of an ONNX file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Required inputs, in the order of the file.
    pub inputs: Vec<SignatureValue>,
    /// Outputs, in the order of the file.
    pub outputs: Vec<SignatureValue>,
    /// Files of its external data.
    pub data: Vec<PathBuf>,
    /// Size of its fp16 and bf16 weights.
    pub half_bytes: Bytes,
}

/// One input or output of an ONNX file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureValue {
    /// Name.
    pub name: String,
    /// Element type as in `TensorProto.DataType`; 0 if the value is not a tensor.
    pub element: i32,
    /// Shape; empty if none is declared.
    pub dims: Vec<Dim>,
}

impl SignatureValue {
    /// Whether its element type is `dtype`.
    pub fn is(&self, dtype: Dtype) -> bool {
        self.element == dtype as i32
    }
}

impl fmt::Display for SignatureValue {
    /// Type and shape, for instance `float32 [1, 16, frames]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", element_name(self.element), dims_text(&self.dims))
    }
}

/// The name of an element type, by its number in `TensorProto.DataType`.
pub fn element_name(element: i32) -> &'static str {
    match element {
        1 => "float32",
        6 => "int32",
        7 => "int64",
        9 => "bool",
        10 => "float16",
        11 => "float64",
        16 => "bfloat16",
        _ => "another type",
    }
}

/// A shape as text, for instance `[1, 16, frames]`.
pub fn dims_text(dims: &[Dim]) -> String {
    let dims: Vec<_> = dims.iter().map(ToString::to_string).collect();
    format!("[{}]", dims.join(", "))
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => write!(f, "{size}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// Largest ONNX file that is read: Protobuf allows 2 GiB, larger models have external data.
const MAX_FILE: Bytes = Bytes(2 << 30);

impl Signature {
    /// Reads the ONNX file at `path` and checks that the files of its external data are complete.
    ///
    /// The whole file is read, including weights inside it. Fails with [`Kind::MissingModel`] if a file cannot be found,
    /// with [`Kind::CorruptModel`] if the file is not an ONNX model or its data is truncated.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = read_bounded(path, MAX_FILE).map_err(|error| {
            Error::new(Kind::MissingModel, format!("Cannot read {}", path.display())).because(error)
        })?;
        let graph = ModelProto::decode(&*bytes).ok().and_then(|model| model.graph).ok_or_else(|| {
            Error::new(Kind::CorruptModel, format!("The file is not an ONNX model: {}", path.display()))
        })?;
        let data = external_files(path, &graph)?;
        // old files list their weights among the inputs
        let weights: HashSet<_> = graph.initializer.iter().map(TensorProto::name).collect();
        let inputs = graph.input.iter().filter(|value| !weights.contains(value.name()));
        Ok(Self {
            inputs: inputs.map(value).collect(),
            outputs: graph.output.iter().map(value).collect(),
            data,
            half_bytes: Bytes(graph.initializer.iter().map(half_bytes).sum()),
        })
    }
}

/// Size of an fp16 or bf16 tensor; 0 for any other.
fn half_bytes(tensor: &TensorProto) -> u64 {
    let is_half = [Dtype::F16, Dtype::Bf16].iter().any(|dtype| tensor.data_type() == *dtype as i32);
    let count =
        tensor.dims.iter().map(|&size| u64::try_from(size).unwrap_or_default()).fold(1, u64::saturating_mul);
    if is_half { count.saturating_mul(2) } else { 0 }
}

fn value(proto: &ValueInfoProto) -> SignatureValue {
    let tensor = proto.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    let dims = tensor.and_then(|tensor| tensor.shape.as_ref()).map(|shape| &shape.dim);
    let dim = |value: &Option<DimensionValue>| match value {
        Some(DimensionValue::Value(size)) => Dim::Fixed(usize::try_from(*size).unwrap_or_default()),
        Some(DimensionValue::Param(name)) => Dim::Named(name.clone().into()),
        None => Dim::Named("?".into()),
    };
    SignatureValue {
        name: proto.name().to_owned(),
        element: tensor.map_or(0, |tensor| tensor.elem_type()),
        dims: dims.into_iter().flatten().map(|proto| dim(&proto.value)).collect(),
    }
}

/// The files of the external data of `graph`; fails if one is missing or shorter than the graph needs.
fn external_files(path: &Path, graph: &GraphProto) -> Result<Vec<PathBuf>> {
    let mut ends: HashMap<&str, u64> = HashMap::new();
    for tensor in &graph.initializer {
        let number =
            |key| tensor.external(key).and_then(|value| value.parse::<u64>().ok()).unwrap_or_default();
        if let Some(location) = tensor.external("location") {
            let end = ends.entry(location).or_default();
            *end = (*end).max(number("offset").saturating_add(number("length")));
        }
    }
    let mut found = Vec::new();
    let mut ends: Vec<_> = ends.into_iter().collect();
    ends.sort_unstable();
    for (location, end) in ends {
        let data = path.parent().unwrap_or_else(|| Path::new(".")).join(location);
        let size = std::fs::metadata(&data).map(|about| about.len()).map_err(|error| {
            Error::new(Kind::MissingModel, format!("The weights are missing: {}", data.display()))
                .because(error)
        })?;
        if size < end {
            return Err(Error::new(
                Kind::CorruptModel,
                format!("The weights are truncated: {size} of {end} bytes in {}", data.display()),
            ));
        }
        found.push(data);
    }
    Ok(found)
}
