//! Quantised weights of single files: which forms are understood, and which are refused by name.
//!
//! `ComfyUI` describes a quantised layer `X` by a tensor `X.comfy_quant` (U8, JSON with the key `format`), or all layers by
//! the metadata `_quantization_metadata` (JSON: `layers`, a map from `X` to the same object). Source: QUANTIZATION.md of
//! `ComfyUI`; `tensor/int8.py` of comfy-kitchen. What is not understood would run as noise, so it is an error.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::core::{Error, Kind, Result};
use crate::onnx::{Dtype, ROTATION_GROUP, ScaleOrder, ScaledForm, StoredForm, TensorInfo, Weights};

/// Largest description of a layer in bytes; real ones have under a hundred.
const MAX_DESCRIPTION: u64 = 4096;
/// Formats of `comfy_quant` that are understood.
const FORMATS: [&str; 5] = ["float8_e4m3fn", "float8_e5m2", "int8_tensorwise", MXFP8, NVFP4];
const MXFP8: &str = "mxfp8";
const NVFP4: &str = "nvfp4";
/// Values that share a scale in `mxfp8` and in `nvfp4`.
const MXFP8_BLOCK: usize = 32;
const NVFP4_BLOCK: usize = 16;
/// Rows and columns of a tile of `weight_scale_inv`; the last tiles may be smaller.
const TILE: usize = 128;
/// Suffixes beside a weight that belong to understood forms.
const LEAVES: [&str; 9] = [
    "weight",
    "bias",
    "scale_weight",
    "weight_scale",
    "weight_scale_2",
    "weight_scale_inv",
    "scale_input",
    "input_scale",
    "comfy_quant",
];
/// Suffixes of optimum-quanto's tensors (`QBytesTensor`, `QModuleMixin`), and what each becomes; the scales of activations
/// are not used.
const QUANTO: [(&str, Option<&str>); 4] = [
    (".weight._data", Some(".weight")),
    (".weight._scale", Some(".weight_scale")),
    (".input_scale", None),
    (".output_scale", None),
];
/// Suffixes of tensors in forms of other programs, and what the form is called.
const FOREIGN: [(&str, &str); 8] = [
    (".weight._data", "quanto with fewer than 8 bits"),
    (".qweight", "GPTQ or AWQ"),
    (".weight.absmax", "bitsandbytes"),
    (".SCB", "bitsandbytes int8"),
    (".weight_packed", "compressed-tensors"),
    (".wscales", "SVDQuant"),
    (".weight._shift", "quanto with a shift"),
    (".proj_down", "SVDQuant"),
];

/// The query of the first block in transformers and text encoders.
const QUERIES: [&str; 3] = ["blocks.0.self_attn.q.", "blocks.0.attn1.to_q.", "blocks.0.attn.q."];

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

/// Numbers of inputs that are rotated together in published text encoders.
pub(super) const TEXT_ROTATIONS: [usize; 2] = [64, ROTATION_GROUP];

