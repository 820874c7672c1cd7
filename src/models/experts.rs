//! Finds out whether a transformer is the high-noise or the low-noise expert, by its file's and folder's names.

use std::path::Path;

use super::info::RoleSource;
use crate::core::{Error, Expert, Kind, Result};
use crate::onnx::Weights;

/// The expert by the names of a transformer's file and folder, and which name said so; an error if they disagree.
///
/// Both a link's own name and the name of its target count.
pub(super) fn expert_of_file(path: &Path, weights: &Weights) -> Result<Option<(Expert, RoleSource)>> {
    let text = |name: Option<&std::ffi::OsStr>| name.unwrap_or_default().to_string_lossy().into_owned();
    let stem = text(path.file_stem());
    let folder = text(path.parent().and_then(Path::file_name));
    let real = weights.files().first().map(|file| text(file.file_stem())).unwrap_or_default();
    let said = [
        Expert::from_name(&stem).map(|expert| (expert, RoleSource::FileName(stem))),
        Expert::from_folder_name(&folder).map(|expert| (expert, RoleSource::FolderName(folder))),
        Expert::from_name(&real).map(|expert| (expert, RoleSource::FileName(real))),
    ];
    let mut said = said.into_iter().flatten();
    let Some(first) = said.next() else { return Ok(None) };
    match said.find(|(expert, _)| *expert != first.0) {
        None => Ok(Some(first)),
        Some((other, _)) => Err(contradiction(path, first.0, other)),
    }
}

/// The error for a transformer whose names disagree about the expert.
pub(super) fn contradiction(path: &Path, first: Expert, second: Expert) -> Error {
    Error::new(
        Kind::CorruptModel,
            format!(
                "The names of {} disagree: one says {} noise, another {} noise",
                path.display(),
                first.word(),
                second.word()
            ),
        )
        .remedy("Check which expert the file is. If the two experts are swapped, swap them back; else rename the file or its folder")
}
