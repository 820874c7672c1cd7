//! The floating-point type that a graph computes in.

use std::fmt;

use super::spec::Dtype;

/// Type of a graph's large matrix products. Operations that need more range or precision stay fp32 in every graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ComputeType {
    /// 32-bit floating point.
    #[default]
    Fp32,
    /// bfloat16: the range of fp32 with an 8-bit significand.
    Bf16,
    /// 16-bit floating point: an 11-bit significand, up to 65504.
    Fp16,
}

impl ComputeType {
    /// The element type.
    pub fn dtype(self) -> Dtype {
        match self {
            Self::Fp32 => Dtype::F32,
            Self::Bf16 => Dtype::Bf16,
            Self::Fp16 => Dtype::F16,
        }
    }

    /// Size of an element in bytes.
    pub fn bytes(self) -> usize {
        self.dtype().size()
    }

    /// The name used by the command line and in records.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
            Self::Fp16 => "fp16",
        }
    }
}

impl fmt::Display for ComputeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