/// Checks the quantised weights of a component under the names of its file without their `prefix`, and marks the ones whose
/// inputs are rotated in `groups` of one of these sizes.
///
/// # Errors
///
/// `Unsupported`, with the form's name and one of its tensors, for a form that is not understood; `CorruptModel` for a
/// quantised weight without a scale.
pub(super) fn understood(weights: &Weights, prefix: &str, groups: &[usize]) -> Result<Weights> {
    if weights.quantisation().is_some() {
        // converted by this program; its layout is in the metadata
        return Ok(weights.clone());
    }
    refuse_foreign(weights)?;
    let mut formats = BTreeMap::new();
    for (layer, description) in descriptions(weights)? {
        let layer = layer.strip_prefix(prefix).unwrap_or(&layer);
        let name = format!("{layer}.weight");
        if !FORMATS.contains(&description.format.as_str()) {
            return Err(unsupported(weights, &name, &description.format));
        }
        let is_int8 = description.format == "int8_tensorwise";
        if description.convrot && (!is_int8 || !groups.contains(&description.convrot_groupsize)) {
            let form =
                format!("{} with convrot in groups of {}", description.format, description.convrot_groupsize);
            return Err(unsupported(weights, &name, &form));
        }
        formats.insert(name, description);
    }
    let scaled_fp8 =
        weights.iter().any(|(name, info)| info.dtype.is_f8() && scale_of(weights, name).is_some());
    let mut changed = BTreeMap::new();
    for (name, info) in weights.iter() {
        let is_integer = matches!(info.dtype, Dtype::I8 | Dtype::U8 | Dtype::I32) && info.shape.len() == 2;
        let is_quantised = info.form == StoredForm::Plain && (is_integer || info.dtype.is_f8());
        if !name.ends_with(".weight") || !is_quantised {
            continue;
        }
        check_leaves(weights, name)?;
        let description = formats.get(name);
        let format = description.map_or("", |description| description.format.as_str());
        let info = if let Some(scaled) = scaled(weights, name, info, format)? {
            scaled
        } else {
            if matches!(info.dtype, Dtype::U8 | Dtype::I32) {
                // where zero is, and how many values a number holds, is said nowhere
                return Err(unsupported(
                    weights,
                    name,
                    &format!("integers ({}) of an unknown form", info.dtype),
                ));
            }
            check_scale(weights, name, &info.shape, is_integer || scaled_fp8)?;
            info.clone()
        };
        let rotation = description.filter(|description| description.convrot);
        let rotation = rotation.map(|description| description.convrot_groupsize);
        changed.insert(name.to_owned(), TensorInfo { rotation, ..info });
    }
    Ok(weights.clone().with_tensors(changed))
}

/// The matrix `name` in a form with a scale for each tile; `None` for other forms.
fn scaled(weights: &Weights, name: &str, info: &TensorInfo, format: &str) -> Result<Option<TensorInfo>> {
    let module = name.strip_suffix("weight").unwrap_or(name);
    let beside = |leaf: &str| weights.get(&format!("{module}{leaf}")).ok();
    let &[rows, columns] = &info.shape[..] else { return Ok(None) };
    let of = |word, scales: &TensorInfo, order, tile, global| {
        Some(TensorInfo {
            form: StoredForm::Scaled(Box::new(ScaledForm {
                word,
                scales: scales.clone(),
                order,
                tile,
                global,
            })),
            ..info.clone()
        })
    };
    let incomplete = || {
        let message = format!("{} has the {format} weight {name} without its scales", place(weights));
        Error::new(Kind::CorruptModel, message).remedy(REMEDY)
    };
    match (format, info.dtype) {
        (MXFP8, Dtype::F8E4M3) => {
            let scales = beside("weight_scale").ok_or_else(incomplete)?;
            check_blocked(weights, name, format, scales, [rows, columns.div_ceil(MXFP8_BLOCK)])?;
            Ok(of(MXFP8, scales, ScaleOrder::Blocked, [1, MXFP8_BLOCK], None))
        }
        (NVFP4, Dtype::U8) => {
            let scales = beside("weight_scale").ok_or_else(incomplete)?;
            let global = beside("weight_scale_2").ok_or_else(incomplete)?.clone();
            check_blocked(weights, name, format, scales, [rows, (columns * 2).div_ceil(NVFP4_BLOCK)])?;
            let found = of(NVFP4, scales, ScaleOrder::Blocked, [1, NVFP4_BLOCK], Some(global));
            // a byte holds two values
            Ok(found.map(|info| TensorInfo { shape: vec![rows, columns * 2], ..info }))
        }
        (MXFP8 | NVFP4, dtype) => Err(unsupported(weights, name, &format!("{format} in {dtype}"))),
        _ if info.dtype.is_f8() => {
            let inverse = beside("weight_scale_inv");
            let Some(scales) = inverse.or_else(|| beside("scale_weight")).or_else(|| beside("weight_scale"))
            else {
                return Ok(None);
            };
            // a third dimension of one is kept from the division by blocks
            let (&[tall, wide] | &[tall, wide, 1]) = &scales.shape[..] else {
                return if inverse.is_none() { Ok(None) } else { Err(unknown_scale(weights, name)) };
            };
            // one number scales the whole matrix, but for the only tile of a small one
            let is_one_tile = inverse.is_some() && rows <= TILE && columns <= TILE;
            if (tall * wide == 1 && !is_one_tile) || (wide == 1 && inverse.is_none()) {
                return if inverse.is_none() { Ok(None) } else { Err(unknown_scale(weights, name)) };
            }
            let tile = |size: usize, tiles: usize| match size {
                size if inverse.is_some() && size.div_ceil(TILE) == tiles => Some(TILE),
                size if tiles > 0 && size.is_multiple_of(tiles) => Some(size / tiles),
                _ => None,
            };
            let (Some(height), Some(width)) = (tile(rows, tall), tile(columns, wide)) else {
                return Err(unsupported(weights, name, "a block-scaled form"));
            };
            Ok(of("block-scaled fp8", scales, ScaleOrder::Rows, [height, width], None))
        }
        _ if beside("weight_scale_inv").is_some() || beside("weight_scale_2").is_some() => {
            Err(unknown_scale(weights, name))
        }
        _ => Ok(None),
    }
}

