//! Carries the guided searches of the data folder on while the window is open.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::task::TaskThread;
use crate::core::{Error, Result, Waker};
use crate::jobs::Job;
use crate::plan::{JobOptions, Planner};
use crate::sweep::{
    SearchCommands, SearchDriver, SearchEnd, SearchProgress, SearchStart, SearchWait, SweepStore,
};

/// The name of this program in the lock of a search.
const WHO: &str = "the window";

/// Where a search is, for the panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app) enum SearchStatus {
    /// A trial is queued or runs.
    Running,
    /// The user has to do something.
    Waiting(SearchWait),
    /// There are no further trials.
    Ended(SearchEnd),
    /// Another program carries it on.
    Elsewhere(String),
}

/// What the window has to do.
pub(in crate::app) enum SearchNotice {
    /// The queue has to do this.
    Commands(SearchCommands),
    /// The record of a search has changed on disk.
    Changed,
    /// A search cannot go on.
    Failed(Error),
}

enum SearchAnswer {
    /// Searches that may not have ended.
    Found(Vec<String>),
    /// How far a search has come; without a driver where another program has it.
    Advanced { id: String, driver: Option<Box<SearchDriver>>, status: Result<SearchStep> },
}

enum SearchStep {
    Progress(SearchProgress),
    Elsewhere(String),
}

/// A search that is carried on.
struct Followed {
    start: SearchStart,
    /// None while the thread has it.
    driver: Option<Box<SearchDriver>>,
    /// Queue and revision of the library when it was carried on last.
    seen: Option<(Arc<[Job]>, u64)>,
}

/// The searches of the window.
pub(in crate::app) struct Searches {
    data_dir: PathBuf,
    work: TaskThread<SearchAnswer>,
    followed: BTreeMap<String, Followed>,
    status: BTreeMap<String, SearchStatus>,
    /// Searches that are continued when the thread gives them back.
    again: BTreeSet<String>,
    /// Whether those that had not ended when the program did were looked for.
    is_looked_for: bool,
    is_busy: bool,
}

impl Searches {
    /// Starts the thread for a data folder. `waker` is called after each answer.
    pub(in crate::app) fn start(data_dir: &Path, waker: Waker) -> Result<Self> {
        Ok(Self {
            data_dir: data_dir.to_path_buf(),
            work: TaskThread::start("searches", waker)?,
            followed: BTreeMap::new(),
            status: BTreeMap::new(),
            again: BTreeSet::new(),
            is_looked_for: false,
            is_busy: false,
        })
    }

    /// Carries this search on from now on.
    pub(in crate::app) fn follow(&mut self, id: &str, start: SearchStart) {
        let new = Followed { start, driver: None, seen: None };
        self.followed.entry(id.to_owned()).or_insert(new);
        self.status.insert(id.to_owned(), SearchStatus::Running);
    }

    /// Continues this search because the user asks for it.
    pub(in crate::app) fn go_on(&mut self, id: &str) {
        // taken again, so that a paused or cancelled trial goes on
        let with_thread = self.followed.get(id).is_some_and(|followed| followed.driver.is_none());
        if self.is_busy && with_thread {
            self.again.insert(id.to_owned());
        } else {
            self.followed.remove(id);
            self.follow(id, SearchStart::Continued);
        }
    }

    /// Where a search is; `None` for one that is not carried on.
    pub(in crate::app) fn status(&self, id: &str) -> Option<&SearchStatus> {
        self.status.get(id)
    }

