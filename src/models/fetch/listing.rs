//! What the hub has of a selection's files, asked once for each repository.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::super::manifest::{ManifestFile, Selection};
use crate::core::{Error, Kind, Result};
use crate::transfers::{Downloader, HubFile, ObjectId};

/// Files that a whole repository has beside its model.
const NOT_NEEDED: [&str; 9] = ["md", "png", "jpg", "jpeg", "gif", "mp4", "webp", "pdf", "gitattributes"];

/// A file of the hub, and the entry of the manifest that asks for it.
pub(super) struct Listed<'a> {
    pub(super) entry: &'a ManifestFile,
    pub(super) file: HubFile,
    /// Its path in the item's folder.
    pub(super) to: String,
}

/// All files of `selection`.
pub(super) fn list<'a>(downloader: &Downloader<'_>, selection: &Selection<'a>) -> Result<Vec<Listed<'a>>> {
    let mut repositories = BTreeMap::<(&str, &str), Vec<HubFile>>::new();
    for entry in &selection.files {
        let key = (entry.repository.as_str(), entry.revision.as_str());
        if let Entry::Vacant(place) = repositories.entry(key) {
            place.insert(downloader.list(key.0, key.1)?);
        }
    }
    let mut listed = Vec::new();
    for entry in &selection.files {
        let files = &repositories[&(entry.repository.as_str(), entry.revision.as_str())];
        let before = listed.len();
        listed.extend(files.iter().filter(|file| is_meant(entry, file)).map(|file| Listed {
            entry,
            to: destination(entry, &file.path),
            file: file.clone(),
        }));
        if listed.len() == before {
            return Err(Error::new(
                Kind::MissingModel,
                format!("The repository {} has no {}", entry.repository, shown(entry)),
            )
            .remedy(
                "Look on the hub for its new name, and write it into a models-manifest.ron of your own",
            ));
        }
    }
    listed.iter().try_for_each(|one| check(one.entry, &one.file))?;
    Ok(listed)
}

fn shown(entry: &ManifestFile) -> &str {
    if entry.path.is_empty() { "files" } else { &entry.path }
}

fn is_meant(entry: &ManifestFile, file: &HubFile) -> bool {
    if !entry.is_folder() {
        return file.path == entry.path;
    }
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let extension = name.rsplit('.').next().unwrap_or_default().to_lowercase();
    file.path.starts_with(&entry.path) && !name.starts_with('.') && !NOT_NEEDED.contains(&extension.as_str())
}

/// The place of a file in the item's folder: what follows the entry's folder, in the folder `to`.
fn destination(entry: &ManifestFile, path: &str) -> String {
    let inside = if entry.is_folder() {
        path.strip_prefix(&entry.path).unwrap_or(path)
    } else {
        path.rsplit('/').next().unwrap_or(path)
    };
    if entry.to.is_empty() { inside.to_owned() } else { format!("{}/{inside}", entry.to.trim_matches('/')) }
}

/// Whether the hub still has what the manifest knows.
fn check(entry: &ManifestFile, file: &HubFile) -> Result<()> {
    let other = |what: String| {
        Error::new(Kind::CorruptModel, format!("{} on the hub differs from the manifest: {what}", file.path))
            .remedy("Remove size and sha256 from the manifest if the new file is meant")
    };
    if let Some(size) = entry.size.filter(|size| *size != file.size && !entry.is_folder()) {
        return Err(other(format!("{} bytes, not {}", file.size.0, size.0)));
    }
    match (&entry.sha256, &file.object) {
        (Some(expected), Some(ObjectId::Sha256(now))) if !expected.eq_ignore_ascii_case(now) => {
            Err(other(format!("SHA-256 {now}, not {expected}")))
        }
        _ => Ok(()),
    }
}