/// Fails if the matrix `name` with `tiles` has another number of scales than blocks of 128 rows and 4 columns hold.
fn check_blocked(
    weights: &Weights,
    name: &str,
    format: &str,
    scales: &TensorInfo,
    [tall, wide]: [usize; 2],
) -> Result<()> {
    let expected = tall.next_multiple_of(128) * wide.next_multiple_of(4);
    let count: usize = scales.shape.iter().product();
    if count == expected {
        return Ok(());
    }
    Err(unsupported(
        weights,
        name,
        &format!("{format} with {count} scales, not the {expected} of ComfyUI's files"),
    ))
}

fn unknown_scale(weights: &Weights, name: &str) -> Error {
    unsupported(
        weights,
        name,
        "a form with an inverse or a second scale (block-scaled fp8 has one for each block)",
    )
}

/// The weights with the names of optimum-quanto's int8 and fp8 matrices as in other forms.
pub(super) fn without_quanto_names(weights: &Weights) -> Result<Weights> {
    let eight_bits = [Dtype::I8, Dtype::F8E4M3, Dtype::F8E5M2];
    let mut data = weights.iter().filter(|(name, _)| name.ends_with(QUANTO[0].0)).peekable();
    let is_known = data.peek().is_some()
        && data.all(|(_, info)| eight_bits.contains(&info.dtype))
        && !weights.names().any(|name| name.ends_with(".weight._shift"));
    if !is_known {
        return Ok(weights.clone());
    }
    weights.clone().renamed(|name| {
        let known = QUANTO.iter().find_map(|(theirs, ours)| Some((name.strip_suffix(theirs)?, ours)));
        match known {
            None => Some(name.to_owned()),
            Some((module, ours)) => ours.map(|ours| format!("{module}{ours}")),
        }
    })
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

/// Fails for a VAE with scaled or integer weights: no form of a convolution is understood.
pub(super) fn refuse_quantised(weights: &Weights) -> Result<()> {
    let is_leaf = |name: &str| {
        let leaf = name.rsplit('.').next().unwrap_or_default();
        LEAVES.contains(&leaf) && !matches!(leaf, "weight" | "bias")
    };
    let is_integer = |info: &TensorInfo| {
        let is_integer = matches!(info.dtype, Dtype::I8 | Dtype::U8 | Dtype::I32);
        is_integer && info.form == StoredForm::Plain && info.shape.len() > 1
    };
    refuse_foreign(weights)?;
    match weights.iter().find(|(name, info)| is_leaf(name) || is_integer(info)) {
        None => Ok(()),
        Some((name, info)) if is_leaf(name) => {
            Err(unsupported(weights, name, &format!("a scale ({}) beside a convolution", info.dtype)))
        }
        Some((name, info)) => Err(unsupported(weights, name, &format!("integers ({})", info.dtype))),
    }
}

/// Fails for a component of Wan whose first query matrix has another name or type than any that is known.
pub(super) fn refuse_unknown(weights: &Weights) -> Result<()> {
    let is_query = |name: &&str| {
        QUERIES.iter().any(|module| name.contains(module)) && name.rsplit('.').next() != Some("bias")
    };
    let Some(name) = weights.names().find(is_query) else { return Ok(()) };
    if name.ends_with(".weight") {
        // of a type that is not used
        return weights.get(name).map(drop);
    }
    Err(unsupported(weights, name, "a form that is not known"))
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
