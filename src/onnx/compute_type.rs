//! The floating-point type that a graph computes in.

use std::fmt;

use super::spec::Dtype;

/// The type of a graph's large products. What needs more range or precision stays fp32 in every graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ComputeType {
    /// 32-bit.
    #[default]
    Fp32,
    /// bfloat16: the range of fp32 with 8 bits of precision.
    Bf16,
    /// 16-bit: 11 bits of precision, up to 65504.
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

    /// Bytes of a value.
    pub fn bytes(self) -> usize {
        self.dtype().size()
    }

    /// The word that the command line and records use.
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
