//! What a model is made of, for people to look at.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::core::Bytes;
use crate::onnx::{Dtype, Weights};
use crate::wan::Checkpoint;

/// How a model's files are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// `model_index.json` and a folder for each component.
    Diffusers,
    /// As Wan publishes it: `high_noise_model` and `low_noise_model`, or shards beside a `config.json`.
    Original,
    /// ComfyUI's `models`: `diffusion_models`, `text_encoders`, `vae`.
    Comfy,
    /// A folder of ONNX components that others exported.
    ExportedOnnx,
    /// Files in one folder.
    SingleFiles,
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Diffusers => "diffusers folder",
            Self::Original => "original Wan folder",
            Self::Comfy => "ComfyUI models folder",
            Self::ExportedOnnx => "exported ONNX folder",
            Self::SingleFiles => "single files",
        })
    }
}

/// How it was told which expert a transformer is; the tensors of both have the same names and shapes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleSource {
    /// By the name of its file.
    FileName(String),
    /// By the name of its folder.
    FolderName(String),
    /// There is one transformer.
    Alone,
}

impl fmt::Display for RoleSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileName(name) => write!(f, "told by its file's name, {name}"),
            Self::FolderName(name) => write!(f, "told by its folder's name, {name}"),
            Self::Alone => f.write_str("the only one"),
        }
    }
}

/// One component's files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ComponentInfo {
    /// What it does: `high-noise expert`, `low-noise expert`, `transformer`, `text encoder`, `vae`.
    pub role: &'static str,
    /// Its files, links followed.
    pub files: Vec<PathBuf>,
    /// Size of its tensors.
    pub size: Bytes,
    /// What most of its numbers are stored as.
    pub precision: &'static str,
    /// How its role was told, where the tensors do not say.
    pub told: Option<RoleSource>,
}

/// What a model is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelInfo {
    /// How its files are laid out.
    pub layout: Layout,
    /// Its components.
    pub parts: Vec<ComponentInfo>,
    /// What was found odd and done about it.
    pub notes: Vec<String>,
}

impl ModelInfo {
    /// Describes `checkpoint`; `told` is for its transformers in turn.
    pub(super) fn new(
        checkpoint: &Checkpoint,
        layout: Layout,
        told: impl IntoIterator<Item = RoleSource>,
        notes: Vec<String>,
    ) -> Self {
        let names: &[_] = match checkpoint.transformer_2 {
            Some(_) => &["high-noise expert", "low-noise expert"],
            None => &["transformer"],
        };
        let transformers = std::iter::once(&checkpoint.transformer).chain(&checkpoint.transformer_2);
        let mut parts: Vec<_> = names
            .iter()
            .zip(transformers)
            .zip(told)
            .map(|((role, part), told)| part_about(role, &part.weights, Some(told)))
            .collect();
        parts.push(part_about("text encoder", &checkpoint.text_encoder.weights, None));
        parts.push(part_about("vae", &checkpoint.vae.weights, None));
        Self { layout, parts, notes }
    }

    /// Size of all components.
    pub fn size(&self) -> Bytes {
        Bytes(self.parts.iter().map(|part| part.size.0).sum())
    }
}

fn part_about(role: &'static str, weights: &Weights, told: Option<RoleSource>) -> ComponentInfo {
    let size = weights.size();
    ComponentInfo { role, files: weights.files().to_vec(), size, precision: precision(weights), told }
}

/// What most bytes of `weights` are; fp8 and integers count wherever there are some, since they are never used for all.
pub(super) fn precision(weights: &Weights) -> &'static str {
    let mut bytes = BTreeMap::<&str, u64>::new();
    let mut has_scales = false;
    for (name, info) in weights.iter() {
        has_scales |= name.ends_with(".scale_weight");
        *bytes.entry(dtype_name(info.dtype)).or_default() += info.len;
    }
    if let Some(integers) = weights.integers() {
        return integers.word();
    }
    if bytes.contains_key("int8") {
        return "int8";
    }
    if bytes.contains_key("fp8") {
        return if has_scales { "fp8_scaled" } else { "fp8" };
    }
    bytes.into_iter().max_by_key(|(_, bytes)| *bytes).map_or("nothing", |(name, _)| name)
}

fn dtype_name(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F32 => "fp32",
        Dtype::F16 => "fp16",
        Dtype::Bf16 => "bf16",
        Dtype::F8E4M3 | Dtype::F8E5M2 => "fp8",
        Dtype::I8 => "int8",
        Dtype::Bool | Dtype::U8 | Dtype::I32 | Dtype::I64 => "integers",
    }
}
