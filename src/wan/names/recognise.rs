//! Recognises which component a checkpoint is, by the names and shapes of its tensors.

use super::quantised_forms::{refuse_foreign, understood};
use super::transformer::TRANSFORMER;
use super::umt5::TEXT_ENCODER;
use super::vae::VaePlan;
use crate::core::Result;
use crate::onnx::Weights;

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

/// Prefixes of all names in files that were saved from a larger model.
const PREFIXES: [&str; 3] = ["", "model.diffusion_model.", "diffusion_model."];
/// Suffixes of tensors beside an fp8 weight, and the suffix used here; `None` if the tensor is not needed.
const SCALES: [(&str, Option<&str>); 5] = [
    (".scale_weight", Some(".scale_weight")),
    (".weight_scale", Some(".scale_weight")),
    (".scale_input", None),
    (".input_scale", None),
    (".comfy_quant", None),
];
/// Extra tensors of single files: a marker and the tokenizer.
const ATTACHED: [&str; 2] = ["scaled_fp8", "spiece_model"];

/// Recognises the component that `weights` are, and renames them to diffusers' names; `None` for other models.
///
/// Fails if it is one whose weights are quantised in a form that is not supported.
pub fn recognise(weights: &Weights) -> Result<Option<Recognised>> {
    if let Some((prefix, naming)) = transformer_naming(weights) {
        let rename = |name: &str| match naming {
            Naming::Original => TRANSFORMER.diffusers(name),
            Naming::Diffusers => TRANSFORMER.original(name).map(|_| name.to_owned()),
        };
        let known = |name: &str| with_scale(name.strip_prefix(prefix)?, rename);
        let unknown = |&(name, _): &(&str, _)| known(name).is_none() && !is_attached(name);
        let unknown = weights.iter().filter(unknown).map(|(name, _)| name.to_owned()).collect();
        return done(ComponentKind::Transformer, naming, &understood(weights)?, unknown, known);
    }
    if let Some(naming) = text_naming(weights) {
        let has_shared = weights.contains("shared.weight");
        let rename = |name: &str| match (naming, name) {
            (Naming::Original, _) => TEXT_ENCODER.diffusers(name),
            (_, "encoder.embed_tokens.weight") => (!has_shared).then(|| "shared.weight".to_owned()),
            _ => TEXT_ENCODER.original(name).map(|_| name.to_owned()),
        };
        return done(ComponentKind::TextEncoder, naming, &understood(weights)?, Vec::new(), |name| {
            with_scale(name, rename)
        });
    }
    if has(weights, "decoder.conv_in.weight", 5) && has(weights, "post_quant_conv.weight", 5) {
        return done(ComponentKind::Vae, Naming::Diffusers, weights, Vec::new(), |name| {
            Some(name.to_owned())
        });
    }
    if has(weights, "decoder.conv1.weight", 5)
        && has(weights, "conv2.weight", 5)
        && let Some(plan) = VaePlan::from_original(|name| weights.contains(name))
    {
        let renamer = plan.renamer();
        return done(ComponentKind::Vae, Naming::Original, weights, Vec::new(), |name| {
            renamer.diffusers(name)
        });
    }
    // quanto and others rename the matrices themselves, so only what they leave as it was can be recognised
    let is_wan = PREFIXES.iter().any(|prefix| has(weights, &format!("{prefix}patch_embedding.weight"), 5));
    if is_wan || weights.contains("blocks.0.pos_embedding.embedding.weight") {
        refuse_foreign(weights)?;
    }
    Ok(None)
}

fn done(
    kind: ComponentKind,
    naming: Naming,
    weights: &Weights,
    unknown: Vec<String>,
    rename: impl Fn(&str) -> Option<String>,
) -> Result<Option<Recognised>> {
    Ok(Some(Recognised { kind, naming, weights: weights.clone().renamed(rename)?, unknown }))
}

fn has(weights: &Weights, name: &str, dims: usize) -> bool {
    weights.get(name).is_ok_and(|info| info.shape.len() == dims)
}

fn transformer_naming(weights: &Weights) -> Option<(&'static str, Naming)> {
    let prefix =
        PREFIXES.into_iter().find(|prefix| has(weights, &format!("{prefix}patch_embedding.weight"), 5))?;
    if weights.contains(&format!("{prefix}blocks.0.self_attn.q.weight")) {
        return Some((prefix, Naming::Original));
    }
    weights.contains(&format!("{prefix}blocks.0.attn1.to_q.weight")).then_some((prefix, Naming::Diffusers))
}

/// Naming of a UMT5 encoder. Unlike other T5 models, it has a position bias in every block.
fn text_naming(weights: &Weights) -> Option<Naming> {
    if weights.contains("token_embedding.weight")
        && weights.contains("blocks.0.pos_embedding.embedding.weight")
    {
        return Some(Naming::Original);
    }
    let bias = |block: usize| {
        weights
            .contains(&format!("encoder.block.{block}.layer.0.SelfAttention.relative_attention_bias.weight"))
    };
    let second = weights.contains("encoder.block.1.layer.0.SelfAttention.q.weight");
    (bias(0) && (!second || bias(1))).then_some(Naming::Diffusers)
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
