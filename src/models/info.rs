//! Describes a model's files and components for lists and the window.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::core::{Bytes, ComponentFiles};
use crate::onnx::{Dtype, Weights};
use crate::wan::{Checkpoint, Distilled};

/// How a model's files are arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// `model_index.json` and a folder for each component.
    Diffusers,
    /// Wan's own folder: `high_noise_model` and `low_noise_model`, or shards beside a `config.json`.
    Original,
    /// ComfyUI's `models`: `diffusion_models`, `text_encoders`, `vae`.
    Comfy,
    /// A folder of ONNX components that were exported with another program.
    ExportedOnnx,
    /// Single files in one folder.
    SingleFiles,
}

impl Layout {
    /// Whether several models may be made of the files of one folder.
    pub(super) fn is_of_files(self) -> bool {
        matches!(self, Self::Original | Self::Comfy | Self::SingleFiles)
    }
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

/// How it was found out which expert a transformer is; the tensors of both have the same names and shapes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleSource {
    /// By the name of its file.
    FileName(String),
    /// By the name of its folder.
    FolderName(String),
    /// There is only one transformer.
    Alone,
    /// The person chose its file.
    Chosen,
    /// The person chose a file of this content before.
    ChosenEarlier,
    /// By its content, which is that of this file.
    Content(String),
}

impl fmt::Display for RoleSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileName(name) => write!(f, "according to its file name {name}"),
            Self::FolderName(name) => write!(f, "according to its folder name {name}"),
            Self::Alone => f.write_str("for all noise levels"),
            Self::Chosen => f.write_str("chosen by you"),
            Self::ChosenEarlier => f.write_str("chosen by you earlier"),
            Self::Content(file) => write!(f, "according to its content, that of {file}"),
        }
    }
}

/// The files of one component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ComponentInfo {
    /// What it is: `high-noise expert`, `low-noise expert`, `transformer`, `text encoder` or `vae`.
    pub role: &'static str,
    /// Its files, with links resolved.
    pub files: Vec<PathBuf>,
    /// Total size of its tensors.
    pub size: Bytes,
    /// How most of its values are stored, for instance `bf16`, `fp8_scaled` or `int8`.
    pub precision: &'static str,
    /// How it was found out which expert it is; `None` for components that are no expert.
    pub role_source: Option<RoleSource>,
}

/// A model's files and components.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelInfo {
    /// How its files are arranged.
    pub layout: Layout,
    /// Its components, in the order of a run.
    pub components: Vec<ComponentInfo>,
    /// Contradictions and choices among several files, one sentence each.
    pub notes: Vec<String>,
    /// The profile that it brings, if it is distilled.
    pub distilled: Option<Distilled>,
}

impl ModelInfo {
    /// Describes `checkpoint`; `role_sources` has an entry for each of its transformers.
    pub(super) fn new(
        checkpoint: &Checkpoint,
        layout: Layout,
        role_sources: impl IntoIterator<Item = RoleSource>,
        notes: Vec<String>,
    ) -> Self {
        let names: &[_] = match checkpoint.transformer_2 {
            Some(_) => &["high-noise expert", "low-noise expert"],
            None => &["transformer"],
        };
        let transformers = std::iter::once(&checkpoint.transformer).chain(&checkpoint.transformer_2);
        let mut components: Vec<_> = names
            .iter()
            .zip(transformers)
            .zip(role_sources)
            .map(|((role, component), source)| component_info(role, &component.weights, Some(source)))
            .collect();
        components.push(component_info("text encoder", &checkpoint.text_encoder.weights, None));
        components.push(component_info("vae", &checkpoint.vae.weights, None));
        Self { layout, components, notes, distilled: checkpoint.distilled.clone() }
    }

    /// Marks the components whose files the person chose.
    pub(super) fn mark_chosen(&mut self, files: &ComponentFiles) {
        for (field, _) in files.iter() {
            let roles: &[&str] = match field {
                "vae" => &["vae"],
                "text_encoder" => &["text encoder"],
                "high" => &["high-noise expert", "transformer"],
                _ => &["low-noise expert"],
            };
            for component in self.components.iter_mut().filter(|component| roles.contains(&component.role)) {
                component.role_source = Some(RoleSource::Chosen);
            }
        }
    }

    /// How exact its first component is stored: 0 is the most exact.
    pub(super) fn exactness(&self) -> usize {
        exactness(self.components.first().map_or("", |component| component.precision))
    }

    /// Total size of all components.
    pub fn size(&self) -> Bytes {
        Bytes(self.components.iter().map(|component| component.size.0).sum())
    }
}

fn component_info(role: &'static str, weights: &Weights, role_source: Option<RoleSource>) -> ComponentInfo {
    let size = weights.size();
    ComponentInfo { role, files: weights.files().to_vec(), size, precision: precision(weights), role_source }
}

/// How most bytes of `weights` are stored. fp8 and quantised types win if present, since they never cover all tensors.
pub(super) fn precision(weights: &Weights) -> &'static str {
    let mut bytes = BTreeMap::<&str, u64>::new();
    let mut has_scales = false;
    for (name, info) in weights.iter() {
        has_scales |= name.ends_with(".scale_weight");
        *bytes.entry(dtype_name(info.dtype)).or_default() += info.len;
    }
    if let Some(integers) = weights.quantisation() {
        return integers.word();
    }
    if bytes.contains_key("int8") {
        return "int8";
    }
    if let Some(form) = weights.packed_form() {
        return form;
    }
    if bytes.contains_key("fp8") {
        return if has_scales { "fp8_scaled" } else { "fp8" };
    }
    bytes.into_iter().max_by_key(|(_, bytes)| *bytes).map_or("nothing", |(name, _)| name)
}

/// The rank of a precision from the most to the least exact.
pub(super) fn exactness(precision: &str) -> usize {
    const BEST_FIRST: [&str; 5] = ["fp32", "bf16", "fp16", "fp8_scaled", "fp8"];
    BEST_FIRST.iter().position(|name| *name == precision).unwrap_or(BEST_FIRST.len())
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
