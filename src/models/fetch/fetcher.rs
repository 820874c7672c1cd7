//! Makes plans and carries them out.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::catalog;
use super::super::known_experts::remember_fetched;
use super::super::manifest::{Manifest, Selection};
use super::adopt::{self, OnThisMachine};
use super::listing;
use super::plan::{FetchPlan, PlannedFile, PlannedState};
use super::progress::{Meter, ModelFetchEvent};
use super::record::{FetchRecord, RecordedFile, modified};
use crate::core::{Bytes, CancelToken, Error, Kind, Result};
use crate::transfers::{
    Downloader, FileSource, Hub, HubEnvironment, ObjectHasher, ObjectId, TransferEvent, TransferOptions,
    check_file_header,
};

/// Fetches models into a data folder.
#[derive(Clone)]
pub struct Fetcher {
    /// The data folder; models go to its folder `models`, LoRAs to `loras`.
    pub data_dir: PathBuf,
    /// A folder with models that are used without copying.
    pub models_dir: Option<PathBuf>,
    /// The hub, the token and the caches.
    pub environment: HubEnvironment,
    /// Connections, limits and patience.
    pub options: TransferOptions,
    /// Stops what is going on; what was received is kept.
    pub cancel: CancelToken,
}

impl Fetcher {
    /// A fetcher with this process's environment.
    pub fn new(data_dir: &Path, models_dir: Option<&Path>) -> Self {
        Self {
            data_dir: data_dir.to_path_buf(),
            models_dir: models_dir.map(Path::to_path_buf),
            environment: HubEnvironment::from_process(),
            options: TransferOptions::default(),
            cancel: CancelToken::new(),
        }
    }

    /// The folder that a selection goes to.
    pub fn folder(&self, selection: &Selection<'_>) -> PathBuf {
        self.data_dir.join(selection.parent_name()).join(selection.folder_name())
    }

    /// Asks the hub for the files of `name` (see [`Manifest::select`]) and looks what is here already. Nothing is
    /// written.
    pub fn plan(&self, manifest: &Manifest, name: &str, variant: Option<&str>) -> Result<FetchPlan> {
        let selection = manifest.select(name, variant)?;
        let hub = self.hub(manifest.endpoint.as_ref());
        let downloader = Downloader::new(&hub, self.options, &self.cancel);
        let listed = listing::list(&downloader, &selection)?;
        let here = OnThisMachine::look(&self.environment, &self.folders());
        Ok(FetchPlan::new(&selection, manifest.endpoint.clone(), self.folder(&selection), listed, &here))
    }

    /// The hub of the environment, else the one that a manifest names, which does not get the user's token.
    fn hub(&self, named: Option<&String>) -> Hub {
        match named.filter(|_| self.environment.endpoint.is_none()) {
            Some(endpoint) => Hub::new(&HubEnvironment {
                endpoint: Some(endpoint.clone()),
                token: None,
                token_path: None,
                ..self.environment.clone()
            }),
            None => Hub::new(&self.environment),
        }
    }

    /// Folders whose files are used without copying.
    fn folders(&self) -> Vec<PathBuf> {
        let mut folders = catalog::places(&self.data_dir, self.models_dir.as_deref());
        if let Some(user) = directories::UserDirs::new() {
            let home = user.home_dir();
            let documents = user.document_dir().map(|documents| documents.join("ComfyUI/models"));
            folders.extend([home.join("ComfyUI/models")].into_iter().chain(documents));
        }
        folders
    }

    /// Carries out a plan: links what is here, fetches the rest, checks everything and records it. Returns the model's
    /// folder. An interrupted run goes on where it stopped.
    ///
    /// # Errors
    ///
    /// [`Kind::Io`] for too little disk space, and the errors of [`Downloader::fetch`].
    pub fn run(&self, plan: &FetchPlan, report: &(dyn Fn(ModelFetchEvent) + Sync)) -> Result<PathBuf> {
        plan.check_space()?;
        let failed = |error: io::Error| {
            Error::new(Kind::Io, format!("Cannot create {}", plan.folder.display()))
                .because(error)
                .remedy("Choose another data folder with --data-dir")
        };
        fs::create_dir_all(&plan.folder).map_err(failed)?;
        let hub = self.hub(plan.endpoint.as_ref());
        let downloader = Downloader::new(&hub, self.options, &self.cancel);
        let meter = Meter::new(plan.total(), report);
        let mut record = FetchRecord {
            id: plan.id.clone(),
            item_version: plan.version.clone(),
            variant: plan.variant.clone(),
            licence: plan.licence.clone(),
            is_complete: false,
            ..FetchRecord::read(&plan.folder).unwrap_or_default()
        };
        for (index, file) in plan.files.iter().enumerate() {
            self.cancel.check()?;
            let (path, number) = (file.to.clone(), index + 1);
            meter.send(ModelFetchEvent::File { path, number, of: plan.files.len() });
            if let Some(object) = self.one_file(&downloader, plan, file, &meter)? {
                let path = plan.folder.join(&file.to);
                record.add(RecordedFile {
                    path: file.to.clone(),
                    size: file.file.size,
                    object,
                    modified: modified(&path),
                    repository: file.repository.clone(),
                    revision: file.revision.clone(),
                });
                record.write(&plan.folder)?;
                remember_fetched(&self.data_dir, file.component, &path, &file.file.path);
            }
        }
        record.files.retain(|known| plan.files.iter().any(|file| file.to == known.path));
        record.is_complete = true;
        record.write(&plan.folder)?;
        Ok(plan.folder.clone())
    }

