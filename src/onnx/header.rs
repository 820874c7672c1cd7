//! The header of a checkpoint file: its tensors with their places, and its metadata.

use std::collections::{BTreeMap, HashMap};
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use memchr::memmem;
use safetensors::tensor::Metadata;

use super::gguf;
use super::quantised::{QUANTIZATION_KEY, logical_shape, quantisation_from_layout};
use super::spec::Dtype;
use super::weights::{StoredForm, TensorInfo, UnusedTensor};
use crate::core::{Error, Kind, Result, open_regular};

/// Maximum size of a header in bytes; the safetensors format limits it to 100 MB.
const MAX_HEADER: u64 = 100_000_000;
/// Maximum number of tensors; the largest Wan file, quantised in blocks, has some thousands.
const MAX_TENSORS: usize = 1 << 16;
/// First bytes of a git-LFS pointer.
const LFS_POINTER: &[u8] = b"version https://git-lfs";

pub(super) fn corrupt(path: &Path, what: &str) -> Error {
    Error::new(Kind::CorruptModel, format!("{what}: {}", path.display())).remedy("Fetch the file again")
}

fn not_a_checkpoint(path: &Path) -> Error {
    corrupt(path, "The file is not a safetensors file, or its header is truncated")
        .remedy("Choose a .safetensors or .gguf file; if this is one, fetch it again")
}

fn unsupported(path: &Path, what: &str) -> Error {
    Error::new(Kind::Unsupported, format!("{} {what}", path.display()))
        .remedy("Choose the file of a Wan model")
}

/// Whether a file begins as a web page does.
fn is_web_page(start: [u8; 8]) -> bool {
    let text = String::from_utf8_lossy(&start).trim_start_matches('\u{feff}').trim_start().to_lowercase();
    ["<!doct", "<html", "<head", "<?xml"].iter().any(|page| text.starts_with(page))
}

/// Whether a file begins as a text in JSON does. The length of a header would be of some exabytes.
fn is_json(start: [u8; 8]) -> bool {
    start.starts_with(b"{\"")
        || start.starts_with(b"[{\"")
        || start.starts_with(b"{\n")
        || start.starts_with(b"{ ")
}

/// The header of a file.
pub(super) struct Header {
    pub(super) tensors: Vec<(String, TensorInfo)>,
    /// Tensors of types that are not used here.
    pub(super) unused: Vec<(String, UnusedTensor)>,
    /// `__metadata__`.
    pub(super) metadata: HashMap<String, String>,
}

pub(super) fn unreadable(path: &Path, error: std::io::Error) -> Error {
    let (kind, remedy) = match error.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::InvalidInput => (Kind::CorruptModel, "Fetch the file again"),
        ErrorKind::PermissionDenied => {
            (Kind::Io, "Give your user permission to read the file and its folders")
        }
        _ => (Kind::Io, "Check the disk, then fetch the file again"),
    };
    Error::new(kind, format!("Cannot read {}", path.display())).because(error).remedy(remedy)
}

/// Reads the header of the file `path`, which is file number `file` of its component: safetensors or GGUF.
pub(super) fn read_header(path: &Path, file: usize) -> Result<Header> {
    let unreadable = |error| unreadable(path, error);
    let mut reader = open_regular(path).map_err(unreadable)?;
    let size = reader.metadata().map_err(unreadable)?.len();
    let mut start = [0; 8];
    reader.read_exact(&mut start).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => not_a_checkpoint(path),
        _ => unreadable(error),
    })?;
    if start.starts_with(gguf::MAGIC) {
        return gguf::read_header(path, reader, file);
    }
    if is_web_page(start) {
        return Err(corrupt(path, "The file is a web page, not weights; probably the login or licence page of a model site")
            .remedy(
                "Log in to the site and accept the model's licence, then fetch the file itself, for instance with \
                 \"wandeck models fetch\" (a token goes into HF_TOKEN)",
            ));
    }
    if is_json(start) {
        return Err(corrupt(
            path,
            "The file is a text in JSON, not weights; probably a site's error message",
        )
        .remedy("Open it in a text editor to read what the site said, then fetch the file again"));
    }
    if LFS_POINTER.starts_with(&start) {
        return Err(corrupt(path, "The file is a git-LFS pointer, not the weights")
            .remedy("Run \"git lfs pull\" in its folder"));
    }
    let length = u64::from_le_bytes(start);
    if length.saturating_add(8) > size {
        return Err(not_a_checkpoint(path));
    }
    if length > MAX_HEADER {
        return Err(unsupported(path, &format!("has a header of {length} bytes; the limit is {MAX_HEADER}")));
    }
    let mut header = vec![0; length as usize];
    reader.read_exact(&mut header).map_err(unreadable)?;
    // before the header is parsed, which takes seconds for a million tensors
    if memmem::find_iter(&header, b"\"data_offsets\"").nth(MAX_TENSORS).is_some() {
        return Err(unsupported(
            path,
            &format!("lists more than {MAX_TENSORS} tensors, which no Wan model does"),
        ));
    }
    let metadata: Metadata = serde_json::from_slice(&header)
        .map_err(|error| corrupt(path, "The safetensors header is damaged").because(error))?;
    let expected = (metadata.data_len() as u64).saturating_add(8 + length);
    if expected != size {
        return Err(corrupt(
            path,
            &format!("The file is truncated or damaged: {size} bytes, {expected} expected"),
        ));
    }
    let notes = metadata.metadata().clone().unwrap_or_default();
    let quantisation = quantisation_from_layout(notes.get(QUANTIZATION_KEY));
    let (mut tensors, mut unused) = (Vec::new(), Vec::new());
    // sorted, so that an error is about the same tensor each time
    let all: BTreeMap<_, _> = metadata.tensors().into_iter().collect();
    for (name, info) in all {
        let (from, to) = info.data_offsets;
        let (offset, len) = (8 + length + from as u64, (to - from) as u64);
        let Some(dtype) = dtype_from_safetensors(info.dtype) else {
            unused.push((name, UnusedTensor { dtype: format!("{:?}", info.dtype), file, offset, len }));
            continue;
        };
        let shape = logical_shape(quantisation, dtype, &info.shape);
        tensors.push((
            name,
            TensorInfo { dtype, shape, form: StoredForm::Plain, file, offset, len, rotation: None },
        ));
    }
    Ok(Header { tensors, unused, metadata: notes })
}

fn dtype_from_safetensors(dtype: safetensors::Dtype) -> Option<Dtype> {
    Some(match dtype {
        safetensors::Dtype::F32 => Dtype::F32,
        safetensors::Dtype::F16 => Dtype::F16,
        safetensors::Dtype::BF16 => Dtype::Bf16,
        safetensors::Dtype::F8_E4M3 => Dtype::F8E4M3,
        safetensors::Dtype::F8_E5M2 => Dtype::F8E5M2,
        safetensors::Dtype::I8 => Dtype::I8,
        // exponents are read as bytes
        safetensors::Dtype::U8 | safetensors::Dtype::F8_E8M0 => Dtype::U8,
        safetensors::Dtype::I32 => Dtype::I32,
        safetensors::Dtype::I64 => Dtype::I64,
        _ => return None,
    })
}
