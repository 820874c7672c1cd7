//! Plans the files of a synthetic checkpoint: their tensors and names in each layout.

use std::path::PathBuf;

use super::configs;
use super::file::{Content, Tensor, scale};
use super::shapes::Shapes;
use crate::core::{Bytes, Error, Kind, Mode, Result};
use crate::onnx::Dtype;
use crate::wan::names::{TEXT_ENCODER, TRANSFORMER, VaePlan};
use crate::wan::parameters::{self, Parameter};
use crate::wan::text;

/// The file layout of a synthetic checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SynthLayout {
    /// A diffusers folder: one folder per component, diffusers' tensor names.
    Diffusers,
    /// Wan's own release: `high_noise_model` and `low_noise_model`, original tensor names.
    Original,
    /// ComfyUI's model folders: one file per component, original tensor names.
    Comfy,
}

/// The number format of the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the types")]
pub enum SynthDtype {
    Fp32,
    Bf16,
    Fp16,
    /// Matrices in fp8 with a scale beside each, the rest in fp16; for [`SynthLayout::Comfy`].
    Fp8Scaled,
}

/// A component of a synthetic checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SynthComponent {
    /// The transformers.
    Transformer,
    /// The text encoder with its tokenizer.
    TextEncoder,
    /// The video autoencoder.
    Vae,
}

/// Maximum size of a weight file in bytes, as in the official releases; larger components are split into shards.
const SHARD: u64 = 5_000_000_000;

/// The files of a checkpoint that is to be written.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Weight files by their path in the folder.
    pub(super) weights: Vec<(PathBuf, Vec<Tensor>)>,
    /// Files without weights.
    pub(super) other_files: Vec<(PathBuf, Vec<u8>)>,
}

impl Plan {
    /// Total size of all files without safetensors headers.
    pub fn size(&self) -> Bytes {
        let weights = self.weights.iter().flat_map(|(_, tensors)| tensors).map(Tensor::size).sum::<u64>();
        Bytes(weights + self.other_files.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>())
    }
}

/// Plans a checkpoint of `shapes` with the components in `only`.
///
/// Fails with [`Kind::Input`] for fp8 in a layout other than [`SynthLayout::Comfy`].
pub fn plan(
    shapes: &Shapes,
    layout: SynthLayout,
    dtype: SynthDtype,
    only: &[SynthComponent],
) -> Result<Plan> {
    if dtype == SynthDtype::Fp8Scaled && layout != SynthLayout::Comfy {
        return Err(Error::new(Kind::Input, "fp8_scaled is supported for ComfyUI's layout only")
            .remedy("Use --layout comfy, or another --dtype"));
    }
    let mut planner = Planner { shapes, layout, dtype, plan: Plan::default() };
    for part in only {
        match part {
            SynthComponent::Transformer => planner.transformers()?,
            SynthComponent::TextEncoder => planner.text_encoder()?,
            SynthComponent::Vae => planner.vae()?,
        }
    }
    if layout == SynthLayout::Diffusers {
        planner.other("model_index.json", &configs::model_index(shapes));
        planner.other("scheduler/scheduler_config.json", &configs::scheduler(shapes.mode));
    }
    Ok(planner.plan)
}

struct Planner<'s> {
    shapes: &'s Shapes,
    layout: SynthLayout,
    dtype: SynthDtype,
    plan: Plan,
}