    /// Brings one file to its place. Returns the id of what was checked; `None` if the record has it already.
    fn one_file(
        &self,
        downloader: &Downloader<'_>,
        plan: &FetchPlan,
        file: &PlannedFile,
        meter: &Meter<'_>,
    ) -> Result<Option<ObjectId>> {
        let to = plan.folder.join(&file.to);
        match &file.state {
            PlannedState::Ready => {
                meter.found(file.file.size);
                return Ok(None);
            }
            PlannedState::Unchecked => match self.checked(&to, file, meter)? {
                Ok(object) => return Ok(Some(object)),
                Err(reason) => {
                    meter.send(ModelFetchEvent::NotAdopted { at: to.clone(), reason });
                    // a link or a second name: the other one stays
                    remove_replaced(&to)?;
                }
            },
            PlannedState::Elsewhere(from) => match self.adopted(from, &to, file, meter)? {
                Ok(object) => {
                    meter.send(ModelFetchEvent::Adopted { from: from.clone() });
                    return Ok(Some(object));
                }
                Err(reason) => meter.send(ModelFetchEvent::NotAdopted { at: from.clone(), reason }),
            },
            PlannedState::Partial(_) | PlannedState::Missing => {}
        }
        let source = FileSource { repository: &file.repository, revision: &file.revision, file: &file.file };
        let received = downloader.fetch(source, &to, &|event| meter.transfer(event, &file.to))?;
        Ok(Some(received.object))
    }

    /// The id of the file at `path` if it is `file`; else why it is not, and nothing of it counts as found.
    fn checked(
        &self,
        path: &Path,
        file: &PlannedFile,
        meter: &Meter<'_>,
    ) -> Result<Result<ObjectId, String>> {
        let mut read = 0;
        let mut found = |bytes| {
            read += bytes;
            meter.found(Bytes(bytes));
        };
        let checked = self.check(path, file, &mut found)?;
        if checked.is_err() {
            meter.transfer(TransferEvent::Lost(Bytes(read)), &file.to);
        }
        Ok(checked)
    }

    fn check(
        &self,
        path: &Path,
        file: &PlannedFile,
        read: &mut dyn FnMut(u64),
    ) -> Result<Result<ObjectId, String>> {
        let expected = file.file.object.as_ref();
        let object = match ObjectHasher::of_file(path, expected, &self.cancel, read) {
            Err(error) if error.kind == Kind::Io => return Ok(Err(format!("{error:#}"))),
            other => other?,
        };
        if let Some(expected) = expected.filter(|expected| **expected != object) {
            return Ok(Err(format!("its checksum is {object}, not {expected}")));
        }
        Ok(match check_file_header(path, &file.file.path) {
            Ok(()) => Ok(object),
            Err(error) => Err(format!("{error:#}")),
        })
    }

    fn adopted(
        &self,
        from: &Path,
        to: &Path,
        file: &PlannedFile,
        meter: &Meter<'_>,
    ) -> Result<Result<ObjectId, String>> {
        let object = match self.checked(from, file, meter)? {
            Ok(object) => object,
            Err(reason) => return Ok(Err(reason)),
        };
        // a file of another size, which has to make room
        remove_replaced(to)?;
        let linked = adopt::link(from, to);
        if linked.is_err() {
            meter.transfer(TransferEvent::Lost(file.file.size), &file.to);
        }
        Ok(linked.map(|()| object).map_err(|error| format!("it cannot be linked: {error}")))
    }
}

/// Removes a file of the model that another one replaces, if it is there.
fn remove_replaced(to: &Path) -> Result<()> {
    match fs::remove_file(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::new(Kind::Io, format!("Cannot replace {}", to.display()))
                .because(error)
                .remedy("Remove it in the file manager"))
        }
        _ => Ok(()),
    }
}
