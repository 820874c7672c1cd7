//! The queue of a data folder: every change is on disk before it is told, and several programs may change it.

use std::fs;
use std::path::{Path, PathBuf};

use super::state::{Record, State};
use crate::attempt;
use crate::core::{Bytes, CancelToken, Error, FaultPoint, Faults, Fix, Kind, Result, Utc};
use crate::jobs::{
    self, EndStatus, HistoryEntry, Job, JobEntry, JobId, JobSpec, JobState, PartialOutput, PendingAction,
    Priority, RetryRecord,
};
use crate::library::History;
use crate::store::{HeldLock, Journal, Locked};

/// Which jobs a program works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All that wait.
    Everything,
    /// Those it was asked for itself.
    Own,
}

/// Disk for the states of failed jobs, which go on from there when they are retried.
const KEPT_OF_FAILED: Bytes = Bytes(2 << 30);

/// What became of a wish to stop a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledgement {
    /// It is so.
    Done,
    /// The program that runs the job was told.
    Told,
}

/// A handle on the queue.
pub struct Queue {
    data_dir: PathBuf,
    journal: Journal,
    state: State,
    me: String,
    _alive: HeldLock,
    history: Option<History>,
    faults: Faults,
    notes: Vec<String>,
    /// Changes since it was opened, by whomever.
    revision: u64,
}

impl Queue {
    /// Opens the queue of a data folder for the program `who`, for instance "the window".
    pub fn open(data_dir: &Path, who: &str, faults: &Faults) -> Result<Self> {
        let me = HistoryEntry::new_id();
        let holder = format!("{who} (process {})", std::process::id());
        let alive = HeldLock::attempt(&worker_path(data_dir, &me), &holder)?;
        let alive = alive.map_err(|who| Error::new(Kind::Bug, format!("The name {me} is taken by {who}")))?;
        let journal = Journal::open(&folder(data_dir).join("journal"))?;
        let (history, mut notes) = match History::open(data_dir) {
            Ok((history, notes)) => (Some(history), notes),
            // the queue works without it, and what ended is written down when it can be opened again
            Err(error) => (None, vec![format!("{error:#}")]),
        };
        notes.retain(|note| !note.is_empty());
        let mut queue = Self {
            data_dir: data_dir.to_path_buf(),
            journal,
            state: State::default(),
            me,
            _alive: alive,
            history,
            faults: faults.clone(),
            notes,
            revision: 0,
        };
        queue.refresh()?;
        queue.complete_history();
        queue.forget_dead_programs();
        Ok(queue)
    }

    /// Reads what other programs changed. Whether there was anything.
    pub fn refresh(&mut self) -> Result<bool> {
        let mut locked = self.journal.lock()?;
        let news = take_news(&mut locked, &mut self.state, &mut self.notes)?;
        self.revision += u64::from(news);
        Ok(news)
    }

    /// Another number after each change.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether another program may have changed something; cheap.
    pub fn may_have_news(&self) -> bool {
        self.journal.may_have_news()
    }

    /// What had to be done to read the queue and the history, a sentence each; told once.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// All entries in the order in which they run.
    pub fn entries(&self) -> Vec<&JobEntry> {
        self.state.entries()
    }

    /// One entry.
    pub fn get(&self, id: JobId) -> Result<&JobEntry> {
        find(&self.state, id)
    }

    /// Whether a job that counts as running was broken off with its program; it goes on with the next one.
    pub fn is_broken_off(&self, entry: &JobEntry) -> bool {
        entry.worker().is_some_and(|worker| !lives(&self.data_dir, worker))
    }

    /// The history, if it could be opened.
    pub fn history(&self) -> Option<&History> {
        self.history.as_ref()
    }

    /// Takes work. `own` keeps it for this program while that lives.
    pub fn add(&mut self, work: JobSpec, own: bool) -> Result<JobId> {
        let reserved = own.then(|| self.me.clone());
        let uid = HistoryEntry::new_id();
        self.change(|state| {
            let job = Job { id: state.next_id(), uid, created: Utc::now(), work };
            let id = job.id;
            Ok((vec![Record::Put(Box::new(waiting(job, reserved)))], id))
        })
    }