impl Planner<'_> {
    fn other(&mut self, path: &str, json: &serde_json::Value) {
        self.plan.other_files.push((path.into(), format!("{json:#}\n").into_bytes()));
    }

    fn transformers(&mut self) -> Result<()> {
        let config = &self.shapes.transformer;
        let list = parameters::transformer(config);
        let experts: &[(&str, &str, &str)] = match self.shapes.num_experts() {
            1 => &[("transformer", "", "")],
            _ => &[
                ("transformer", "high_noise_model/", "high_noise_"),
                ("transformer_2", "low_noise_model/", "low_noise_"),
            ],
        };
        for &(component, folder, word) in experts {
            let original = |name: &str| TRANSFORMER.original(name);
            let tensors = self.tensors(&list, component, original)?;
            match self.layout {
                SynthLayout::Diffusers => {
                    self.other(&format!("{component}/config.json"), &configs::transformer(config));
                    self.shards(&format!("{component}/diffusion_pytorch_model"), tensors);
                }
                SynthLayout::Original => {
                    self.other(&format!("{folder}config.json"), &configs::original(config, self.shapes.mode));
                    self.shards(&format!("{folder}diffusion_pytorch_model"), tensors);
                }
                SynthLayout::Comfy => {
                    let size = if self.shapes.mode == Mode::TI2V { "5B" } else { "14B" };
                    let name = format!("wan2.2_{}_{word}{size}_{}", self.shapes.mode, self.dtype_name());
                    self.single(&format!("diffusion_models/{name}"), tensors);
                }
            }
        }
        Ok(())
    }

    fn text_encoder(&mut self) -> Result<()> {
        let config = &self.shapes.text_encoder;
        let list = parameters::text_encoder(config);
        let pieces = text::letters();
        match self.layout {
            SynthLayout::Diffusers => {
                let tensors = self.tensors(&list, "text_encoder", |name| Some(name.to_owned()))?;
                self.other("text_encoder/config.json", &configs::text_encoder(config));
                self.shards("text_encoder/model", tensors);
                self.plan.other_files.push(("tokenizer/spiece.model".into(), pieces));
            }
            SynthLayout::Original => {
                let tensors = self.tensors(&list, "text_encoder", |name| TEXT_ENCODER.original(name))?;
                self.single(&format!("models_t5_umt5-xxl-enc-{}", self.dtype_name()), tensors);
                self.plan.other_files.push(("google/umt5-xxl/spiece.model".into(), pieces));
            }
            SynthLayout::Comfy => {
                let mut tensors = self.tensors(&list, "text_encoder", |name| Some(name.to_owned()))?;
                tensors.push(Tensor {
                    name: "spiece_model".to_owned(),
                    shape: vec![pieces.len()],
                    dtype: Dtype::U8,
                    content: Content::Bytes(pieces),
                });
                self.single(&format!("text_encoders/umt5_xxl_{}", self.dtype_name()), tensors);
            }
        }
        Ok(())
    }

    fn vae(&mut self) -> Result<()> {
        let config = &self.shapes.vae;
        let list = parameters::vae(config);
        let names = VaePlan {
            is_residual: config.is_residual,
            levels: config.dim_mult.len(),
            blocks: config.num_res_blocks,
        }
        .renamer();
        // no VAE is published in fp8
        let tensors = self.tensors(&list, "vae", |name| names.original(name))?;
        match self.layout {
            SynthLayout::Diffusers => {
                self.other("vae/config.json", &configs::vae(config));
                self.shards("vae/diffusion_pytorch_model", tensors);
            }
            SynthLayout::Original => {
                self.single(if config.is_residual { "Wan2.2_VAE" } else { "Wan2.1_VAE" }, tensors);
            }
            SynthLayout::Comfy => {
                self.single(if config.is_residual { "vae/wan2.2_vae" } else { "vae/wan_2.1_vae" }, tensors);
            }
        }
        Ok(())
    }

    /// The tensors of a component; `original` returns the original name of a tensor.
    fn tensors(
        &self,
        list: &[Parameter],
        component: &'static str,
        original: impl Fn(&str) -> Option<String>,
    ) -> Result<Vec<Tensor>> {
        let plain = match self.dtype {
            SynthDtype::Fp32 => Dtype::F32,
            SynthDtype::Bf16 => Dtype::Bf16,
            SynthDtype::Fp16 | SynthDtype::Fp8Scaled => Dtype::F16,
        };
        let mut tensors = Vec::with_capacity(list.len());
        for Parameter { name, shape } in list {
            let file_name =
                if self.layout == SynthLayout::Diffusers { Some(name.clone()) } else { original(name) }
                    .ok_or_else(|| Error::new(Kind::Bug, format!("{name} has no original name")))?;
            let scaled = self.dtype == SynthDtype::Fp8Scaled && is_matrix(component, name, shape);
            let (name, component) = (name.clone(), component);
            if scaled {
                let module = file_name.strip_suffix(".weight").unwrap_or(&file_name);
                tensors.push(Tensor {
                    name: format!("{module}.scale_weight"),
                    shape: Vec::new(),
                    dtype: Dtype::F32,
                    content: Content::Bytes(scale(&name, shape).to_le_bytes().to_vec()),
                });
            }
            let (dtype, content) = if scaled {
                (Dtype::F8E4M3, Content::Scaled { component, name })
            } else {
                (plain, Content::Random { component, name })
            };
            tensors.push(Tensor { name: file_name, shape: shape.clone(), dtype, content });
        }
        if self.dtype == SynthDtype::Fp8Scaled && component != "vae" {
            let content = Content::Bytes(Vec::new());
            tensors.push(Tensor {
                name: "scaled_fp8".to_owned(),
                shape: vec![0],
                dtype: Dtype::F8E4M3,
                content,
            });
        }
        // sorted by element size, largest first, so that all tensors are aligned
        tensors.sort_by_key(|tensor| std::cmp::Reverse(tensor.dtype.size()));
        Ok(tensors)
    }

    fn single(&mut self, stem: &str, tensors: Vec<Tensor>) {
        self.plan.weights.push((format!("{stem}.safetensors").into(), tensors));
    }

    /// Adds one weight file, or several shards with their index.
    fn shards(&mut self, stem: &str, tensors: Vec<Tensor>) {
        let mut shards = vec![Vec::new()];
        let mut size = 0;
        for tensor in tensors {
            if size > 0 && size + tensor.size() > SHARD {
                shards.push(Vec::new());
                size = 0;
            }
            size += tensor.size();
            shards.last_mut().into_iter().for_each(|shard| shard.push(tensor.clone()));
        }
        let count = shards.len();
        if count == 1 {
            return self.single(stem, shards.swap_remove(0));
        }
        let mut places = serde_json::Map::new();
        for (index, shard) in shards.into_iter().enumerate() {
            let part = format!("{stem}-{:05}-of-{count:05}", index + 1);
            let file = part.rsplit('/').next().unwrap_or(&part);
            places.extend(shard.iter().map(|one| (one.name.clone(), format!("{file}.safetensors").into())));
            self.single(&part, shard);
        }
        let index = serde_json::json!({"metadata": {}, "weight_map": places});
        self.other(&format!("{stem}.safetensors.index.json"), &index);
    }

    fn dtype_name(&self) -> &'static str {
        match self.dtype {
            SynthDtype::Fp32 => "fp32",
            SynthDtype::Bf16 => "bf16",
            SynthDtype::Fp16 => "fp16",
            SynthDtype::Fp8Scaled => "fp8_scaled",
        }
    }
}

/// Whether a tensor is fp8 in Comfy-Org's fp8 files: linear layers of the blocks.
fn is_matrix(component: &str, name: &str, shape: &[usize]) -> bool {
    let in_block = name.starts_with("blocks.") || name.starts_with("encoder.block.");
    component != "vae" && shape.len() == 2 && in_block && !name.contains("relative_attention_bias")
}
