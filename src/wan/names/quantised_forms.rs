//! Quantised weights of single files: which forms are understood, and which are refused by name.
//!
//! `ComfyUI` describes a quantised layer `X` by a tensor `X.comfy_quant` (U8, JSON with the key `format`), or all layers by
//! the metadata `_quantization_metadata` (JSON: `layers`, a map from `X` to the same object). Source: QUANTIZATION.md of
//! `ComfyUI`; `tensor/int8.py` of comfy-kitchen. What is not understood would run as noise, so it is an error.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::core::{Error, Kind, Result};
use crate::onnx::{Dtype, ROTATION_GROUP, StoredForm, Weights};

/// Largest description of a layer in bytes; real ones have under a hundred.
const MAX_DESCRIPTION: u64 = 4096;
/// Formats of `comfy_quant` that are understood.
const FORMATS: [&str; 3] = ["float8_e4m3fn", "float8_e5m2", "int8_tensorwise"];
/// Suffixes beside a weight that belong to understood forms.
const LEAVES: [&str; 7] =
    ["weight", "bias", "scale_weight", "weight_scale", "scale_input", "input_scale", "comfy_quant"];
/// Suffixes of tensors in forms of other programs, and what the form is called.
const FOREIGN: [(&str, &str); 9] = [
    (".weight._data", "quanto"),
    (".qweight", "GPTQ or AWQ"),
    (".weight.absmax", "bitsandbytes"),
    (".SCB", "bitsandbytes int8"),
    (".weight_packed", "compressed-tensors"),
    (".wscales", "SVDQuant"),
    (".weight_scale_2", "nvfp4"),
    (".weight_scale_inv", "block-scaled fp8"),
    (".proj_down", "SVDQuant"),
];

/// How a layer is stored, as `ComfyUI` writes it.
#[derive(Deserialize)]
struct Description {
    format: String,
    #[serde(default)]
    convrot: bool,
    #[serde(default = "rotation_group")]
    convrot_groupsize: usize,
}

/// The metadata `_quantization_metadata`.
#[derive(Deserialize)]
struct Descriptions {
    layers: BTreeMap<String, Description>,
}

fn rotation_group() -> usize {
    ROTATION_GROUP
}

/// Checks the quantised weights of a component under the names of its file without their `prefix`, and marks the rotated
/// ones.
///
/// # Errors
///
/// `Unsupported`, with the form's name and one of its tensors, for a form that is not understood; `CorruptModel` for a
/// quantised weight without a scale.
pub(super) fn understood(weights: &Weights, prefix: &str) -> Result<Weights> {
    if weights.quantisation().is_some() {
        // converted by this program; its layout is in the metadata
        return Ok(weights.clone());
    }
    refuse_foreign(weights)?;
    let mut rotated = Vec::new();
    for (layer, description) in descriptions(weights)? {
        let layer = layer.strip_prefix(prefix).unwrap_or(&layer);
        let name = format!("{layer}.weight");
        if !FORMATS.contains(&description.format.as_str()) {
            return Err(unsupported(weights, &name, &description.format));
        }
        if !description.convrot {
            continue;
        }
        if description.format != "int8_tensorwise" || description.convrot_groupsize != ROTATION_GROUP {
            let form =
                format!("{} with convrot in groups of {}", description.format, description.convrot_groupsize);
            return Err(unsupported(weights, &name, &form));
        }
        rotated.push(name);
    }
    let scaled_fp8 =
        weights.iter().any(|(name, info)| is_fp8(info.dtype) && scale_of(weights, name).is_some());
    for (name, info) in weights.iter() {
        let is_integer = matches!(info.dtype, Dtype::I8 | Dtype::U8 | Dtype::I32) && info.shape.len() == 2;
        let is_quantised = info.form == StoredForm::Plain && (is_integer || is_fp8(info.dtype));
        if !name.ends_with(".weight") || !is_quantised {
            continue;
        }
        check_leaves(weights, name)?;
        check_scale(weights, name, &info.shape, is_integer || scaled_fp8)?;
    }
    Ok(weights.clone().with_rotation(|name| rotated.iter().any(|rotated| rotated == name)))
}

