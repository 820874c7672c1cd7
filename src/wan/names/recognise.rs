//! Recognises which component a checkpoint is, by the names and shapes of its tensors.

use super::quantised_forms::{
    TEXT_ROTATIONS, refuse_foreign, refuse_quantised, refuse_unknown, understood, without_quanto_names,
};
use super::transformer::TRANSFORMER;
use super::umt5::{LLAMA_TEXT_ENCODER, TEXT_ENCODER};
use super::vae::VaePlan;
use crate::core::Result;
use crate::onnx::{ROTATION_GROUP, Weights};

/// A component of a Wan model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComponentKind {
    /// A diffusion transformer.
    Transformer,
    /// The UMT5 text encoder.
    TextEncoder,
    /// A VAE.
    Vae,
}

/// Naming convention of a checkpoint's tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// Names of Wan's original code.
    Original,
    /// Names of diffusers and transformers.
    Diffusers,
    /// Names of llama.cpp.
    Llama,
}

/// Weights that were recognised as a component of a Wan model.
#[derive(Clone, Debug)]
pub struct Recognised {
    /// The component.
    pub kind: ComponentKind,
    /// Naming convention of the file.
    pub naming: Naming,
    /// The weights under diffusers' names.
    pub weights: Weights,
    /// Tensors of a transformer that Wan 2.2 does not have, as the file names them.
    pub unknown: Vec<String>,
}

/// Suffixes of tensors beside an fp8 weight, and the suffix used here; `None` if the tensor is not needed.
const SCALES: [(&str, Option<&str>); 7] = [
    (".scale_weight", Some(".scale_weight")),
    (".weight_scale", Some(".scale_weight")),
    // their values are found by the form of the weight
    (".weight_scale_2", None),
    (".weight_scale_inv", None),
    (".scale_input", None),
    (".input_scale", None),
    (".comfy_quant", None),
];
/// Extra tensors of single files: a marker and the tokenizer.
const ATTACHED: [&str; 2] = ["scaled_fp8", "spiece_model"];

/// A component in a file: the names of its tensors begin with `prefix`.
#[derive(Clone, Copy, Debug)]
struct Part<'w> {
    kind: ComponentKind,
    naming: Naming,
    prefix: &'w str,
}

/// Recognises the components in `weights`, and renames their tensors to diffusers' names; none for other models.
///
/// Most files hold one component. All names may have a prefix, as in files that were saved from a larger model, and an
/// all-in-one file has a prefix for each of its components.
///
/// Fails if weights of a component are quantised in a form that is not supported.
pub fn recognise(weights: &Weights) -> Result<Vec<Recognised>> {
    let weights = &without_quanto_names(weights)?;
    let parts: Vec<_> =
        [transformer(weights), text_encoder(weights), vae(weights)].into_iter().flatten().collect();
    if parts.is_empty() {
        // quanto and others rename the matrices themselves, so only what they leave as it was can be recognised
        let is_wan = |name: &str| name.ends_with("patch_embedding.weight") && has(weights, name, 5);
        let marks = |name: &str| name.ends_with("blocks.0.pos_embedding.embedding.weight") || is_wan(name);
        if weights.names().any(marks) {
            refuse_foreign(weights)?;
            refuse_unknown(weights)?;
        }
    }
    parts.iter().map(|part| recognised(weights, part, &parts)).collect()
}

/// The component `part` of `weights`, which has all `parts`.
fn recognised(weights: &Weights, part: &Part<'_>, parts: &[Part<'_>]) -> Result<Recognised> {
    let Part { kind, naming, prefix } = *part;
    let others = parts.iter().map(|other| other.prefix).filter(|other| other.len() > prefix.len());
    let others: Vec<_> = others.collect();
    let own = |name: &str| {
        let is_others = others.iter().any(|other| name.starts_with(other));
        name.strip_prefix(prefix).filter(|_| !is_others).map(str::to_owned)
    };
    let weights = weights.clone().renamed(own)?;
    let (weights, unknown) = match kind {
        ComponentKind::Transformer => {
            let known = |name: &str| match naming {
                Naming::Original => with_scale(name, |name| TRANSFORMER.diffusers(name)),
                _ => with_scale(name, |name| TRANSFORMER.original(name).map(|_| name.to_owned())),
            };
            let unknown = |&(name, _): &(&str, _)| known(name).is_none() && !is_attached(name);
            let unknown = weights.iter().filter(unknown).map(|(name, _)| name.to_owned()).collect();
            (understood(&weights, prefix, &[ROTATION_GROUP])?.renamed(known)?, unknown)
        }
        ComponentKind::TextEncoder => {
            let has_shared = weights.contains("shared.weight");
            let rename = |name: &str| match (naming, name) {
                (Naming::Original, _) => TEXT_ENCODER.diffusers(name),
                (Naming::Llama, _) => LLAMA_TEXT_ENCODER.diffusers(name),
                (_, "encoder.embed_tokens.weight") => (!has_shared).then(|| "shared.weight".to_owned()),
                _ => TEXT_ENCODER.original(name).map(|_| name.to_owned()),
            };
            let known = understood(&weights, prefix, &TEXT_ROTATIONS)?;
            (known.renamed(|name| with_scale(name, rename))?, Vec::new())
        }
        ComponentKind::Vae => {
            refuse_quantised(&weights)?;
            let plan = (naming == Naming::Original)
                .then(|| VaePlan::from_original(|name| weights.contains(name)))
                .flatten();
            let weights = match plan {
                Some(plan) => {
                    let renamer = plan.renamer();
                    weights.renamed(|name| renamer.diffusers(name))?
                }
                None => weights,
            };
            (weights, Vec::new())
        }
    };
    Ok(Recognised { kind, naming, weights, unknown })
}

