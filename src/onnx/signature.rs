//! What a finished ONNX file takes and gives, read from its header without loading it.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use prost::Message as _;

use super::proto::{DimensionValue, GraphProto, ModelProto, TensorProto, ValueInfoProto};
use super::spec::{Dim, Dtype};
use crate::core::{Bytes, Error, Kind, Result};

/// Inputs and outputs of an ONNX file, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Inputs that have to be given.
    pub inputs: Vec<Value>,
    /// Outputs.
    pub outputs: Vec<Value>,
    /// Files of its external data.
    pub data: Vec<PathBuf>,
    /// What its 16-bit weights take in the files.
    pub short: Bytes,
}

/// One input or output of an ONNX file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Name.
    pub name: String,
    /// `TensorProto.DataType`, 0 if it is no tensor.
    pub element: i32,
    /// Shape; empty if none is declared.
    pub dims: Vec<Dim>,
}

impl Value {
    /// Whether its elements are of this type.
    pub fn is(&self, dtype: Dtype) -> bool {
        self.element == dtype as i32
    }
}

impl fmt::Display for Value {
    /// For instance `float32 [1, 16, frames]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", element_word(self.element), dims_word(&self.dims))
    }
}

/// The name of an element type, by its number in `TensorProto.DataType`.
pub fn element_word(element: i32) -> &'static str {
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

/// A shape, for instance `[1, 16, frames]`.
pub fn dims_word(dims: &[Dim]) -> String {
    let dims: Vec<_> = dims.iter().map(ToString::to_string).collect();
    format!("[{}]", dims.join(", "))
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(size) => write!(f, "{size}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

impl Signature {
    /// Reads the header of `path` and checks that the files of its external data are long enough.
    ///
    /// Weights inside the file are read over, so files that hold their own weights take as long as their size.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| {
            Error::new(Kind::MissingModel, format!("Cannot read {}", path.display())).because(error)
        })?;
        let graph = ModelProto::decode(&*bytes)
            .ok()
            .and_then(|model| model.graph)
            .ok_or_else(|| Error::new(Kind::CorruptModel, format!("{} is no ONNX model", path.display())))?;
        let data = external_files(path, &graph)?;
        // old files list their weights among the inputs
        let weights: HashSet<_> = graph.initializer.iter().map(TensorProto::name).collect();
        let inputs = graph.input.iter().filter(|value| !weights.contains(value.name()));
        Ok(Self {
            inputs: inputs.map(value).collect(),
            outputs: graph.output.iter().map(value).collect(),
            data,
            short: Bytes(graph.initializer.iter().map(short_bytes).sum()),
        })
    }
}

/// Bytes of a tensor of 16-bit numbers; of any other none.
fn short_bytes(tensor: &TensorProto) -> u64 {
    let is_short = [Dtype::F16, Dtype::Bf16].iter().any(|dtype| tensor.data_type() == *dtype as i32);
    let count = tensor.dims.iter().map(|&size| u64::try_from(size).unwrap_or_default()).product::<u64>();
    if is_short { count.saturating_mul(2) } else { 0 }
}

fn value(proto: &ValueInfoProto) -> Value {
    let tensor = proto.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    let dims = tensor.and_then(|tensor| tensor.shape.as_ref()).map(|shape| &shape.dim);
    let dim = |value: &Option<DimensionValue>| match value {
        Some(DimensionValue::Value(size)) => Dim::Is(usize::try_from(*size).unwrap_or_default()),
        Some(DimensionValue::Param(name)) => Dim::Named(name.clone().into()),
        None => Dim::Named("?".into()),
    };
    Value {
        name: proto.name().to_owned(),
        element: tensor.map_or(0, |tensor| tensor.elem_type()),
        dims: dims.into_iter().flatten().map(|proto| dim(&proto.value)).collect(),
    }
}

/// The files with its weights: they must be there, and as long as it says.
fn external_files(path: &Path, graph: &GraphProto) -> Result<Vec<PathBuf>> {
    let mut ends: HashMap<&str, u64> = HashMap::new();
    for tensor in &graph.initializer {
        let entry = |key: &str| {
            tensor.external_data.iter().find(|entry| entry.key() == key).map(|entry| entry.value())
        };
        let number = |key| entry(key).and_then(|value| value.parse::<u64>().ok()).unwrap_or_default();
        if let Some(location) = entry("location") {
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
            Error::new(Kind::MissingModel, format!("The weights {} are missing", data.display()))
                .because(error)
        })?;
        if size < end {
            return Err(Error::new(
                Kind::CorruptModel,
                format!("The weights have {size} bytes of {end} in {}: they are cut off", data.display()),
            ));
        }
        found.push(data);
    }
    Ok(found)
}
