//! Chooses text encoder and tokenizer among the files of a folder.

use std::path::{Path, PathBuf};

use super::super::chosen;
use super::super::component::{self, Checked};
use super::super::info::{exactness, precision};
use super::super::unsupported::unsupported_format;
use super::scan::{Found, Scan};
use crate::core::{Error, Kind, Result};
use crate::onnx::GGUF_TOKENIZER;
use crate::wan::TextEncoderConfig;
use crate::wan::names::ComponentKind;

/// All components of one kind, the most exact first, then by name.
fn components(scan: &Scan, kind: ComponentKind) -> Vec<&Found> {
    let rank = |found: &Found| exactness(precision(&found.recognised.weights));
    let mut found: Vec<_> = scan.found.iter().filter(|found| found.recognised.kind == kind).collect();
    found.sort_by_key(|found| rank(found));
    found
}

/// The text encoder with prompt embeddings of `width`, and its tokenizer; `file` is the person's choice.
pub(super) fn text_encoder(
    scan: &Scan,
    model: &str,
    width: usize,
    file: Option<&PathBuf>,
) -> Result<(Checked<TextEncoderConfig>, PathBuf)> {
    if let Some(path) = file {
        let file = chosen::open(path, ComponentKind::TextEncoder, "text_encoder")?;
        let found = Found { path: file.path, stem: String::new(), recognised: file.recognised };
        let tokenizer = if file.has_tokenizer { found.path.clone() } else { tokenizer(scan, &found)? };
        return Ok((component::text_encoder(found.recognised, None)?, tokenizer));
    }
    let all = components(scan, ComponentKind::TextEncoder);
    let width_of = |found: &Found| {
        let info = found.recognised.weights.get("shared.weight").ok()?;
        info.shape.get(1).copied()
    };
    let fitting: Vec<_> = all.iter().copied().filter(|found| width_of(found) == Some(width)).collect();
    if let Some(found) = fitting.first() {
        let (component, mut notes) = component::text_encoder(found.recognised.clone(), None)?;
        notes.extend(note_on_choice(&fitting, "text encoders"));
        return Ok(((component, notes), tokenizer(scan, found)?));
    }
    if let Some(other) = all.first() {
        return Err(Error::new(
            Kind::CorruptModel,
            format!(
                "{model} expects prompt embeddings of width {width} and the text encoder {} returns {}",
                other.path.display(),
                width_of(other).unwrap_or_default()
            ),
        )
        .remedy("Put the UMT5-XXL text encoder (umt5_xxl) into the folder"));
    }
    Err(missing(scan, ComponentKind::TextEncoder, model, "the UMT5-XXL text encoder (umt5_xxl)"))
}

/// The tokenizer in the text encoder's file, else the nearest folder with one. A folder beside a GGUF file comes before
/// the file's own vocabulary, which its converter may have changed.
fn tokenizer(scan: &Scan, text: &Found) -> Result<PathBuf> {
    let near = |folder: &&PathBuf| text.path.parent().is_some_and(|parent| folder.starts_with(parent));
    let near = scan.tokenizers.iter().find(near);
    let is_gguf = text.recognised.weights.metadata().contains_key(GGUF_TOKENIZER);
    if scan.tokenizer_files.contains(&text.path) && !(is_gguf && near.is_some()) {
        return Ok(text.path.clone());
    }
    let found = near.or_else(|| scan.tokenizers.first()).cloned();
    found.or_else(|| scan.tokenizer_files.first().cloned()).ok_or_else(|| {
        Error::new(
            Kind::MissingModel,
            format!("No tokenizer found for the text encoder {}", text.path.display()),
        )
        .remedy(
                "Put spiece.model (4.5 MB, from google/umt5-xxl) beside it, or use Comfy-Org's umt5_xxl file, which \
                 includes the tokenizer",
        )
    })
}

fn note_on_choice(fitting: &[&Found], what: &str) -> Option<String> {
    let (first, rest) = fitting.split_first()?;
    (!rest.is_empty()).then(|| {
        format!("Of {} {what}, {} is used because it is the most exact", rest.len() + 1, first.path.display())
    })
}

/// The error for a missing component; if an invalid file may be that component, the file's own error.
pub(super) fn missing(scan: &Scan, kind: ComponentKind, model: &str, wanted: &str) -> Error {
    let may_be = |path: &Path| guess(&scan.root, path) == kind;
    if let Some((_, error)) = scan.broken.iter().find(|(path, _)| may_be(path)) {
        return error.clone();
    }
    if let Some(path) = scan.unsupported.iter().find(|path| may_be(path)) {
        return unsupported_format(path);
    }
    Error::new(Kind::MissingModel, format!("{model} needs {wanted}, which is not in {}", scan.root.display()))
        .remedy("Put its .safetensors file into the folder")
}

/// The component that a file which cannot be read probably is, by its name.
pub(super) fn guess(root: &Path, path: &Path) -> ComponentKind {
    let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().to_lowercase();
    if name.contains("vae") {
        ComponentKind::Vae
    } else if ["t5", "text_encoder", "clip"].iter().any(|word| name.contains(word)) {
        ComponentKind::TextEncoder
    } else {
        ComponentKind::Transformer
    }
}
