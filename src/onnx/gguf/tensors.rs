//! Tensor descriptions: element types by ggml's numbers, shapes and places.

use std::io::{self, Read};

use super::super::blocks::BlockType;
use super::super::spec::Dtype;
use super::reader::{HeaderReader, invalid};

/// Most bytes of a tensor's name; ggml allows 64, other writers a few more.
const MAX_NAME: u64 = 1024;
/// Most dimensions of a tensor; ggml allows 4, but convolutions of video models are written with 5.
const MAX_DIMENSIONS: u32 = 5;

/// Element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ElementType {
    /// Plain numbers.
    Numbers(Dtype),
    /// Quantised blocks.
    Blocks(BlockType),
    /// A type that is not used here, by its name.
    Unused(&'static str),
}

/// A tensor description with its shape in the order of `PyTorch`.
#[derive(Debug)]
pub(super) struct TensorEntry {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) element: ElementType,
    /// Offset from the start of the data.
    pub(super) offset: u64,
}

impl TensorEntry {
    pub(super) fn read(reader: &mut HeaderReader<impl Read>) -> io::Result<Self> {
        let name = reader.name(MAX_NAME)?;
        let num_dimensions = reader.u32()?;
        if num_dimensions > MAX_DIMENSIONS {
            return Err(invalid(format!("the tensor {name} has {num_dimensions} dimensions")));
        }
        let mut shape = Vec::with_capacity(MAX_DIMENSIONS as usize);
        for _ in 0..num_dimensions {
            let size = usize::try_from(reader.u64()?)
                .map_err(|error| invalid(format!("{}: {error}", too_large(&name))))?;
            shape.push(size);
        }
        // ggml's first dimension is the innermost
        shape.reverse();
        let number = reader.u32()?;
        let element = element_type(number)
            .ok_or_else(|| invalid(format!("the tensor {name} has the unknown type {number}")))?;
        Ok(Self { name, shape, element, offset: reader.u64()? })
    }

    /// Number of values; fails if it is larger than any file.
    pub(super) fn num_values(&self) -> io::Result<usize> {
        let product = self.shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
        product.ok_or_else(|| invalid(too_large(&self.name)))
    }

    /// Size in bytes; `None` for a type that is not used here.
    pub(super) fn size(&self) -> io::Result<Option<u64>> {
        let (block, bytes) = match self.element {
            ElementType::Numbers(dtype) => (1, dtype.size()),
            ElementType::Blocks(kind) => (kind.num_values(), kind.bytes()),
            ElementType::Unused(_) => return Ok(None),
        };
        let values = self.num_values()?;
        let row = self.shape.last().copied().unwrap_or(1);
        if row % block != 0 {
            return Err(invalid(format!(
                "the tensor {} has rows of {row} values, but its blocks have {block}",
                self.name
            )));
        }
        let size = (values / block).checked_mul(bytes).ok_or_else(|| invalid(too_large(&self.name)))?;
        Ok(Some(size as u64))
    }
}

fn too_large(name: &str) -> String {
    format!("the tensor {name} is larger than any file")
}

/// The element type with ggml's number (`ggml_type` in `ggml.h`).
fn element_type(number: u32) -> Option<ElementType> {
    use ElementType::{Blocks, Numbers, Unused};
    Some(match number {
        0 => Numbers(Dtype::F32),
        1 => Numbers(Dtype::F16),
        2 => Blocks(BlockType::Q40),
        3 => Blocks(BlockType::Q41),
        6 => Blocks(BlockType::Q50),
        7 => Blocks(BlockType::Q51),
        8 => Blocks(BlockType::Q80),
        9 => Unused("Q8_1"),
        10 => Blocks(BlockType::Q2K),
        11 => Blocks(BlockType::Q3K),
        12 => Blocks(BlockType::Q4K),
        13 => Blocks(BlockType::Q5K),
        14 => Blocks(BlockType::Q6K),
        15 => Unused("Q8_K"),
        16 => Unused("IQ2_XXS"),
        17 => Unused("IQ2_XS"),
        18 => Unused("IQ3_XXS"),
        19 => Unused("IQ1_S"),
        20 => Blocks(BlockType::Iq4Nl),
        21 => Unused("IQ3_S"),
        22 => Unused("IQ2_S"),
        23 => Blocks(BlockType::Iq4Xs),
        24 => Numbers(Dtype::I8),
        25 => Unused("I16"),
        26 => Numbers(Dtype::I32),
        27 => Numbers(Dtype::I64),
        28 => Unused("F64"),
        29 => Unused("IQ1_M"),
        30 => Numbers(Dtype::Bf16),
        34 => Unused("TQ1_0"),
        35 => Unused("TQ2_0"),
        39 => Unused("MXFP4"),
        40 => Unused("NVFP4"),
        _ => return None,
    })
}
