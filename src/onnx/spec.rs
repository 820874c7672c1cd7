//! Inputs and outputs of a graph: names, element types and shapes, checked when a session is made.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use prost::Message as _;

use super::file_identity::identities;
use super::proto::{
    DimensionProto, DimensionValue, ModelProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto,
    ValueInfoProto,
};
use crate::core::Bytes;

/// Element type, numbered as in `TensorProto.DataType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the types")]
pub enum Dtype {
    F32 = 1,
    U8 = 2,
    I8 = 3,
    I32 = 6,
    I64 = 7,
    Bool = 9,
    F16 = 10,
    Bf16 = 16,
    F8E4M3 = 17,
    F8E5M2 = 19,
}

impl Dtype {
    /// The type with this number in `TensorProto.DataType`; `None` if it is not supported here.
    pub(super) fn from_number(number: i64) -> Option<Self> {
        use Dtype::{Bf16, Bool, F8E4M3, F8E5M2, F16, F32, I8, I32, I64, U8};
        [F32, U8, I8, I32, I64, Bool, F16, Bf16, F8E4M3, F8E5M2]
            .into_iter()
            .find(|dtype| *dtype as i64 == number)
    }

    /// Size of an element in bytes.
    pub fn size(self) -> usize {
        match self {
            Self::F32 | Self::I32 => 4,
            Self::Bool | Self::U8 | Self::I8 | Self::F8E4M3 | Self::F8E5M2 => 1,
            Self::I64 => 8,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Whether it is a floating-point type of 8 bits.
    pub fn is_f8(self) -> bool {
        matches!(self, Self::F8E4M3 | Self::F8E5M2)
    }

    /// Whether it is a floating-point type of less than 32 bits, which the CPU provider does not compute in.
    pub fn is_narrow_float(self) -> bool {
        matches!(self, Self::F16 | Self::Bf16 | Self::F8E4M3 | Self::F8E5M2)
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "fp32",
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::I32 => "int32",
            Self::I64 => "int64",
            Self::Bool => "bool",
            Self::F16 => "fp16",
            Self::Bf16 => "bf16",
            Self::F8E4M3 => "fp8 e4m3",
            Self::F8E5M2 => "fp8 e5m2",
        })
    }
}

/// One dimension of an input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// A fixed size.
    Fixed(usize),
    /// Any size; dimensions of one name have the same size.
    Named(Cow<'static, str>),
}

impl From<usize> for Dim {
    fn from(size: usize) -> Self {
        Self::Fixed(size)
    }
}

impl From<&'static str> for Dim {
    fn from(name: &'static str) -> Self {
        Self::Named(Cow::Borrowed(name))
    }
}

/// Name, element type and shape of one input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueSpec {
    /// Name in the graph.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Shape.
    pub dims: Vec<Dim>,
}

impl ValueSpec {
    /// A value with this name, element type and shape.
    pub fn new(name: impl Into<String>, dtype: Dtype, dims: impl IntoIterator<Item = Dim>) -> Self {
        Self { name: name.into(), dtype, dims: dims.into_iter().collect() }
    }

    pub(super) fn proto(&self) -> ValueInfoProto {
        let dim = |dim: &Dim| DimensionProto {
            value: Some(match dim {
                Dim::Fixed(size) => DimensionValue::Value(*size as i64),
                Dim::Named(name) => DimensionValue::Param(name.clone().into_owned()),
            }),
        };
        let shape = TensorShapeProto { dim: self.dims.iter().map(dim).collect() };
        let tensor = TensorTypeProto { elem_type: Some(self.dtype as i32), shape: Some(shape) };
        ValueInfoProto {
            name: Some(self.name.clone()),
            r#type: Some(TypeProto { tensor_type: Some(tensor) }),
        }
    }
}

/// Inputs and outputs of a graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GraphSpec {
    /// Inputs, in order.
    pub inputs: Vec<ValueSpec>,
    /// Outputs, in order.
    pub outputs: Vec<ValueSpec>,
}

/// Bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRange {
    /// The file.
    pub path: PathBuf,
    /// From the first byte to behind the last.
    pub bytes: Range<u64>,
}

/// A finished graph: the model, its inputs and outputs, and the folder of its weights.
#[derive(Clone, Debug)]
pub struct Graph {
    /// Short name for messages and exports, for instance "transformer".
    pub name: &'static str,
    /// The model; weights are external data relative to `weights_root`.
    pub model: ModelProto,
    /// Inputs and outputs.
    pub spec: GraphSpec,
    /// The folder that locations of external data are relative to.
    pub weights_root: PathBuf,
}

impl Graph {
    /// Size of the weights in their files.
    pub fn weight_bytes(&self) -> Bytes {
        let length = |tensor: &TensorProto| tensor.external("length")?.parse::<u64>().ok();
        Bytes(self.initializers().filter_map(length).sum())
    }

