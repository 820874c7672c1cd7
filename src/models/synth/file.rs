//! One file of made-up tensors, written as a stream.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use serde_json::json;

use super::super::header::header;
use super::encode::push;
use super::numbers::{MAX_NORMAL, Numbers, moments};
use crate::core::{Bytes, CancelToken, Error, Kind, Result};
use crate::onnx::Dtype;

/// Numbers made at a time.
const CHUNK: usize = 1 << 16;
/// Largest number of `float8_e4m3fn`.
const F8_MAX: f32 = 448.0;

/// Tensors of more bytes than this are left out of a hollow file.
const HOLLOW: u64 = 1 << 20;

/// How the numbers come about.
#[derive(Clone, Copy, Debug)]
pub struct Filling {
    /// The same seed gives the same numbers, in every layout.
    pub seed: u64,
    /// Leave tensors of more than a mebibyte as holes in the file: they read as zero and take no room.
    pub hollow: bool,
}

/// What a tensor holds.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Random numbers for the tensor of this component and diffusers' name.
    Random { component: &'static str, name: String },
    /// The same, divided by [`scale`].
    Scaled { component: &'static str, name: String },
    /// These bytes.
    Bytes(Vec<u8>),
}

/// A tensor to be written.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    /// Name in the file.
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) dtype: Dtype,
    pub(super) content: Content,
}

impl Tensor {
    pub(super) fn size(&self) -> u64 {
        (self.shape.iter().product::<usize>() * self.dtype.size()) as u64
    }
}

/// The factor that brings the numbers of a tensor into the range of fp8.
pub(super) fn scale(name: &str, shape: &[usize]) -> f32 {
    let (mean, deviation) = moments(name, shape);
    (mean.abs() + MAX_NORMAL * deviation) / F8_MAX
}

/// Writes `tensors` as a safetensors file; it appears at `path` when it is whole.
pub(super) fn write(
    path: &Path,
    tensors: &[Tensor],
    filling: Filling,
    cancel: &CancelToken,
    written: &mut dyn FnMut(Bytes),
) -> Result<()> {
    let part = path.with_extension("part");
    let failed = |error: io::Error| {
        Error::new(Kind::Io, format!("Cannot write {}", path.display()))
            .because(error)
            .remedy("Choose a folder that can be written and has room")
    };
    let mut put = || -> Result<()> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(&part).map_err(failed)?);
        let notes = json!({"format": "pt", "made_by": "wandeck models synth"});
        let entries =
            tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.dtype, tensor.shape.as_slice()));
        let (header, _) = header(notes, entries);
        file.write_all(&(header.len() as u64).to_le_bytes()).map_err(failed)?;
        file.write_all(&header).map_err(failed)?;
        for tensor in tensors {
            if filling.hollow && tensor.size() > HOLLOW {
                file.seek(SeekFrom::Current(tensor.size() as i64)).map_err(failed)?;
            } else {
                tensor.write(&mut file, filling.seed, cancel, written)?.map_err(failed)?;
            }
        }
        let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        let size = tensors.iter().map(Tensor::size).sum::<u64>() + 8 + header.len() as u64;
        file.set_len(size).and_then(|()| file.sync_all()).map_err(failed)?;
        fs::rename(&part, path).map_err(failed)
    };
    let done = put();
    if done.is_err() {
        drop(fs::remove_file(&part));
    }
    done
}

impl Tensor {
    fn write(
        &self,
        file: &mut impl io::Write,
        seed: u64,
        cancel: &CancelToken,
        written: &mut dyn FnMut(Bytes),
    ) -> Result<io::Result<()>> {
        let (component, name, factor) = match &self.content {
            Content::Bytes(bytes) => return Ok(file.write_all(bytes)),
            Content::Random { component, name } => (component, name, 1.0),
            Content::Scaled { component, name } => (component, name, scale(name, &self.shape).recip()),
        };
        let (mean, deviation) = moments(name, &self.shape);
        let mut numbers = Numbers::new(seed, &format!("{component}/{name}"));
        let mut left: usize = self.shape.iter().product();
        let mut bytes = Vec::with_capacity(CHUNK * self.dtype.size());
        while left > 0 {
            cancel.check()?;
            bytes.clear();
            for _ in 0..left.min(CHUNK) {
                let value = mean + deviation * numbers.normal();
                push(&mut bytes, value * factor, self.dtype);
            }
            if let Err(error) = file.write_all(&bytes) {
                return Ok(Err(error));
            }
            written(Bytes(bytes.len() as u64));
            left -= left.min(CHUNK);
        }
        Ok(Ok(()))
    }
}
