//! Writes one safetensors file of random tensors as a stream.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use serde_json::json;

use super::random::{MAX_NORMAL, RandomStream, moments};
use crate::core::{Bytes, CancelToken, Error, Kind, Result};
use crate::onnx::{Dtype, push_float, safetensors_header};

/// Values generated at once.
const CHUNK: usize = 1 << 16;
/// Largest value of `float8_e4m3fn`.
const F8_MAX: f32 = 448.0;

/// Tensors above this size in bytes are not written to a sparse file.
const SPARSE_MIN: u64 = 1 << 20;

/// How the weights are generated.
#[derive(Clone, Copy, Debug)]
pub struct SynthWeights {
    /// The same seed gives the same weights in every layout.
    pub seed: u64,
    /// Whether tensors above 1 MiB are holes in a sparse file: they are read as zeros and need no disk space.
    pub sparse: bool,
}

/// Content of a tensor.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Random values that depend on the component and on diffusers' name of the tensor.
    Random { component: &'static str, name: String },
    /// Random values divided by [`scale`], for fp8.
    Scaled { component: &'static str, name: String },
    /// Given bytes.
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

/// The fp8 scale of a tensor: its values divided by this fit into float8 E4M3.
pub(super) fn scale(name: &str, shape: &[usize]) -> f32 {
    let (mean, deviation) = moments(name, shape);
    (mean.abs() + MAX_NORMAL * deviation) / F8_MAX
}

/// Writes `tensors` as a safetensors file, which gets the name `path` when it is complete.
pub(super) fn write(
    path: &Path,
    tensors: &[Tensor],
    weights: SynthWeights,
    cancel: &CancelToken,
    written: &mut dyn FnMut(Bytes),
) -> Result<()> {
    let part = path.with_extension("part");
    let failed = |error: io::Error| {
        Error::new(Kind::Io, format!("Cannot write {}", path.display()))
            .because(error)
            .remedy("Choose a writable folder with enough free space")
    };
    let mut put = || -> Result<()> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(&part).map_err(failed)?);
        let notes = json!({"format": "pt", "made_by": "wandeck models synth"});
        let entries =
            tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.dtype, tensor.shape.as_slice()));
        let (header, _) = safetensors_header(notes, entries);
        file.write_all(&(header.len() as u64).to_le_bytes()).map_err(failed)?;
        file.write_all(&header).map_err(failed)?;
        for tensor in tensors {
            if weights.sparse && tensor.size() > SPARSE_MIN {
                file.seek(SeekFrom::Current(tensor.size() as i64)).map_err(failed)?;
            } else {
                tensor.write(&mut file, weights.seed, cancel, written)?.map_err(failed)?;
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
        let mut numbers = RandomStream::new(seed, &format!("{component}/{name}"));
        let mut left: usize = self.shape.iter().product();
        let mut bytes = Vec::with_capacity(CHUNK * self.dtype.size());
        while left > 0 {
            cancel.check()?;
            bytes.clear();
            for _ in 0..left.min(CHUNK) {
                let value = mean + deviation * numbers.normal();
                push_float(&mut bytes, value * factor, self.dtype);
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
