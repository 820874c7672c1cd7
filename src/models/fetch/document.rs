//! The documents that `--json` prints about models that can be fetched.

use std::path::Path;

use serde::Serialize;

use super::super::manifest::{FileComponent, ItemKind, Selection};
use super::fit::SizeFit;
use super::plan::{FetchPlan, PlannedFile, PlannedState};
use crate::core::{Bytes, Mode};

/// A variant of the manifest.
#[derive(Clone, Debug, Serialize)]
pub struct ManifestItemDocument<'a> {
    /// Id of the item.
    pub id: &'a str,
    /// Version of the item.
    pub version: &'a str,
    /// Name of the variant.
    pub variant: &'a str,
    /// What it is.
    pub kind: ItemKind,
    /// Its modes.
    pub modes: &'a [Mode],
    /// What it is for.
    pub purpose: &'a str,
    /// SPDX name of its licence.
    pub licence: &'a str,
    /// Size as far as the manifest knows it.
    pub known_size: Bytes,
    /// Whether that is the size of all files.
    pub is_whole_size: bool,
    /// Whether it fits this machine's memory, roughly.
    pub fit: SizeFit,
    /// Its folder, if it is here, complete and checked.
    pub fetched: Option<&'a Path>,
}

impl<'a> ManifestItemDocument<'a> {
    /// The document of a variant.
    pub fn new(selection: &Selection<'a>, fit: SizeFit, fetched: Option<&'a Path>) -> Self {
        let (known_size, is_whole_size) = selection.known_size();
        let item = selection.item;
        Self {
            id: &item.id,
            version: &item.version,
            variant: &selection.variant.name,
            kind: item.kind,
            modes: &item.modes,
            purpose: &item.purpose,
            licence: &item.licence,
            known_size,
            is_whole_size,
            fit,
            fetched,
        }
    }
}

/// A plan.
#[derive(Clone, Debug, Serialize)]
pub struct FetchPlanDocument<'a> {
    /// Id of the item.
    pub id: &'a str,
    /// Version of the item.
    pub version: &'a str,
    /// Name of the variant.
    pub variant: &'a str,
    /// SPDX name of its licence.
    pub licence: &'a str,
    /// The folder that it goes to.
    pub folder: &'a Path,
    /// Size of all files.
    pub total_bytes: Bytes,
    /// Bytes that come from the hub.
    pub fetch_bytes: Bytes,
    /// Free space of the folder's disk.
    pub free_bytes: Option<Bytes>,
    /// Its files.
    pub files: Vec<PlannedFileDocument<'a>>,
}

/// A file of a plan.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedFileDocument<'a> {
    /// What it is.
    pub component: FileComponent,
    /// `owner/name` of its repository.
    pub repository: &'a str,
    /// Its path in the repository.
    pub path: &'a str,
    /// Its path in the folder.
    pub to: &'a str,
    /// Its size.
    pub size: Bytes,
    /// `ready`, `unchecked`, `elsewhere`, `partial` or `missing`.
    pub state: &'static str,
    /// Where it is, if it is elsewhere on this machine.
    pub at: Option<&'a Path>,
    /// Bytes that come from the hub.
    pub fetch_bytes: Bytes,
}

impl<'a> FetchPlanDocument<'a> {
    /// The document of `plan`.
    pub fn new(plan: &'a FetchPlan) -> Self {
        Self {
            id: &plan.id,
            version: &plan.version,
            variant: &plan.variant,
            licence: &plan.licence,
            folder: &plan.folder,
            total_bytes: plan.total(),
            fetch_bytes: plan.to_fetch(),
            free_bytes: plan.free,
            files: plan.files.iter().map(PlannedFileDocument::new).collect(),
        }
    }
}

impl<'a> PlannedFileDocument<'a> {
    fn new(file: &'a PlannedFile) -> Self {
        let (state, at) = match &file.state {
            PlannedState::Ready => ("ready", None),
            PlannedState::Unchecked => ("unchecked", None),
            PlannedState::Elsewhere(path) => ("elsewhere", Some(path.as_path())),
            PlannedState::Partial(_) => ("partial", None),
            PlannedState::Missing => ("missing", None),
        };
        Self {
            component: file.component,
            repository: &file.repository,
            path: &file.file.path,
            to: &file.to,
            size: file.file.size,
            state,
            at,
            fetch_bytes: file.to_fetch(),
        }
    }
}
