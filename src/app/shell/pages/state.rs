//! The state of the pages, and the threads that read the disk for them.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::fetch::{FetchPage, manifest_reading};
use crate::app::background::idle_verify::IdleVerify;
use crate::app::background::settings_watch::SettingsWatch;
use crate::app::background::task::TaskThread;
use crate::app::panels::models::{AvailableModel, ModelDetail, RemovedModel, RoleChoice, RuntimeStatus};
use crate::app::panels::presets::PresetUndo;
use crate::app::panels::settings::ImportPreview;
use crate::app::widgets::chosen_files::ComponentRole;
use crate::core::{Bytes, CancelToken, ComponentFiles, Error, Result, Waker};
use crate::library::DiagnosticsBundle;
use crate::models::convert::Converted;
use crate::models::fetch::FetchPlan;
use crate::models::{Installed, MODELS_ROOT_VARIABLE, OtherFile, VerifyReport};
use crate::plan::{FittingLora, ListedLora};
use crate::presets::Preset;
use crate::store::{LOG_FILE, LogLine};

/// What a file dialog was opened for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A folder for the setting with this key.
    SettingFolder(&'static str),
    /// The data folder.
    DataFolder,
    /// A configuration to import.
    Import,
    /// The LoRA of the own preset with this name, instead of this file.
    PresetLora(String, PathBuf),
    /// A preset to import.
    ImportPreset,
    /// The new file of the preset with this name.
    ExportPreset(String),
    /// The file of a component.
    Role(ComponentRole),
}

/// What the threads of the pages found out.
pub(super) enum PageAnswer {
    /// What an import would change.
    Import(Box<Result<ImportPreview>>),
    /// The diagnostics.
    Bundle(DiagnosticsBundle),
    /// The diagnostics were saved as this file.
    SavedBundle(Result<PathBuf>),
    /// The id of the model that is due to be verified.
    VerifyDue(Option<String>),
    /// What verifying the model with this id found.
    Verified(String, Result<VerifyReport>),
    /// A model was converted.
    Converted(Result<Box<Converted>>),
    /// A model was removed.
    Removed(Result<RemovedModel>),
    /// The removed model was brought back; its id.
    BroughtBack(Result<String>),
    /// A file was moved; where it is now.
    Moved(Result<PathBuf>),
    /// The own presets were changed, which may have failed, and read.
    Presets(Option<Result<String>>, Result<(Vec<Preset>, Vec<Error>)>),
    /// A LoRA was checked against a model.
    LoraChecked(Box<ListedLora>),
    /// What a model can do and needs was found out.
    Described(String, Box<ModelDetail>),
    /// The LoRAs that fit the model with this id were found.
    LorasFitted(String, Result<Vec<FittingLora>>),
    /// A model was opened with files that a person chose.
    RolesTried(ComponentFiles, Box<Result<Installed>>),
    /// ONNX Runtime was looked at.
    Runtime(RuntimeStatus),
    /// Something of ONNX Runtime was installed or removed: says what, and what there is now.
    Installed(Result<(String, RuntimeStatus)>),
    /// The manifest was read.
    Available(Result<Vec<AvailableModel>>),
    /// Whether the folder of models that was chosen is there.
    ModelsFolder(Result<()>),
    /// The hub was asked for a model's files.
    Planned(Result<Box<FetchPlan>>),
    /// A fetch ended; its folder.
    Fetched(Result<PathBuf>),
    /// The data folder of the next start was chosen.
    DataFolder(Result<Option<PathBuf>>),
}

/// A task that is done with a model.
pub(super) struct RunningTask {
    pub(super) what: String,
    pub(super) progress: Arc<TaskProgress>,
    pub(super) started: Instant,
    pub(super) cancel: CancelToken,
}

/// How far a task is, as its thread says.
#[derive(Debug, Default)]
pub(super) struct TaskProgress {
    /// Bytes done.
    pub(super) done: AtomicU64,
    /// Bytes to do; 0 if that is not known.
    pub(super) total: AtomicU64,
}

impl TaskProgress {
    /// Adds to what is done.
    pub(super) fn add(&self, bytes: Bytes) {
        self.done.fetch_add(bytes.0, Ordering::Relaxed);
    }