fn has(weights: &Weights, name: &str, dims: usize) -> bool {
    weights.get(name).is_ok_and(|info| info.shape.len() == dims)
}

/// The prefixes of the tensors whose names end with `marker`, the shortest first.
fn prefixes<'w>(weights: &'w Weights, marker: &str) -> Vec<&'w str> {
    let is_prefix = |prefix: &&str| prefix.is_empty() || prefix.ends_with('.');
    let mut found: Vec<_> =
        weights.names().filter_map(|name| name.strip_suffix(marker)).filter(is_prefix).collect();
    found.sort_by_key(|prefix| prefix.len());
    found
}

fn transformer(weights: &Weights) -> Option<Part<'_>> {
    let marker = "patch_embedding.weight";
    prefixes(weights, marker).into_iter().find_map(|prefix| {
        let has_block = |name: &str| weights.contains(&format!("{prefix}blocks.0.{name}.weight"));
        let naming = if has_block("self_attn.q") {
            Naming::Original
        } else if has_block("attn1.to_q") {
            Naming::Diffusers
        } else {
            return None;
        };
        let is_wan = has(weights, &format!("{prefix}{marker}"), 5);
        is_wan.then_some(Part { kind: ComponentKind::Transformer, naming, prefix })
    })
}

/// A UMT5 encoder. Unlike other T5 models, it has a position bias in every block.
fn text_encoder(weights: &Weights) -> Option<Part<'_>> {
    // the bias of the first block, a matrix of the second, the bias of the second, and the token embedding if it has to
    // be there
    let namings = [
        (
            Naming::Original,
            ["blocks.", "pos_embedding.embedding.weight", "attn.q.weight"],
            "token_embedding.weight",
        ),
        (
            Naming::Diffusers,
            [
                "encoder.block.",
                "layer.0.SelfAttention.relative_attention_bias.weight",
                "layer.0.SelfAttention.q.weight",
            ],
            "",
        ),
        (Naming::Llama, ["enc.blk.", "attn_rel_b.weight", "attn_q.weight"], "token_embd.weight"),
    ];
    namings.into_iter().find_map(|(naming, [blocks, bias, query], embedding)| {
        prefixes(weights, &format!("{blocks}0.{bias}")).into_iter().find_map(|prefix| {
            let has = |block: usize, name: &str| weights.contains(&format!("{prefix}{blocks}{block}.{name}"));
            let is_umt5 = !has(1, query) || has(1, bias);
            let is_whole = embedding.is_empty() || weights.contains(&format!("{prefix}{embedding}"));
            (is_umt5 && is_whole).then_some(Part { kind: ComponentKind::TextEncoder, naming, prefix })
        })
    })
}

fn vae(weights: &Weights) -> Option<Part<'_>> {
    let part = |naming, prefix| Part { kind: ComponentKind::Vae, naming, prefix };
    let fits = |prefix: &&str, second: &str| has(weights, &format!("{prefix}{second}"), 5);
    let of = |first: &str, second: &str| {
        let is_conv = |prefix: &&str| has(weights, &format!("{prefix}{first}"), 5) && fits(prefix, second);
        prefixes(weights, first).into_iter().find(is_conv)
    };
    if let Some(prefix) = of("decoder.conv_in.weight", "post_quant_conv.weight") {
        return Some(part(Naming::Diffusers, prefix));
    }
    let prefix = of("decoder.conv1.weight", "conv2.weight")?;
    VaePlan::from_original(|name| weights.contains(&format!("{prefix}{name}")))?;
    Some(part(Naming::Original, prefix))
}

/// Renames a scale like its weight.
fn with_scale(name: &str, rename: impl Fn(&str) -> Option<String>) -> Option<String> {
    for (suffix, ours) in SCALES {
        if let Some(module) = name.strip_suffix(suffix) {
            let weight = rename(&format!("{module}.weight"))?;
            return Some(format!("{}{}", weight.strip_suffix(".weight")?, ours?));
        }
    }
    rename(name)
}

fn is_attached(name: &str) -> bool {
    ATTACHED.iter().any(|attached| name.ends_with(attached))
        || SCALES.iter().any(|(suffix, _)| name.ends_with(suffix))
}