    /// Another job like this one, at the end.
    pub fn duplicate(&mut self, id: JobId) -> Result<JobId> {
        let work = self.get(id)?.job.work.clone();
        self.add(work, false)
    }

    /// An ended job again, after `changes`. What was denoised already and is still the same is not denoised again.
    pub fn retry(&mut self, id: JobId, changes: &[Fix]) -> Result<JobId> {
        let entry = self.get(id)?;
        if entry.ended().is_none() {
            return Err(not_now(id, "has not ended").remedy("Cancel it first, or edit it"));
        }
        let mut work = entry.job.work.clone();
        work.draft = Fix::applied(changes, &work.draft);
        work.latents_of = Some(entry.job.uid.clone());
        self.add(work, false)
    }

    /// Another form of a job that has not begun to run.
    pub fn edit(&mut self, id: JobId, work: JobSpec) -> Result<()> {
        self.change(|state| {
            let mut entry = find(state, id)?.clone();
            match entry.status {
                JobState::Waiting | JobState::Held => {}
                JobState::Running { .. } => {
                    return Err(not_now(id, "is running").remedy("Pause or cancel it first"));
                }
                JobState::Ended { .. } => {
                    return Err(not_now(id, "has ended").remedy("Retry it instead"));
                }
            }
            entry.job.work = work;
            entry.retries.clear();
            Ok((vec![Record::Put(Box::new(entry))], ()))
        })
    }

    /// Puts a job before another one, or at the end.
    pub fn place(&mut self, id: JobId, before: Option<JobId>) -> Result<()> {
        self.change(|state| {
            find(state, id)?;
            before.map_or(Ok(()), |before| find(state, before).map(drop))?;
            Ok((vec![Record::Place { id, before }], ()))
        })
    }

    /// Changes which jobs a job comes before.
    pub fn prioritise(&mut self, id: JobId, priority: Priority) -> Result<()> {
        self.change(|state| {
            let mut entry = find(state, id)?.clone();
            entry.job.work.priority = priority;
            Ok((vec![Record::Put(Box::new(entry))], ()))
        })
    }

    /// Keeps a job from running; one that runs gives its memory back after its step and goes on later.
    pub fn hold(&mut self, id: JobId) -> Result<Acknowledgement> {
        self.steer(id, PendingAction::Hold, |entry| match entry.status {
            JobState::Waiting => Ok(JobState::Held),
            JobState::Held => Err(not_now(id, "is paused already")),
            _ => Err(not_now(id, "has ended").remedy("Retry it instead")),
        })
    }

    /// Lets a running job wait after its step with all its memory.
    pub fn pause(&mut self, id: JobId) -> Result<Acknowledgement> {
        self.steer(id, PendingAction::Pause, |_| {
            Err(not_now(id, "does not run").remedy("Pause it without keeping its memory"))
        })
    }

    /// Lets a paused job go on.
    pub fn resume(&mut self, id: JobId) -> Result<()> {
        self.change(|state| match find(state, id)?.status {
            JobState::Held => Ok((vec![Record::JobState { id, status: JobState::Waiting }], ())),
            JobState::Running { .. } => Ok((vec![Record::PendingAction { id, wish: None }], ())),
            JobState::Waiting => Err(not_now(id, "is not paused")),
            JobState::Ended { .. } => Err(not_now(id, "has ended").remedy("Retry it instead")),
        })
    }

    /// Stops a job for good.
    pub fn cancel(&mut self, id: JobId) -> Result<Acknowledgement> {
        let task = |entry: &JobEntry| jobs::ended(entry, None, Err(&Error::cancelled()));
        let asked = self.steer(id, PendingAction::Cancel, |entry| match entry.status {
            JobState::Ended { .. } => Err(not_now(id, "has ended already")),
            _ => Ok(JobState::Ended { task: Box::new(task(entry)) }),
        })?;
        if asked == Acknowledgement::Done {
            self.after_end(id, None);
        }
        Ok(asked)
    }

    /// Forgets an ended job; the history keeps it.
    pub fn remove(&mut self, id: JobId) -> Result<()> {
        self.change(|state| match find(state, id)?.ended() {
            Some(_) => Ok((vec![Record::Remove { id }], ())),
            None => Err(not_now(id, "has not ended").remedy("Cancel it first")),
        })
    }

