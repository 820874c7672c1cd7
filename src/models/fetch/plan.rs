//! What a fetch would do, before it does it.

use std::path::{Path, PathBuf};

use super::super::manifest::{FileComponent, ItemKind, Selection};
use super::adopt::OnThisMachine;
use super::listing::Listed;
use super::record::FetchRecord;
use crate::core::{Bytes, Error, Kind, Result};
use crate::monitor::free_space;
use crate::transfers::{HubFile, received_part};

/// Most space that stays free beside what is fetched; less beside small models.
const RESERVE: Bytes = Bytes(512 << 20);
/// The part of a small model's size that stays free.
const RESERVED_PART: u64 = 10;

/// The files of a variant, and what has to be done for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchPlan {
    /// Id of the item.
    pub id: String,
    /// Version of the item.
    pub version: String,
    /// Name of the variant.
    pub variant: String,
    /// What the item is.
    pub kind: ItemKind,
    /// SPDX name of its licence.
    pub licence: String,
    /// The folder that it goes to.
    pub folder: PathBuf,
    /// The hub that the manifest names.
    pub endpoint: Option<String>,
    /// Its files.
    pub files: Vec<PlannedFile>,
    /// Free space of the folder's disk, where it is known.
    pub free: Option<Bytes>,
}

/// A file of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFile {
    /// What it is.
    pub component: FileComponent,
    /// `owner/name` of its repository.
    pub repository: String,
    /// Branch, tag or commit.
    pub revision: String,
    /// The file as the hub lists it.
    pub file: HubFile,
    /// Its path in the item's folder, with slashes.
    pub to: String,
    /// What has to be done.
    pub state: PlannedState,
}

/// What has to be done for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlannedState {
    /// It is there and was checked.
    Ready,
    /// It is there; its content has to be checked.
    Unchecked,
    /// It is elsewhere on this machine, and is linked after a check.
    Elsewhere(PathBuf),
    /// So much of it was received before.
    Partial(Bytes),
    /// It has to be fetched.
    Missing,
}

impl FetchPlan {
    /// The plan for files that the hub lists.
    pub(super) fn new(
        selection: &Selection<'_>,
        endpoint: Option<String>,
        folder: PathBuf,
        listed: Vec<Listed<'_>>,
        here: &OnThisMachine,
    ) -> Self {
        let record = FetchRecord::read(&folder).unwrap_or_default();
        let files = listed.into_iter().map(|one| {
            let state = state(&folder, &record, &one, here);
            PlannedFile {
                component: one.entry.component,
                repository: one.entry.repository.clone(),
                revision: one.entry.revision.clone(),
                file: one.file,
                to: one.to,
                state,
            }
        });
        Self {
            id: selection.item.id.clone(),
            version: selection.item.version.clone(),
            variant: selection.variant.name.clone(),
            kind: selection.item.kind,
            licence: selection.item.licence.clone(),
            endpoint,
            files: files.collect(),
            free: folder.ancestors().find(|dir| dir.is_dir()).and_then(free_space),
            folder,
        }
    }

    /// Size of all files.
    pub fn total(&self) -> Bytes {
        Bytes(self.files.iter().map(|file| file.file.size.0).sum())
    }

    /// Bytes that have to come from the hub.
    pub fn to_fetch(&self) -> Bytes {
        Bytes(self.files.iter().map(|file| file.to_fetch().0).sum())
    }

    /// Fails if the disk has too little room.
    pub fn check_space(&self) -> Result<()> {
        let needed = self.to_fetch();
        let Some(free) = self.free.filter(|_| needed > Bytes(0)) else { return Ok(()) };
        let reserve = Bytes(RESERVE.0.min(needed.0 / RESERVED_PART));
        if needed.0.saturating_add(reserve.0) <= free.0 {
            return Ok(());
        }
        Err(Error::new(
            Kind::Io,
            format!(
                "Not enough disk space for {}: {needed} needed and {reserve} to spare, {free} free at {}",
                self.id,
                self.folder.display()
            ),
        )
        .remedy("Free some space, choose a smaller variant, or choose another data folder with --data-dir"))
    }
}

impl PlannedFile {
    /// Bytes that have to come from the hub.
    pub fn to_fetch(&self) -> Bytes {
        match self.state {
            PlannedState::Ready | PlannedState::Unchecked | PlannedState::Elsewhere(_) => Bytes(0),
            PlannedState::Partial(received) => Bytes(self.file.size.0.saturating_sub(received.0)),
            PlannedState::Missing => self.file.size,
        }
    }

    /// What has to be done for it, in words.
    pub fn state_words(&self) -> String {
        match &self.state {
            PlannedState::Ready => "already on this machine".to_owned(),
            PlannedState::Unchecked => "already on this machine, to be checked".to_owned(),
            PlannedState::Elsewhere(at) => format!("at {}, to be checked and linked", at.display()),
            PlannedState::Partial(received) => format!("resumes at {received}"),
            PlannedState::Missing => format!("to be fetched from {}", self.repository),
        }
    }
}

fn state(folder: &Path, record: &FetchRecord, listed: &Listed<'_>, here: &OnThisMachine) -> PlannedState {
    let path = folder.join(&listed.to);
    let file = &listed.file;
    if std::fs::metadata(&path).is_ok_and(|data| data.len() == file.size.0) {
        let checked = record.unchanged(folder, &listed.to);
        let is_same =
            checked.is_some_and(|checked| file.object.as_ref().is_none_or(|id| *id == checked.object));
        return if is_same { PlannedState::Ready } else { PlannedState::Unchecked };
    }
    if let Some(found) = here.find(&listed.entry.repository, file, &path) {
        return PlannedState::Elsewhere(found);
    }
    match received_part(&path, file.object.as_ref(), file.size) {
        Some(received) if received > Bytes(0) => PlannedState::Partial(received),
        _ => PlannedState::Missing,
    }
}
