//! The ONNX files of an exported model.

use std::path::{Path, PathBuf};

use crate::core::{Bytes, Result};
use crate::onnx::{Dim, Dtype, Signature, SignatureValue};

/// File name in each component's folder.
pub const FILE: &str = "model.onnx";

/// One exported component.
#[derive(Clone, Debug)]
pub struct ExportedGraph {
    /// Name of its folder.
    pub name: &'static str,
    /// Its file, with external data beside it.
    pub path: PathBuf,
    /// Its inputs and outputs.
    pub signature: Signature,
}

/// The components of an exported model.
#[derive(Clone, Debug)]
pub struct Exported {
    /// Token ids to prompt embeddings.
    pub text_encoder: ExportedGraph,
    /// The high-noise expert, or the only transformer.
    pub transformer: ExportedGraph,
    /// The low-noise expert.
    pub transformer_2: Option<ExportedGraph>,
    /// Frames to latents, a whole clip; without it no image can be given.
    pub vae_encoder: Option<ExportedGraph>,
    /// Latents to frames, a whole clip.
    pub vae_decoder: ExportedGraph,
}

impl ExportedGraph {
    /// Reads the inputs and outputs of the component `name` in a model's folder.
    pub fn read(model: &Path, name: &'static str) -> Result<Self> {
        let path = model.join(name).join(FILE);
        Ok(Self { name, signature: Signature::read(&path)?, path })
    }

    /// The input called `name`.
    pub fn input(&self, name: &str) -> Option<&SignatureValue> {
        self.signature.inputs.iter().find(|value| value.name == name)
    }

    /// The first input, for a component with one input.
    pub fn only_input(&self) -> Option<&SignatureValue> {
        self.signature.inputs.first()
    }

    /// The 16-bit type of its inputs or outputs, if one has a 16-bit type.
    pub fn short(&self) -> Option<Dtype> {
        let values = || self.signature.inputs.iter().chain(&self.signature.outputs);
        [Dtype::F16, Dtype::Bf16].into_iter().find(|dtype| values().any(|value| value.is(*dtype)))
    }

    /// Why the input `name` cannot have these sizes: the file may have been exported for fixed sizes.
    pub fn size_difference(&self, name: &str, dims: &[usize]) -> Option<String> {
        let value = self.input(name)?;
        let fits = |(dim, size): (&Dim, &usize)| !matches!(dim, Dim::Fixed(fixed) if fixed != size);
        (!value.dims.iter().zip(dims).all(fits))
            .then(|| format!("the {} accepts {name} as {value}, and the request needs {dims:?}", self.name))
    }

    /// Its file and the files of its weights.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.path).chain(&self.signature.data)
    }

    /// Total size of its files.
    pub fn size(&self) -> Bytes {
        let size = |path: &PathBuf| std::fs::metadata(path).map(|about| about.len()).unwrap_or_default();
        Bytes(self.files().map(size).sum())
    }

    /// Size of its weights in memory on the CPU, where 16-bit weights become fp32.
    pub fn size_in_memory(&self) -> Bytes {
        Bytes(self.size().0 + self.signature.half_bytes.0)
    }

    /// Identifies the files by path, size and time of change.
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
    /// All components.
    pub fn graphs(&self) -> impl Iterator<Item = &ExportedGraph> {
        let rest = self.transformer_2.iter().chain(&self.vae_encoder);
        [&self.text_encoder, &self.transformer, &self.vae_decoder].into_iter().chain(rest)
    }
}