    /// Forgets every ended job, and says how many; the history keeps them.
    pub fn clear(&mut self) -> Result<usize> {
        self.change(|state| {
            let ended = state.entries().into_iter().filter(|entry| entry.ended().is_some());
            let records: Vec<_> = ended.map(|entry| Record::Remove { id: entry.job.id }).collect();
            let count = records.len();
            Ok((records, count))
        })
    }

    /// Takes the next job for this program's engine.
    pub(crate) fn claim(&mut self, scope: Scope) -> Result<Option<JobEntry>> {
        if self.next(scope).is_none() && !self.may_have_news() {
            return Ok(None);
        }
        let (me, data_dir) = (self.me.clone(), self.data_dir.clone());
        self.change(|state| {
            let Some(entry) = state.first(|entry| may_run(entry, scope, &me, &data_dir)) else {
                return Ok((Vec::new(), None));
            };
            let status = JobState::Running { worker: me };
            let claimed = JobEntry { status: status.clone(), ..entry.clone() };
            Ok((vec![Record::JobState { id: entry.job.id, status }], Some(claimed)))
        })
    }

    /// Whether `worker` is this program.
    pub(crate) fn is_me(&self, worker: &str) -> bool {
        self.me == worker
    }

    /// The job that [`Self::claim`] would take.
    pub(crate) fn next(&self, scope: Scope) -> Option<&JobEntry> {
        self.state.first(|entry| may_run(entry, scope, &self.me, &self.data_dir))
    }

    /// Writes down what is on disk of a job's video.
    pub(crate) fn trace(&mut self, id: JobId, trace: PartialOutput) -> Result<()> {
        self.change(|_| Ok((vec![Record::PartialOutput { id, trace }], ())))
    }

    /// Writes down what was changed after a failure.
    pub(crate) fn retried(&mut self, id: JobId, retry: RetryRecord) -> Result<()> {
        self.change(|_| Ok((vec![Record::RetryRecord { id, retry }], ())))
    }

    /// Gives a job back that goes on later: at its turn, or when the person wants.
    pub(crate) fn give_back(&mut self, id: JobId, status: JobState) -> Result<()> {
        self.change(|_| Ok((vec![Record::JobState { id, status }], ())))
    }

    /// Ends a job: in the journal first, then in the history.
    ///
    /// `keep` is the bound of the latents kept of finished jobs.
    pub(crate) fn end(&mut self, id: JobId, task: HistoryEntry, keep: Option<Bytes>) -> Result<()> {
        let status = JobState::Ended { task: Box::new(task) };
        self.change(|_| Ok((vec![Record::JobState { id, status }], ())))?;
        self.after_end(id, keep);
        Ok(())
    }

    fn after_end(&self, id: JobId, keep: Option<Bytes>) {
        let Some((entry, task)) = self.state.get(id).and_then(|entry| Some((entry, entry.ended()?))) else {
            return;
        };
        if let Some(history) = &self.history
            && let Err(error) = history.record(task)
        {
            tracing::error!("Job {id} is not in the history yet: {error:#}");
        }
        let uid = &entry.job.uid;
        match keep {
            Some(bound) => attempt::keep(&self.data_dir, uid, bound),
            // a failed job may be retried from where it was
            None if task.status == EndStatus::Failed => {
                attempt::keep(&self.data_dir, uid, KEPT_OF_FAILED);
            }
            None => attempt::forget(&self.data_dir, uid),
        }
    }

    /// A wish about a running job, or another status of one that does not run.
    fn steer(
        &mut self,
        id: JobId,
        wish: PendingAction,
        now: impl FnOnce(&JobEntry) -> Result<JobState>,
    ) -> Result<Acknowledgement> {
        let data_dir = self.data_dir.clone();
        self.change(|state| {
            let entry = find(state, id)?;
            match entry.worker() {
                Some(worker) if lives(&data_dir, worker) => {
                    Ok((vec![Record::PendingAction { id, wish: Some(wish) }], Acknowledgement::Told))
                }
                Some(_) => {
                    let left = JobEntry { status: JobState::Waiting, ..entry.clone() };
                    Ok((vec![Record::JobState { id, status: now(&left)? }], Acknowledgement::Done))
                }
                None => Ok((vec![Record::JobState { id, status: now(entry)? }], Acknowledgement::Done)),
            }
        })
    }

