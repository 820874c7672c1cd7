//! Fetching models of the manifest from the window: the list, the plan, the run, pause and resume.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::state::PageAnswer;
use crate::app::background::task::TaskThread;
use crate::app::panels::models::{AvailableModel, FetchStatus};
use crate::app::shell::app::State;
use crate::app::shell::notifications::Tone;
use crate::core::{CancelToken, Error, Kind, Result, Waker};
use crate::models::fetch::{FetchProgress, Fetcher, ModelFetchEvent, SizeFit};
use crate::models::manifest::{Selection, load_manifest};
use crate::monitor;

/// The fetch of the window; one at a time.
pub(in crate::app::shell) struct FetchPage {
    pub(super) thread: TaskThread<PageAnswer>,
    pub(in crate::app::shell) available: Vec<AvailableModel>,
    pub(in crate::app::shell) status: FetchStatus,
    cancel: CancelToken,
    progress: Arc<Mutex<FetchProgress>>,
}

impl FetchPage {
    pub(super) fn start(waker: Waker) -> Result<Self> {
        Ok(Self {
            thread: TaskThread::start("fetching", waker)?,
            available: Vec::new(),
            status: FetchStatus::Idle,
            cancel: CancelToken::new(),
            progress: Arc::default(),
        })
    }

    /// Stops what is going on; the downloaded part is kept.
    pub(super) fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Puts the plan away.
    pub(super) fn close(&mut self) {
        if !matches!(self.status, FetchStatus::Running(..) | FetchStatus::Planning(_)) {
            self.status = FetchStatus::Idle;
        }
    }

    /// Takes over how far the fetch is.
    pub(super) fn note_progress(&mut self) {
        if let FetchStatus::Running(_, shown) = &mut self.status {
            *shown = *self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// What the manifest has, each variant with what is known of it without asking the hub.
fn available(data_dir: &Path, models_dir: Option<&Path>) -> Result<Vec<AvailableModel>> {
    let manifest = load_manifest(data_dir)?;
    let fetcher = Fetcher::new(data_dir, models_dir);
    let memory = monitor::total_memory();
    let model = |selection: Selection<'_>| AvailableModel {
        name: selection.folder_name(),
        modes: selection.item.modes.clone(),
        precision: selection.variant.name.clone(),
        purpose: selection.item.purpose.clone(),
        licence: selection.item.licence.clone(),
        size: selection.size_words().unwrap_or_else(|| "known after the plan".to_owned()),
        fit: SizeFit::new(&selection, memory),
        folder: fetcher.folder(&selection),
        is_here: fetcher.fetched(&manifest, &selection).is_some(),
    };
    Ok(manifest.selections().into_iter().map(model).collect())
}

/// Reads the manifest.
pub(super) fn manifest_reading(
    data_dir: PathBuf,
    models: Option<PathBuf>,
) -> impl FnOnce() -> PageAnswer + Send + 'static {
    move || PageAnswer::Available(available(&data_dir, models.as_deref()))
}

impl State {
    /// Has a thread read the manifest.
    pub(super) fn read_manifest(&self) -> Result<()> {
        let (data_dir, models) = (self.data_dir.clone(), self.pages.given_models.clone());
        self.page_work(manifest_reading(data_dir, models))
    }

    fn fetcher(&mut self) -> Fetcher {
        self.pages.fetch.cancel = CancelToken::new();
        let settings = &self.form.settings().models;
        let models = self.pages.given_models.clone().or_else(|| settings.folder.clone());
        let mut fetcher = Fetcher::new(&self.data_dir, models.as_deref());
        fetcher.options.limit = settings.download_limit();
        Fetcher { cancel: self.pages.fetch.cancel.clone(), ..fetcher }
    }

    /// Asks the hub for the files of `name`.
    pub(super) fn plan_fetch(&mut self, name: String) -> Result<()> {
        if matches!(self.pages.fetch.status, FetchStatus::Running(..) | FetchStatus::Planning(_)) {
            return Err(Error::new(Kind::Input, "Another model is being fetched")
                .remedy("Pause it first, or wait until it is here"));
        }
        let fetcher = self.fetcher();
        self.pages.fetch.status = FetchStatus::Planning(name.clone());
        self.pages.fetch.thread.submit(move || {
            let manifest = load_manifest(&fetcher.data_dir);
            let plan = manifest.and_then(|manifest| fetcher.plan(&manifest, &name, None));
            PageAnswer::Planned(plan.map(Box::new))
        });
        Ok(())
    }

    /// Fetches what the plan shows, or goes on with it.
    pub(super) fn start_fetch(&mut self) {
        let plan = match std::mem::take(&mut self.pages.fetch.status) {
            FetchStatus::Planned(plan) | FetchStatus::Paused(plan, _) => plan,
            other => {
                self.pages.fetch.status = other;
                return;
            }
        };
        let fetcher = self.fetcher();
        let progress = Arc::clone(&self.pages.fetch.progress);
        let start = FetchProgress { of: plan.total(), ..FetchProgress::default() };
        *progress.lock().unwrap_or_else(PoisonError::into_inner) = start;
        self.pages.fetch.status = FetchStatus::Running(plan.clone(), start);
        self.pages.fetch.thread.submit(move || {
            let fetched = fetcher.run(&plan, &|event| match event {
                ModelFetchEvent::Progress(now) => {
                    *progress.lock().unwrap_or_else(PoisonError::into_inner) = now;
                }
                ModelFetchEvent::NotAdopted { at, reason } => {
                    tracing::warn!("Not used: {}: {reason}; it is fetched", at.display());
                }
                _ => {}
            });
            PageAnswer::Fetched(fetched)
        });
    }

    /// Takes in what became of the manifest, a plan or a fetch.
    pub(super) fn take_fetch_answer(&mut self, answer: PageAnswer) -> Result<()> {
        match answer {
            PageAnswer::Available(available) => self.pages.fetch.available = available?,
            PageAnswer::Planned(plan) => {
                self.pages.fetch.status = FetchStatus::Idle;
                match plan {
                    // the person stopped asking
                    Err(error) if error.kind == Kind::Cancelled => {}
                    plan => self.pages.fetch.status = FetchStatus::Planned(plan?),
                }
            }
            PageAnswer::Fetched(fetched) => return self.take_fetched(fetched),
            _ => {}
        }
        Ok(())
    }

    fn take_fetched(&mut self, fetched: Result<PathBuf>) -> Result<()> {
        let FetchStatus::Running(plan, progress) = std::mem::take(&mut self.pages.fetch.status) else {
            return fetched.map(drop);
        };
        match fetched {
            Ok(folder) => {
                let text = format!("{} is here and checked: {}", plan.id, folder.display());
                self.notifications.add(Tone::Good, text, None);
                self.scan_models();
                // a preset may have waited for it
                self.load_presets()?;
                self.read_manifest()
            }
            Err(error) => {
                self.pages.fetch.status = FetchStatus::Paused(plan, progress);
                if error.kind == Kind::Cancelled { Ok(()) } else { Err(error) }
            }
        }
    }
}
