//! The header of a GGUF file: its tensors with their places, and its texts.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _};
use std::path::Path;

use super::super::header::{Header, corrupt, unreadable};
use super::super::spec::Dtype;
use super::super::weights::{StoredForm, TensorInfo, UnusedTensor};
use super::reader::{HeaderReader, Value, invalid};
use super::tensors::{ElementType, TensorEntry};
use crate::core::{Error, Kind, Result};

/// First bytes of a GGUF file.
pub(in super::super) const MAGIC: &[u8; 4] = b"GGUF";
/// Most tensors and most keys of a file; real ones have at most a few thousand.
const MAX_COUNT: u64 = 1 << 16;
/// Most bytes of a key, by the format's definition.
const MAX_KEY: u64 = (1 << 16) - 1;
/// Key of the alignment of tensors, and its value where the key is missing.
const ALIGNMENT_KEY: &str = "general.alignment";
const ALIGNMENT: u64 = 32;
const MAX_ALIGNMENT: u64 = 1 << 20;
/// Prefix of the keys that hold shapes of five dimensions.
const SHAPE_KEY: &str = "comfy.gguf.orig_shape.";

/// What stands before the tensors.
struct Parsed {
    metadata: HashMap<String, String>,
    /// Shapes by tensor name that replace those of the tensor descriptions.
    shapes: BTreeMap<String, Vec<usize>>,
    tensors: Vec<TensorEntry>,
    /// Where the tensors begin.
    data: u64,
}

/// Reads the header of the GGUF file `path`, which is file number `file` of its component.
pub(in super::super) fn read_header(path: &Path, mut source: File, file: usize) -> Result<Header> {
    let size = source.metadata().map_err(|error| unreadable(path, error))?.len();
    source.rewind().map_err(|error| unreadable(path, error))?;
    let mut reader = HeaderReader::new(BufReader::with_capacity(1 << 16, source));
    check_version(path, &mut reader)?;
    let damaged = |error: io::Error| match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            corrupt(path, "The GGUF header is damaged or truncated").because(error)
        }
        _ => unreadable(path, error),
    };
    let parsed = parse(&mut reader).map_err(damaged)?;
    let mut header = Header { tensors: Vec::new(), unused: Vec::new(), metadata: parsed.metadata };
    let mut end = parsed.data;
    for tensor in parsed.tensors {
        let len = tensor.size().map_err(damaged)?.unwrap_or_default();
        let TensorEntry { name, shape, element, offset } = tensor;
        let (dtype, form) = match element {
            ElementType::Numbers(dtype) => (dtype, StoredForm::Plain),
            ElementType::Blocks(kind) => (Dtype::U8, StoredForm::Blocks(kind)),
            ElementType::Unused(kind) => {
                let dtype = kind.to_owned();
                header.unused.push((name, UnusedTensor { dtype, file, offset: 0, len: 0 }));
                continue;
            }
        };
        let shape = match parsed.shapes.get(&name) {
            None => shape,
            Some(original) if same_size(original, &shape) => original.clone(),
            Some(original) => {
                return Err(corrupt(
                    path,
                    &format!(
                        "The tensor {name} has the shape {shape:?}, but its original shape {original:?}"
                    ),
                ));
            }
        };
        let offset = parsed.data.saturating_add(offset);
        end = end.max(offset.saturating_add(len));
        header.tensors.push((name, TensorInfo { dtype, shape, file, offset, len, form, rotation: None }));
    }
    if end > size {
        return Err(corrupt(
            path,
            &format!("The file is truncated or damaged: {size} bytes, at least {end} expected"),
        ));
    }
    Ok(header)
}

fn check_version(path: &Path, reader: &mut HeaderReader<impl Read>) -> Result<()> {
    let failed = |error| unreadable(path, error);
    // the magic was read before
    reader.u32().map_err(failed)?;
    let version = reader.u32().map_err(failed)?;
    let what = match version {
        2 | 3 => return Ok(()),
        _ if matches!(version.swap_bytes(), 2 | 3) => "a big-endian GGUF file".to_owned(),
        _ => format!("a GGUF file of version {version}"),
    };
    Err(Error::new(Kind::Unsupported, format!("{} is {what}, which is not supported", path.display()))
        .remedy("Download the model as a GGUF file of version 3, or as .safetensors"))
}

fn parse(reader: &mut HeaderReader<impl Read>) -> io::Result<Parsed> {
    let (num_tensors, num_keys) = (reader.u64()?, reader.u64()?);
    if num_tensors > MAX_COUNT || num_keys > MAX_COUNT {
        return Err(invalid(format!("it claims to have {num_tensors} tensors and {num_keys} keys")));
    }
    let (mut metadata, mut shapes, mut alignment) = (HashMap::new(), BTreeMap::new(), ALIGNMENT);
    for _ in 0..num_keys {
        let key = reader.name(MAX_KEY)?;
        match reader.value()? {
            Value::Text(text) => {
                metadata.insert(key, text);
            }
            Value::Integer(number) if key == ALIGNMENT_KEY => {
                alignment = u64::try_from(number)
                    .ok()
                    .filter(|alignment| alignment.is_power_of_two() && *alignment <= MAX_ALIGNMENT)
                    .ok_or_else(|| invalid(format!("its alignment is {number}")))?;
            }
            Value::Integers(sizes) => {
                if let Some(name) = key.strip_prefix(SHAPE_KEY) {
                    let shape: Option<Vec<usize>> =
                        sizes.iter().map(|&size| usize::try_from(size).ok()).collect();
                    let shape = shape.ok_or_else(|| invalid(format!("the shape of {name} is {sizes:?}")))?;
                    shapes.insert(name.to_owned(), shape);
                }
            }
            Value::Integer(_) | Value::Skipped => {}
        }
    }
    let mut tensors = Vec::new();
    for _ in 0..num_tensors {
        let tensor = TensorEntry::read(reader)?;
        if tensor.offset % alignment != 0 {
            return Err(invalid(format!("the tensor {} is not aligned", tensor.name)));
        }
        tensors.push(tensor);
    }
    let data = reader.position().next_multiple_of(alignment);
    Ok(Parsed { metadata, shapes, tensors, data })
}

fn same_size(a: &[usize], b: &[usize]) -> bool {
    let product =
        |shape: &[usize]| shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    product(a).is_some() && product(a) == product(b)
}
