//! Components from files that a person chose.

use std::path::{Path, PathBuf};

use super::unsupported::{is_unsupported, unsupported_format};
use crate::core::{Error, Kind, Result};
use crate::onnx::Weights;
use crate::wan::names::{ComponentKind, Recognised, recognise, resemblance};
use crate::wan::text::has_attached_tokenizer;

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
    let has_tokenizer = has_attached_tokenizer(&weights);
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

/// What a file that is not the component that was asked for seems to be.
fn seems(weights: &Weights) -> String {
    match recognise(weights).ok().and_then(|found| found.into_iter().next()) {
        None => resemblance(weights),
        Some(found) => match found.kind {
            ComponentKind::Transformer => "a transformer of Wan",
            ComponentKind::TextEncoder => "a UMT5 text encoder",
            ComponentKind::Vae => "a VAE",
        }
        .to_owned(),
    }
}
