//! The files of a model that others exported.

use std::path::{Path, PathBuf};

use crate::core::{Bytes, Result};
use crate::onnx::{Dim, Dtype, Signature, SignatureValue};

/// The file of each component.
pub const FILE: &str = "model.onnx";

/// One exported component.
#[derive(Clone, Debug)]
pub struct ExportedGraph {
    /// Name of its folder.
    pub name: &'static str,
    /// Its file; external data lies beside it.
    pub path: PathBuf,
    /// What it takes and gives.
    pub signature: Signature,
}

/// The components of a model that others exported.
#[derive(Clone, Debug)]
pub struct Exported {
    /// Tokens to rows.
    pub text_encoder: ExportedGraph,
    /// The high-noise expert, or the only transformer.
    pub transformer: ExportedGraph,
    /// The low-noise expert.
    pub transformer_2: Option<ExportedGraph>,
    /// Frames to latent, a whole clip; without it no picture can be given.
    pub vae_encoder: Option<ExportedGraph>,
    /// Latent to frames, a whole clip.
    pub vae_decoder: ExportedGraph,
}

impl ExportedGraph {
    /// Reads what the component `name` in the folder of a model takes and gives.
    pub fn read(model: &Path, name: &'static str) -> Result<Self> {
        let path = model.join(name).join(FILE);
        Ok(Self { name, signature: Signature::read(&path)?, path })
    }

    /// The input called `name`.
    pub fn input(&self, name: &str) -> Option<&SignatureValue> {
        self.signature.inputs.iter().find(|value| value.name == name)
    }

    /// Its only input, of a component that has one.
    pub fn only_input(&self) -> Option<&SignatureValue> {
        self.signature.inputs.first()
    }

    /// The type of 16 bits that it takes or gives numbers in, if it does.
    pub fn short(&self) -> Option<Dtype> {
        let values = || self.signature.inputs.iter().chain(&self.signature.outputs);
        [Dtype::F16, Dtype::Bf16].into_iter().find(|dtype| values().any(|value| value.is(*dtype)))
    }

    /// What is in the way of giving `name` these sizes: the file may be made for others only.
    pub fn size_difference(&self, name: &str, dims: &[usize]) -> Option<String> {
        let value = self.input(name)?;
        let fits = |(dim, size): (&Dim, &usize)| !matches!(dim, Dim::Fixed(fixed) if fixed != size);
        (!value.dims.iter().zip(dims).all(fits))
            .then(|| format!("the {} takes {name} as {value} and the request needs {dims:?}", self.name))
    }

    /// Its file and those of its weights.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.path).chain(&self.signature.data)
    }

    /// Size of its files.
    pub fn size(&self) -> Bytes {
        let size = |path: &PathBuf| std::fs::metadata(path).map(|about| about.len()).unwrap_or_default();
        Bytes(self.files().map(size).sum())
    }

    /// Size of its weights where 16-bit ones become fp32, as on the CPU.
    pub fn size_in_memory(&self) -> Bytes {
        Bytes(self.size().0 + self.signature.half_bytes.0)
    }

    /// Tells these files, as they are now, from all others.
    pub fn identity(&self) -> String {
        let line = |path: &PathBuf| {
            let about = std::fs::metadata(path).ok();
            let changed = about.as_ref().and_then(|about| about.modified().ok());
            format!("{} {:?} {changed:?}", path.display(), about.map(|about| about.len()))
        };
        self.files().map(line).collect::<Vec<_>>().join(" ")
    }
}

impl Exported {
    /// All files.
    pub fn graphs(&self) -> impl Iterator<Item = &ExportedGraph> {
        let rest = self.transformer_2.iter().chain(&self.vae_encoder);
        [&self.text_encoder, &self.transformer, &self.vae_decoder].into_iter().chain(rest)
    }
}
