//! Chooses a text encoder, a VAE and a tokenizer among what a folder holds.

use std::path::{Path, PathBuf};

use super::super::component::{self, Checked};
use super::super::info::precision;
use super::super::refused::refusal;
use super::scan::{Found, Scan};
use crate::core::{Error, Kind, Result};
use crate::wan::names::Part;
use crate::wan::{TextEncoderConfig, VaeConfig};

/// Precisions, the one with the best numbers first.
const BEST_FIRST: [&str; 5] = ["fp32", "bf16", "fp16", "fp8_scaled", "fp8"];

/// Parts of one kind, best precision first, then by name.
fn parts(scan: &Scan, part: Part) -> Vec<&Found> {
    let rank = |found: &Found| {
        let precision = precision(&found.recognised.weights);
        BEST_FIRST.iter().position(|name| *name == precision).unwrap_or(BEST_FIRST.len())
    };
    let mut parts: Vec<_> = scan.found.iter().filter(|found| found.recognised.part == part).collect();
    parts.sort_by_key(|found| rank(found));
    parts
}

/// The VAE with `channels` latent channels.
pub(super) fn vae(scan: &Scan, model: &str, channels: usize) -> Result<Checked<VaeConfig>> {
    let wanted = if channels == 48 { "Wan 2.2's VAE (wan2.2_vae)" } else { "Wan 2.1's VAE (wan_2.1_vae)" };
    let channels_of = |found: &Found| {
        let info = found.recognised.weights.get("post_quant_conv.weight").ok()?;
        info.shape.first().copied()
    };
    let all = parts(scan, Part::Vae);
    let fitting: Vec<_> = all.iter().filter(|found| channels_of(found) == Some(channels)).collect();
    if let Some(found) = fitting.first() {
        let (component, mut notes) = component::vae(found.recognised.clone(), None)?;
        notes.extend(others(&fitting.iter().map(|found| **found).collect::<Vec<_>>(), "VAEs"));
        return Ok((component, notes));
    }
    if let Some(other) = all.first() {
        return Err(Error::new(
            Kind::CorruptModel,
            format!(
                "{model} makes latents of {channels} channels and the only VAE here, {}, has {}: it is another \
                 model's VAE",
                other.path.display(),
                channels_of(other).unwrap_or_default()
            ),
        )
        .remedy(format!("Put {wanted} beside it")));
    }
    Err(missing(scan, Part::Vae, model, wanted))
}

/// The text encoder that writes rows of `width`.
pub(super) fn text_encoder(
    scan: &Scan,
    model: &str,
    width: usize,
) -> Result<(Checked<TextEncoderConfig>, PathBuf)> {
    let all = parts(scan, Part::TextEncoder);
    let width_of = |found: &Found| {
        let info = found.recognised.weights.get("shared.weight").ok()?;
        info.shape.get(1).copied()
    };
    let fitting: Vec<_> = all.iter().copied().filter(|found| width_of(found) == Some(width)).collect();
    if let Some(found) = fitting.first() {
        let (component, mut notes) = component::text_encoder(found.recognised.clone(), None)?;
        notes.extend(others(&fitting, "text encoders"));
        return Ok(((component, notes), tokenizer(scan, found)?));
    }
    if let Some(other) = all.first() {
        return Err(Error::new(
            Kind::CorruptModel,
            format!(
                "{model} reads text of width {width} and the text encoder {} writes {}",
                other.path.display(),
                width_of(other).unwrap_or_default()
            ),
        )
        .remedy("Put the UMT5-XXL encoder (umt5_xxl) beside it"));
    }
    Err(missing(scan, Part::TextEncoder, model, "the UMT5-XXL text encoder (umt5_xxl)"))
}

/// The tokenizer inside the text encoder's file, else a folder with one.
fn tokenizer(scan: &Scan, text: &Found) -> Result<PathBuf> {
    if scan.tokenizer_files.contains(&text.path) {
        return Ok(text.path.clone());
    }
    let near = |folder: &&PathBuf| text.path.parent().is_some_and(|parent| folder.starts_with(parent));
    let found = scan.tokenizers.iter().find(near).or_else(|| scan.tokenizers.first()).cloned();
    found.or_else(|| scan.tokenizer_files.first().cloned()).ok_or_else(|| {
        Error::new(
            Kind::MissingModel,
            format!("The text encoder {} has no tokenizer beside it or in it", text.path.display()),
        )
        .remedy(
            "Put spiece.model (4.5 MB, of google/umt5-xxl) beside it, or use Comfy-Org's umt5_xxl file, which \
             carries its own",
        )
    })
}

fn others(fitting: &[&Found], what: &str) -> Option<String> {
    let (first, rest) = fitting.split_first()?;
    (!rest.is_empty())
        .then(|| format!("Of {} {what}, {} is used, for its precision", rest.len() + 1, first.path.display()))
}

/// The error for a part that is not there: what is wrong with a file that might be it, else that it is missing.
pub(super) fn missing(scan: &Scan, part: Part, model: &str, wanted: &str) -> Error {
    let may_be = |path: &Path| guess(&scan.root, path) == part;
    if let Some((_, error)) = scan.broken.iter().find(|(path, _)| may_be(path)) {
        return error.clone();
    }
    if let Some(path) = scan.refused.iter().find(|path| may_be(path)) {
        return refusal(path);
    }
    Error::new(Kind::MissingModel, format!("{model} lacks {wanted} in {}", scan.root.display()))
        .remedy("Put its .safetensors file there")
}

/// What a file that cannot be read might be, by its name.
pub(super) fn guess(root: &Path, path: &Path) -> Part {
    let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().to_lowercase();
    if name.contains("vae") {
        Part::Vae
    } else if ["t5", "text_encoder", "clip"].iter().any(|word| name.contains(word)) {
        Part::TextEncoder
    } else {
        Part::Transformer
    }
}