    /// Takes in answers, and carries one search on if queue or ratings have changed. `plans` is what further jobs are
    /// planned with; `revision` is the library's.
    pub(in crate::app) fn update(
        &mut self,
        queue: &Arc<[Job]>,
        revision: u64,
        plans: impl FnOnce() -> (Planner, JobOptions),
    ) -> Vec<SearchNotice> {
        let mut notices = Vec::new();
        while let Some(answer) = self.work.poll() {
            self.is_busy = false;
            match answer {
                Ok(answer) => self.take(answer, &mut notices),
                Err(error) => notices.push(SearchNotice::Failed(error)),
            }
        }
        if self.is_busy {
            return notices;
        }
        if !self.is_looked_for {
            self.is_looked_for = true;
            let store = SweepStore::new(&self.data_dir);
            self.is_busy = self.work.submit(move || {
                let records = store.list().0.into_iter();
                SearchAnswer::Found(
                    records.filter(|record| record.is_open_search()).map(|record| record.id).collect(),
                )
            });
            return notices;
        }
        let is_new = |followed: &Followed| {
            followed.seen.as_ref().is_none_or(|(jobs, of)| !Arc::ptr_eq(jobs, queue) || *of != revision)
        };
        if let Some((id, followed)) = self.followed.iter_mut().find(|(_, followed)| is_new(followed)) {
            followed.seen = Some((Arc::clone(queue), revision));
            let (planner, options) = plans();
            let task = Advance {
                data_dir: self.data_dir.clone(),
                id: id.clone(),
                driver: followed.driver.take(),
                start: followed.start,
                queue: Arc::clone(queue),
                planner,
                options,
            };
            self.is_busy = self.work.submit(move || task.run());
        }
        notices
    }

    fn take(&mut self, answer: SearchAnswer, notices: &mut Vec<SearchNotice>) {
        match answer {
            SearchAnswer::Found(ids) => ids.iter().for_each(|id| self.follow(id, SearchStart::Found)),
            SearchAnswer::Advanced { id, driver, status } => {
                let status = match status {
                    Ok(SearchStep::Progress(SearchProgress::Commands(commands))) => {
                        notices.push(SearchNotice::Commands(commands));
                        SearchStatus::Running
                    }
                    Ok(SearchStep::Progress(SearchProgress::Running)) => SearchStatus::Running,
                    Ok(SearchStep::Progress(SearchProgress::Waiting(wait))) => SearchStatus::Waiting(wait),
                    Ok(SearchStep::Progress(SearchProgress::Ended(end))) => SearchStatus::Ended(end),
                    Ok(SearchStep::Elsewhere(who)) => SearchStatus::Elsewhere(who),
                    Err(error) => {
                        self.followed.remove(&id);
                        self.status.remove(&id);
                        notices.push(SearchNotice::Failed(error));
                        return;
                    }
                };
                notices.push(SearchNotice::Changed);
                if matches!(status, SearchStatus::Ended(_)) {
                    // the driver goes with its lock
                    self.followed.remove(&id);
                } else if let Some(followed) = self.followed.get_mut(&id) {
                    followed.driver = driver;
                }
                if self.again.remove(&id) {
                    self.followed.remove(&id);
                    self.follow(&id, SearchStart::Continued);
                } else {
                    self.status.insert(id, status);
                }
            }
        }
    }
}

/// What the thread needs to carry a search on.
struct Advance {
    data_dir: PathBuf,
    id: String,
    driver: Option<Box<SearchDriver>>,
    start: SearchStart,
    queue: Arc<[Job]>,
    planner: Planner,
    options: JobOptions,
}

impl Advance {
    /// Takes the search on if this program has not done so, and carries it on.
    fn run(self) -> SearchAnswer {
        let Self { data_dir, id, driver, start, queue, planner, options } = self;
        let taken = match driver {
            Some(driver) => Ok(Ok(driver)),
            None => SearchDriver::take(&data_dir, &id, WHO, start).map(|taken| taken.map(Box::new)),
        };
        let (driver, status) = match taken {
            Ok(Ok(mut driver)) => {
                let progress = driver.advance(&queue, &planner, &options);
                (Some(driver), progress.map(SearchStep::Progress))
            }
            Ok(Err(who)) => (None, Ok(SearchStep::Elsewhere(who))),
            Err(error) => (None, Err(error)),
        };
        SearchAnswer::Advanced { id, driver, status }
    }
}
