//! Writes one weight file of a converted model tensor by tensor; it gets its name when it is complete.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use serde_json::json;

use super::matrix;
use super::plan::{Conversion, ConversionTarget, Shard, Tensor};
use super::report::LayerError;
use crate::core::{Bytes, CancelToken, Error, Kind, Result};
use crate::onnx::{QUANTIZATION_KEY, TensorInfo, quantization_layout, safetensors_header, scale_of};

/// Bytes copied at a time.
const CHUNK: u64 = 1 << 22;

/// Target, cancellation and progress of a conversion.
pub(super) struct ShardContext<'a> {
    pub(super) target: ConversionTarget,
    pub(super) cancel: &'a CancelToken,
    /// Called with the size of the source tensors converted since the last call.
    pub(super) done: &'a mut dyn FnMut(Bytes),
}

/// Writes `shard` below `dir` and returns the error of each converted layer.
pub(super) fn write(
    shard: &Shard<'_>,
    dir: &Path,
    writing: &mut ShardContext<'_>,
) -> Result<Vec<LayerError>> {
    let path = dir.join(&shard.path);
    let part = path.with_extension("part");
    let done = fill(shard, &part, writing);
    if done.is_err() {
        drop(fs::remove_file(&part));
        return done;
    }
    fs::rename(&part, &path).map_err(|error| failed(&path, error))?;
    done
}

/// The error of a failed write, with a fix for its cause.
pub(super) fn failed(path: &Path, error: io::Error) -> Error {
    let remedy = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "Free disk space and run the same command again to continue, or choose another disk with -o"
        }
        io::ErrorKind::FileTooLarge => {
            "The file system or a limit of this user (ulimit -f) does not allow a file of this size; choose another disk with -o"
        }
        _ => "Choose a writable folder with -o",
    };
    Error::new(Kind::Io, format!("Cannot write {}", path.display())).because(error).remedy(remedy)
}

fn fill(shard: &Shard<'_>, part: &Path, writing: &mut ShardContext<'_>) -> Result<Vec<LayerError>> {
    if let Some(folder) = part.parent() {
        fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    }
    let mut file = File::create(part).map_err(|error| failed(part, error))?;
    let (header, places) = layout(shard, writing.target);
    let put = |file: &mut File, at: u64, bytes: &[u8]| {
        file.seek(SeekFrom::Start(at))
            .and_then(|_| file.write_all(bytes))
            .map_err(|error| failed(part, error))
    };
    put(&mut file, 0, &(header.len() as u64).to_le_bytes())?;
    put(&mut file, 8, &header)?;
    let start = 8 + header.len() as u64;
    let place = |name: &str| places.get(name).map_or(start, |offset| start + offset);
    let mut errors = Vec::new();
    for tensor in &shard.tensors {
        writing.cancel.check()?;
        let at = place(&tensor.name);
        let relative_l2 = match tensor.conversion {
            Conversion::Scales => continue,
            Conversion::Copy => {
                copy(shard, tensor, writing, &mut |offset, bytes| put(&mut file, at + offset, bytes))?;
                continue;
            }
            Conversion::Quantise => {
                let (target, name) = (writing.target, &tensor.name);
                let found = matrix::quantise(target, shard.source, name, writing.cancel, writing.done)?;
                put(&mut file, at, &found.values)?;
                let scales: Vec<u8> = found.scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
                put(&mut file, place(&scale_of(&tensor.name)), &scales)?;
                found.relative_l2
            }
            Conversion::Cast => {
                let info = shard.source.get(&tensor.name)?;
                let (stored, values) = (info.len, info.shape.iter().product::<usize>().max(1) as u64);
                let mut next = at;
                matrix::cast(shard.source, tensor, writing.cancel, &mut |bytes| {
                    put(&mut file, next, bytes)?;
                    next += bytes.len() as u64;
                    let written = (bytes.len() / tensor.dtype.size()) as u64;
                    (writing.done)(Bytes(written.saturating_mul(stored) / values));
                    Ok(())
                })?
            }
        };
        let (component, name) = (shard.component.to_owned(), tensor.name.clone());
        errors.push(LayerError { component, name, relative_l2 });
    }
    file.sync_all().map_err(|error| failed(part, error))?;
    Ok(errors)
}

fn copy(
    shard: &Shard<'_>,
    tensor: &Tensor,
    writing: &mut ShardContext<'_>,
    put: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
) -> Result<()> {
    let info = shard.source.get(&tensor.name)?;
    for offset in (0..info.len).step_by(CHUNK as usize) {
        writing.cancel.check()?;
        let len = CHUNK.min(info.len - offset);
        let part = TensorInfo { offset: info.offset + offset, len, ..info.clone() };
        put(offset, &shard.source.bytes(&part)?)?;
        (writing.done)(Bytes(len));
    }
    Ok(())
}

/// The safetensors header, and the offset of each tensor after it. Tensors are sorted by element size, largest first, so
/// that all of them are aligned.
fn layout<'a>(shard: &'a Shard<'_>, target: ConversionTarget) -> (Vec<u8>, HashMap<&'a str, u64>) {
    let mut notes = json!({"format": "pt", "made_by": "wandeck models convert"});
    if let Some(integers) = target.quantisation()
        && shard.tensors.iter().any(|tensor| tensor.conversion == Conversion::Quantise)
    {
        notes[QUANTIZATION_KEY] = json!(quantization_layout(integers));
    }
    let mut order: Vec<_> = shard.tensors.iter().collect();
    order.sort_by_key(|tensor| std::cmp::Reverse(tensor.dtype.size()));
    let entries = order.iter().map(|tensor| (tensor.name.as_str(), tensor.dtype, tensor.shape.as_slice()));
    let (bytes, places) = safetensors_header(notes, entries);
    (bytes, order.iter().map(|tensor| tensor.name.as_str()).zip(places).collect())
}