    /// Reads the news, decides on records, appends them and makes the changes.
    fn change<T>(&mut self, decide: impl FnOnce(&State) -> Result<(Vec<Record>, T)>) -> Result<T> {
        let mut locked = self.journal.lock()?;
        self.revision += u64::from(take_news(&mut locked, &mut self.state, &mut self.notes)?);
        let (records, decided) = decide(&self.state)?;
        if records.is_empty() {
            return Ok(decided);
        }
        self.faults.inject(FaultPoint::Journal, &CancelToken::new())?;
        locked.append(&records)?;
        self.revision += 1;
        for record in records {
            self.state.apply(record);
        }
        if locked.is_long()
            && let Err(error) = locked.rewrite(&self.state.records())
        {
            tracing::warn!("The journal stays long: {error:#}");
        }
        Ok(decided)
    }

    /// A kill between journal and history is made good here.
    fn complete_history(&mut self) {
        let Some(history) = &self.history else { return };
        for task in self.state.entries().into_iter().filter_map(JobEntry::ended) {
            if let Err(error) = history.record(task) {
                self.notes.push(format!("{error:#}"));
                return;
            }
        }
    }

    fn forget_dead_programs(&self) {
        let Ok(files) = fs::read_dir(folder(&self.data_dir).join("workers")) else { return };
        for path in files.filter_map(Result::ok).map(|file| file.path()) {
            let name = path.file_stem().map(|name| name.to_string_lossy().into_owned());
            if name.is_some_and(|name| !lives(&self.data_dir, &name)) {
                drop(fs::remove_file(path));
            }
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // the lock is released right after
        drop(fs::remove_file(worker_path(&self.data_dir, &self.me)));
    }
}

/// Where the lock of the device is that only one program may use at a time.
pub(crate) fn device_lock(data_dir: &Path) -> PathBuf {
    folder(data_dir).join("device.lock")
}

fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("queue")
}

fn worker_path(data_dir: &Path, worker: &str) -> PathBuf {
    folder(data_dir).join("workers").join(worker).with_extension("lock")
}

/// Whether the program still runs.
fn lives(data_dir: &Path, worker: &str) -> bool {
    let path = worker_path(data_dir, worker);
    path.exists() && matches!(HeldLock::attempt(&path, ""), Ok(Err(_)))
}

fn may_run(entry: &JobEntry, scope: Scope, me: &str, data_dir: &Path) -> bool {
    let mine = entry.reserved.as_deref() == Some(me);
    let free = || mine || entry.reserved.as_deref().is_none_or(|owner| !lives(data_dir, owner));
    match &entry.status {
        _ if scope == Scope::Own && !mine => false,
        JobState::Waiting => free(),
        JobState::Running { worker } => worker != me && !lives(data_dir, worker),
        JobState::Held | JobState::Ended { .. } => false,
    }
}

fn take_news(locked: &mut Locked<'_>, state: &mut State, notes: &mut Vec<String>) -> Result<bool> {
    let news = locked.news::<Record>()?;
    if news.all {
        *state = State::default();
    }
    let damaged = news.damage.is_some();
    if let Some(damage) = news.damage {
        notes.push(format!(
            "{} records of the queue are damaged and were left out; the damaged file is kept as {}",
            damage.records,
            damage.kept.display()
        ));
    }
    let some = news.all || !news.records.is_empty();
    for record in news.records {
        state.apply(record);
    }
    if damaged {
        locked.rewrite(&state.records())?;
    }
    Ok(some)
}

fn waiting(job: Job, reserved: Option<String>) -> JobEntry {
    JobEntry {
        job,
        status: JobState::Waiting,
        reserved,
        wish: None,
        trace: PartialOutput::default(),
        retries: Vec::new(),
    }
}

fn find(state: &State, id: JobId) -> Result<&JobEntry> {
    state.get(id).ok_or_else(|| {
        Error::new(Kind::Input, format!("There is no job {id} in the queue"))
            .field("job")
            .remedy("See wandeck queue list")
    })
}

fn not_now(id: JobId, why: &str) -> Error {
    Error::new(Kind::Input, format!("Job {id} {why}")).field("job")
}