    /// Takes in what was downloaded so far, of how many bytes.
    pub(super) fn downloaded(&self, done: Bytes, of: Option<Bytes>) {
        self.done.store(done.0, Ordering::Relaxed);
        if let Some(of) = of {
            self.total.store(of.0, Ordering::Relaxed);
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // the thread is joined
        if let Some(task) = &self.task {
            task.cancel.cancel();
        }
        self.fetch.cancel();
    }
}

/// The state of the pages.
pub(in crate::app::shell) struct Pages {
    pub(super) watch: SettingsWatch,
    pub(super) dialogs: TaskThread<Result<Option<(Purpose, PathBuf)>>>,
    pub(super) work: TaskThread<PageAnswer>,
    /// What takes minutes.
    pub(super) long_work: TaskThread<PageAnswer>,
    pub(super) task: Option<RunningTask>,
    /// The model that was removed last and can be brought back.
    pub(in crate::app::shell) removed: Option<RemovedModel>,
    pub(super) idle_verify: IdleVerify,
    pub(in crate::app::shell) fetch: FetchPage,
    /// Why files among the own presets are none.
    pub(in crate::app::shell) invalid_presets: Vec<Error>,
    /// The last change of a preset that can be taken back.
    pub(in crate::app::shell) preset_undo: Option<PresetUndo>,
    pub(in crate::app::shell) verified: BTreeMap<String, Result<VerifyReport>>,
    pub(in crate::app::shell) runtime: Option<RuntimeStatus>,
    /// The checkpoint files of the last scan that are part of no model.
    pub(in crate::app::shell) other_files: Vec<OtherFile>,
    /// What is known of models beyond their files, since the last scan.
    pub(in crate::app::shell) details: BTreeMap<String, ModelDetail>,
    /// Files that are being chosen by hand.
    pub(in crate::app::shell) roles: RoleChoice,
    /// The LoRAs of the last scan.
    pub(in crate::app::shell) loras: Vec<ListedLora>,
    /// The LoRA that was checked last, with its fit.
    pub(in crate::app::shell) checked_lora: Option<ListedLora>,
    pub(in crate::app::shell) import: Option<ImportPreview>,
    /// The last lines of the log, oldest first.
    pub(in crate::app::shell) lines: VecDeque<LogLine>,
    pub(super) next_line: u64,
    pub(in crate::app::shell) log_file: PathBuf,
    /// The diagnostics that are shown.
    pub(in crate::app::shell) bundle: Option<DiagnosticsBundle>,
    /// The folder of models that the command line names; it wins over the setting.
    pub(in crate::app::shell) given_models: Option<PathBuf>,
    /// The folder of models that the environment names.
    pub(in crate::app::shell) models_root: Option<PathBuf>,
    /// The data folder that the next start will use, if another was chosen.
    pub(in crate::app::shell) next_data_dir: Option<PathBuf>,
}

impl Pages {
    /// The next answer of any thread.
    pub(super) fn poll(&mut self) -> Option<Result<PageAnswer>> {
        self.fetch.note_progress();
        self.work.poll().or_else(|| self.long_work.poll()).or_else(|| self.fetch.thread.poll())
    }

    /// Starts the threads for a data folder. `waker` makes a function that is called after each answer.
    pub(in crate::app::shell) fn start(
        data_dir: &Path,
        given_models: Option<PathBuf>,
        waker: &dyn Fn() -> Waker,
    ) -> Result<Self> {
        let pages = Self {
            watch: SettingsWatch::start(data_dir, waker())?,
            dialogs: TaskThread::start_for_dialogs("choosing", waker())?,
            work: TaskThread::start("pages", waker())?,
            long_work: TaskThread::start("models", waker())?,
            task: None,
            removed: None,
            idle_verify: IdleVerify::default(),
            fetch: FetchPage::start(waker())?,
            invalid_presets: Vec::new(),
            preset_undo: None,
            verified: BTreeMap::new(),
            runtime: None,
            other_files: Vec::new(),
            details: BTreeMap::new(),
            roles: RoleChoice::default(),
            loras: Vec::new(),
            checked_lora: None,
            import: None,
            lines: VecDeque::new(),
            next_line: 0,
            log_file: data_dir.join(LOG_FILE),
            bundle: None,
            given_models,
            models_root: std::env::var_os(MODELS_ROOT_VARIABLE)
                .filter(|root| !root.is_empty())
                .map(PathBuf::from),
            next_data_dir: None,
        };
        pages.work.submit(manifest_reading(data_dir.to_path_buf(), pages.given_models.clone()));
        Ok(pages)
    }
}
