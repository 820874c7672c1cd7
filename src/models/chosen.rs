//! Components from files that a person chose.

use std::path::{Path, PathBuf};

use super::unsupported::{is_unsupported, unsupported_format};
use crate::core::{Error, Kind, Result};
use crate::onnx::Weights;
use crate::wan::names::{ComponentKind, Recognised, recognise};

/// A file that was chosen for a component.
#[derive(Clone, Debug)]
pub(super) struct ChosenFile {
    pub(super) path: PathBuf,
    pub(super) recognised: Recognised,
    /// Whether the file contains a tokenizer.
    pub(super) has_tokenizer: bool,
}

/// Opens the file that was chosen for the component `kind`; `field` is the name of the option.
pub(super) fn open(path: &Path, kind: ComponentKind, field: &'static str) -> Result<ChosenFile> {
    let what = match kind {
        ComponentKind::Transformer => "transformer",
        ComponentKind::TextEncoder => "UMT5 text encoder",
        ComponentKind::Vae => "VAE",
    };
    if is_unsupported(path) {
        return Err(unsupported_format(path).field(field));
    }
    if !path.is_file() {
        return Err(Error::new(Kind::MissingModel, format!("The {what} {} is not there", path.display()))
            .field(field)
            .remedy("Choose another file, or let Wandeck choose"));
    }
    let weights = Weights::from_files(&[path.to_path_buf()]).map_err(|error| error.field(field))?;
    let has_tokenizer = weights.contains("spiece_model");
    let recognised = recognise(&weights).map_err(|error| error.field(field))?;
    let recognised = recognised.into_iter().find(|found| found.kind == kind).ok_or_else(|| {
        Error::new(
            Kind::Input,
            format!("{} is not a {what} of Wan; it seems to be {}", path.display(), seems(&weights)),
        )
        .field(field)
        .remedy("Choose another file")
    })?;
    Ok(ChosenFile { path: path.to_path_buf(), recognised, has_tokenizer })
}

/// What a file that is no component of Wan seems to be, by the names of its tensors.
pub(super) fn seems(weights: &Weights) -> String {
    let has = |part: &str| weights.names().any(|name| name.contains(part));
    if let Some(found) = recognise(weights).ok().and_then(|found| found.into_iter().next()) {
        return match found.kind {
            ComponentKind::Transformer => "a transformer of Wan",
            ComponentKind::TextEncoder => "a UMT5 text encoder",
            ComponentKind::Vae => "a VAE",
        }
        .to_owned();
    }
    const KNOWN: [(&str, &str); 15] = [
        ("lora_", "a LoRA"),
        (".lokr_", "a LoRA (LoKr)"),
        (".hada_", "a LoRA (LoHa)"),
        ("vace_blocks.", "a VACE model"),
        ("double_blocks.", "a Flux or HunyuanVideo transformer"),
        ("double_stream_blocks.", "a Flux transformer"),
        ("transformer_blocks.", "a transformer of another model"),
        ("joint_blocks.", "a Stable Diffusion 3 transformer"),
        ("model.diffusion_model.input_blocks.", "a Stable Diffusion checkpoint"),
        ("input_blocks.", "a Stable Diffusion UNet"),
        ("visual.transformer.", "a CLIP image encoder"),
        ("vision_model.", "a CLIP image encoder"),
        ("text_model.", "a CLIP text encoder"),
        ("encoder.block.", "a T5 text encoder of another model"),
        ("model.layers.", "a language model"),
    ];
    if let Some((_, what)) = KNOWN.iter().find(|(part, _)| has(part)) {
        return (*what).to_owned();
    }
    if has("decoder.") && has("encoder.") {
        return "a VAE of another model".to_owned();
    }
    let first = weights.names().next().unwrap_or("nothing");
    format!("unknown, with {} tensors such as {first}", weights.names().count())
}