fn is_fp8(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F8E4M3 | Dtype::F8E5M2)
}

/// Fails if a tensor has a form of another program.
pub(super) fn refuse_foreign(weights: &Weights) -> Result<()> {
    let form_of =
        |name: &str| FOREIGN.iter().find(|(suffix, _)| name.ends_with(suffix)).map(|(_, form)| *form);
    match weights.names().find_map(|name| Some((name, form_of(name)?))) {
        None => Ok(()),
        Some((name, form)) => Err(unsupported(weights, name, form)),
    }
}

/// The descriptions of all quantised layers, by layer.
fn descriptions(weights: &Weights) -> Result<BTreeMap<String, Description>> {
    let mut found = BTreeMap::new();
    if let Some(text) = weights.metadata().get("_quantization_metadata") {
        let all: Descriptions = serde_json::from_str(text).map_err(|error| {
            Error::new(
                Kind::Unsupported,
                format!("{} describes its quantised layers in an unknown way", place(weights)),
            )
            .because(error)
            .remedy(REMEDY)
        })?;
        found.extend(all.layers);
    }
    for (name, info) in weights.iter() {
        let Some(layer) = name.strip_suffix(".comfy_quant") else { continue };
        let unknown = || unsupported(weights, name, "an unknown form (comfy_quant)");
        if info.len > MAX_DESCRIPTION {
            return Err(unknown());
        }
        let description: Description =
            serde_json::from_slice(&weights.bytes(info)?).map_err(|error| unknown().because(error))?;
        found.insert(layer.to_owned(), description);
    }
    Ok(found)
}

/// Fails if there is a tensor beside the quantised weight `name` that is not understood.
fn check_leaves(weights: &Weights, name: &str) -> Result<()> {
    let module = name.strip_suffix("weight").unwrap_or(name);
    let unknown = weights.names_with_prefix(module).find(|other| {
        let leaf = &other[module.len()..];
        !leaf.contains('.') && !LEAVES.contains(&leaf)
    });
    match unknown {
        None => Ok(()),
        Some(other) => Err(Error::new(
            Kind::Unsupported,
            format!(
                "{} stores {name} in a form that is not supported: what {other} means is unknown",
                place(weights)
            ),
        )
        .remedy(REMEDY)),
    }
}

/// The name of the scale of the weight `name` in the file.
fn scale_of(weights: &Weights, name: &str) -> Option<String> {
    let module = name.strip_suffix(".weight")?;
    [".scale_weight", ".weight_scale"]
        .map(|suffix| format!("{module}{suffix}"))
        .into_iter()
        .find(|scale| weights.contains(scale))
}

/// Fails if the weight `name` needs a scale and has none, or if the scale is neither one number nor one for each row.
fn check_scale(weights: &Weights, name: &str, shape: &[usize], needs_scale: bool) -> Result<()> {
    let Some(scale) = scale_of(weights, name) else {
        if !needs_scale {
            return Ok(());
        }
        let message = format!("{} has the quantised weight {name} without its scale", place(weights));
        return Err(Error::new(Kind::CorruptModel, message).remedy(REMEDY));
    };
    let numbers = weights.get(&scale)?.shape.iter().product::<usize>();
    if numbers == 1 || Some(&numbers) == shape.first() {
        return Ok(());
    }
    Err(unsupported(weights, name, "a block-scaled form"))
}

const REMEDY: &str = "Download the model in fp16, bf16, fp8_scaled or int8 (int8_tensorwise): \
    Comfy-Org/Wan_2.2_ComfyUI_Repackaged has fp16 and fp8_scaled";

fn unsupported(weights: &Weights, name: &str, form: &str) -> Error {
    let message = format!("{} stores {name} as {form}, which is not supported", place(weights));
    Error::new(Kind::Unsupported, message).remedy(REMEDY)
}

fn place(weights: &Weights) -> String {
    let file = weights.files().first().map_or_else(|| weights.root(), |file| file.as_path());
    file.display().to_string()
}
