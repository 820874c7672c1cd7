//! One file of a converted model, written tensor by tensor and there only when it is whole.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use serde_json::json;

use super::super::header::header;
use super::matrix;
use super::plan::{ConversionTarget, How, Shard, Tensor};
use super::report::LayerError;
use crate::core::{Bytes, CancelToken, Error, Kind, Result};
use crate::onnx::{QUANTIZATION_KEY, TensorInfo, quantization_layout};

/// Bytes copied at a time.
const CHUNK: u64 = 1 << 22;

/// What the writing of a shard needs beside it.
pub(super) struct Writing<'a> {
    pub(super) target: ConversionTarget,
    pub(super) cancel: &'a CancelToken,
    /// Hears how many more bytes of the source are done.
    pub(super) done: &'a mut dyn FnMut(Bytes),
}

/// Writes `shard` below `dir` and returns the error of each layer that was changed.
pub(super) fn write(shard: &Shard<'_>, dir: &Path, writing: &mut Writing<'_>) -> Result<Vec<LayerError>> {
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

pub(super) fn failed(path: &Path, error: io::Error) -> Error {
    let remedy = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "Free some space, or choose another disk with -o; the same command goes on from here"
        }
        io::ErrorKind::FileTooLarge => {
            "The disk or a limit of this user allows no file of this size; choose another"
        }
        _ => "Choose a folder that can be written, with -o",
    };
    Error::new(Kind::Io, format!("Cannot write {}", path.display())).because(error).remedy(remedy)
}

fn fill(shard: &Shard<'_>, part: &Path, writing: &mut Writing<'_>) -> Result<Vec<LayerError>> {
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
        let relative_l2 = match tensor.how {
            How::Scales => continue,
            How::Copy => {
                copy(shard, tensor, writing, &mut |offset, bytes| put(&mut file, at + offset, bytes))?;
                continue;
            }
            How::Scaled => {
                let (target, name) = (writing.target, &tensor.name);
                let found = matrix::scaled(target, shard.source, name, writing.cancel, writing.done)?;
                put(&mut file, at, &found.values)?;
                let module = tensor.name.strip_suffix(".weight").unwrap_or(&tensor.name);
                let scales: Vec<u8> = found.scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
                put(&mut file, place(&format!("{module}.scale_weight")), &scales)?;
                found.relative_l2
            }
            How::Bf16 => {
                let size = shard.source.get(&tensor.name)?.dtype.size() as u64;
                let mut next = at;
                matrix::bf16(shard.source, &tensor.name, writing.cancel, &mut |bytes| {
                    put(&mut file, next, bytes)?;
                    next += bytes.len() as u64;
                    (writing.done)(Bytes(bytes.len() as u64 / 2 * size));
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
    writing: &mut Writing<'_>,
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

/// The safetensors header, and where each tensor begins after it. Wide types come first, so that every number lies
/// at a multiple of its size.
fn layout<'a>(shard: &'a Shard<'_>, target: ConversionTarget) -> (Vec<u8>, HashMap<&'a str, u64>) {
    let mut notes = json!({"format": "pt", "made_by": "wandeck models convert"});
    if let Some(integers) = target.integers()
        && shard.tensors.iter().any(|tensor| tensor.how == How::Scaled)
    {
        notes[QUANTIZATION_KEY] = json!(quantization_layout(integers));
    }
    let mut order: Vec<_> = shard.tensors.iter().collect();
    order.sort_by_key(|tensor| std::cmp::Reverse(tensor.dtype.size()));
    let entries = order.iter().map(|tensor| (tensor.name.as_str(), tensor.dtype, tensor.shape.as_slice()));
    let (bytes, places) = header(notes, entries);
    (bytes, order.iter().map(|tensor| tensor.name.as_str()).zip(places).collect())
}