    /// Size of the weights in memory on the CPU, where narrow floating-point types are converted to fp32.
    pub fn computed_bytes(&self) -> Bytes {
        let size = |tensor: &TensorProto| {
            let elements = tensor.dims.iter().map(|&dim| dim.unsigned_abs()).product::<u64>();
            let dtype = Dtype::from_number(tensor.data_type?.into())?;
            let size = if dtype.is_narrow_float() { Dtype::F32.size() } else { dtype.size() };
            Some(elements * size as u64)
        };
        let external = |tensor: &&TensorProto| !tensor.external_data.is_empty();
        Bytes(self.initializers().filter(external).filter_map(size).sum())
    }

    /// The files that hold its weights, with their identity now, to detect a replaced file.
    pub fn weights_identity(&self) -> String {
        let locations = self.initializers().filter_map(|tensor| tensor.external("location"));
        identities(locations.map(|file| self.weights_root.join(file)))
    }

    /// Where its weights are, in the order of files and offsets; neighbours are joined. Without
    /// the tensors whose name `is_left_out`.
    pub fn weight_ranges(&self, is_left_out: impl Fn(&str) -> bool) -> Vec<FileRange> {
        let range = |tensor: &TensorProto| {
            if tensor.name.as_deref().is_some_and(&is_left_out) {
                return None;
            }
            let path = self.weights_root.join(tensor.external("location")?);
            let number = |key| tensor.external(key)?.parse::<u64>().ok();
            let (start, length) = (number("offset")?, number("length")?);
            Some(FileRange { path, bytes: start..start + length })
        };
        let mut found: Vec<_> = self.initializers().filter_map(range).collect();
        found.sort_by(|a, b| (&a.path, a.bytes.start).cmp(&(&b.path, b.bytes.start)));
        let mut joined: Vec<FileRange> = Vec::new();
        for next in found {
            match joined
                .last_mut()
                .filter(|last| last.path == next.path && next.bytes.start <= last.bytes.end)
            {
                Some(last) => last.bytes.end = last.bytes.end.max(next.bytes.end),
                None => joined.push(next),
            }
        }
        joined
    }

    /// The constants and weights of the graph and of the bodies of its loops.
    pub(super) fn initializers(&self) -> impl Iterator<Item = &TensorProto> {
        let graph = self.model.graph.iter();
        let bodies = graph.clone().flat_map(|graph| &graph.node).flat_map(|node| &node.attribute);
        graph.chain(bodies.filter_map(|attribute| attribute.g.as_ref())).flat_map(|graph| &graph.initializer)
    }

    /// The model as protobuf bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.model.encode_to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{GraphBuilder, Weights};

    #[test]
    fn narrow_floats_are_counted_as_fp32() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.safetensors");
        let bytes = [0; 24];
        let types = [
            ("wide", safetensors::Dtype::F32, 4, 16),
            ("half", safetensors::Dtype::BF16, 2, 16),
            ("eighth", safetensors::Dtype::F8_E4M3, 1, 16),
            ("whole", safetensors::Dtype::I8, 1, 4),
        ];
        for (name, dtype, size, computed) in types {
            let view = safetensors::tensor::TensorView::new(dtype, vec![4], &bytes[..4 * size]).unwrap();
            std::fs::write(&path, safetensors::serialize([(name, view)], None).unwrap()).unwrap();
            let weights = Weights::from_files(std::slice::from_ref(&path)).unwrap();
            let mut builder = GraphBuilder::new("test", &weights);
            builder.raw_weight(name, &[4]).unwrap();
            let graph = builder.finish();
            let found = (graph.weight_bytes().0, graph.computed_bytes().0);
            assert_eq!(found, (4 * size as u64, computed), "{name}");
        }
    }

    #[test]
    fn tensors_that_follow_each_other_are_one_range_of_their_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.safetensors");
        let bytes = [0; 16];
        let views = ["a", "b", "c"].map(|name| {
            let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![4], &bytes);
            (name, view.unwrap())
        });
        std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
        let weights = Weights::from_files(std::slice::from_ref(&path)).unwrap();
        let lengths = |names: &[&str]| -> Vec<u64> {
            let mut builder = GraphBuilder::new("test", &weights);
            for name in names {
                builder.raw_weight(name, &[4]).unwrap();
            }
            let ranges = builder.finish().weight_ranges(|name| name == "left out");
            assert!(ranges.iter().all(|range| range.path.ends_with("m.safetensors")));
            ranges.iter().map(|range| range.bytes.end - range.bytes.start).collect()
        };
        assert_eq!(lengths(&["c", "a", "b"]), [48]);
        assert_eq!(lengths(&["c", "a"]), [16, 16]);
    }
}
