//! The checkpoint files of a folder that belong to no model.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::unsupported::unsupported_format;
use super::scan::scan;
use crate::core::{Error, Kind};
use crate::wan::names::LORA;

/// Folders of LoRA files, which are listed by themselves.
const LORA_FOLDERS: [&str; 2] = ["loras", "lora"];

/// A checkpoint file that was looked at and belongs to no model.
#[derive(Clone, Debug, Serialize)]
pub struct OtherFile {
    /// The name of the file.
    pub id: String,
    /// The file.
    pub path: PathBuf,
    /// What it seems to be, if it could be read.
    pub seems_to_be: Option<String>,
    /// Why it is not used, and what to do.
    pub error: Error,
    /// Where it would be found, if it lies in a wrong folder.
    pub belongs_at: Option<PathBuf>,
}

impl OtherFile {
    fn new(path: PathBuf, seems_to_be: Option<String>, error: Error) -> Self {
        let id = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { id, path, seems_to_be, error, belongs_at: None }
    }

    /// Whether it is a LoRA.
    pub fn is_lora(&self) -> bool {
        self.seems_to_be.as_deref() == Some(LORA)
    }
}

/// The files in `dir` that are no component of a Wan model, in an unsupported format, or damaged.
pub(in super::super) fn other_files(dir: &Path) -> Vec<OtherFile> {
    let scan = scan(dir);
    let unrecognised = scan.unrecognised.into_iter().filter(|(path, _)| !is_in_lora_folder(path));
    let unrecognised = unrecognised.map(|(path, what)| {
        let error = not_recognised(&path, &what);
        OtherFile::new(path, Some(what), error)
    });
    let unsupported = scan.unsupported.into_iter().map(|path| {
        let error = unsupported_format(&path);
        OtherFile::new(path, Some("a PyTorch pickle".to_owned()), error)
    });
    let broken = scan.broken.into_iter().filter(|(path, _)| !is_in_lora_folder(path));
    let broken = broken.map(|(path, error)| OtherFile::new(path, None, error));
    let mut files: Vec<_> = unrecognised.chain(unsupported).chain(broken).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn is_in_lora_folder(path: &Path) -> bool {
    path.parent().into_iter().flat_map(Path::ancestors).any(is_lora_folder)
}

/// Whether `folder` is by its name one of LoRAs.
pub(in super::super) fn is_lora_folder(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    LORA_FOLDERS.contains(&name.as_str())
}

fn not_recognised(path: &Path, what: &str) -> Error {
    Error::new(Kind::Unsupported, format!("{} is not part of Wan 2.2. It seems to be {what}", path.display()))
        .remedy("Leave it there for other programs, or fetch the file of Wan 2.2 that you meant")
}
