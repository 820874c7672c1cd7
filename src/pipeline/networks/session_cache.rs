//! Sessions that stay loaded between stages and jobs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::session_ahead::SessionAhead;
use crate::core::{Bytes, DeviceId, Error, Kind, Result, sha256_hex};
use crate::engine::{Placement, Session, SessionOptions, SessionProfile, StreamedSession};
use crate::pipeline::memory_plan::{ComponentId, MemoryPlan, Residency};

/// Tells a session from every other: its graph, the files of its weights as they are now, and how it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pipeline) struct SessionKey(String);

impl SessionKey {
    /// The key of what `graph` and `files` describe, made with `options`.
    pub(super) fn new(graph: &[u8], files: &str, options: &SessionOptions) -> Self {
        let graph = sha256_hex(graph);
        Self(sha256_hex(format!("{graph}\n{options:?}\n{files}").as_bytes()))
    }

    /// The key of the same session on another device.
    pub(super) fn on(&self, device: &DeviceId) -> Self {
        Self(sha256_hex(format!("{} {device:?}", self.0).as_bytes()))
    }
}

/// A network that is loaded.
pub(super) enum AnySession {
    /// With all its weights.
    Whole(Box<Session>),
    /// With the weights of a few blocks.
    Streamed(Box<StreamedSession>),
}

impl AnySession {
    /// The network of `session`.
    pub(super) fn whole(session: Session) -> Self {
        Self::Whole(Box::new(session))
    }

    /// Where its nodes run, if its provider may leave some to others.
    pub(super) fn placement(&self) -> Option<&Placement> {
        match self {
            Self::Whole(session) => session.placement(),
            // only CUDA streams weights
            Self::Streamed(_) => None,
        }
    }

    /// Completes the profile, if the session has one.
    pub(super) fn end_profile(&mut self) -> Result<Option<SessionProfile>> {
        match self {
            Self::Whole(session) => session.end_profile(),
            Self::Streamed(session) => session.end_profile(),
        }
    }
}

/// A session with what decides how long it stays.
pub(in crate::pipeline) struct LoadedSession {
    pub(super) session: AnySession,
    pub(super) component: ComponentId,
    pub(super) key: SessionKey,
    /// Counts its memory while it is loaded.
    pub(super) memory: SessionMemory,
    /// The run that loaded it.
    pub(super) run: u64,
}

impl LoadedSession {
    /// The session of a network that is loaded with all its weights, as all but transformers are.
    pub(in crate::pipeline) fn whole(&mut self) -> Result<&mut Session> {
        match &mut self.session {
            AnySession::Whole(session) => Ok(session),
            AnySession::Streamed(_) => Err(in_parts(self.component)),
        }
    }

    /// The same, without its place in the cache.
    pub(super) fn into_whole(self) -> Result<Session> {
        match self.session {
            AnySession::Whole(session) => Ok(*session),
            AnySession::Streamed(_) => Err(in_parts(self.component)),
        }
    }
}

fn in_parts(component: ComponentId) -> Error {
    Error::new(Kind::Bug, format!("The {component} was loaded in parts"))
}

/// Bytes that the loaded sessions of this process take on each device while they do not compute.
static LOADED: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());

/// Memory that all loaded sessions of this process take on a device while they do not compute, by the plans of their
/// jobs. The next job can have it.
pub fn memory_of_sessions(device: &DeviceId) -> Bytes {
    Bytes(loaded().get(&device.physical()).copied().unwrap_or_default())
}

fn loaded() -> MutexGuard<'static, BTreeMap<String, u64>> {
    LOADED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The memory of one session, counted in [`memory_of_sessions`] until it is dropped.
pub(in crate::pipeline) struct SessionMemory {
    device: DeviceId,
    bytes: Bytes,
}

impl SessionMemory {
    pub(super) fn new(device: DeviceId, bytes: Bytes) -> Self {
        *loaded().entry(device.physical()).or_default() += bytes.0;
        Self { device, bytes }
    }
}

impl Drop for SessionMemory {
    fn drop(&mut self) {
        *loaded().entry(self.device.physical()).or_default() -= self.bytes.0;
    }
}

/// Sessions that are loaded and not in use, of one run or over many.
#[derive(Default)]
pub struct SessionCache {
    sessions: Vec<LoadedSession>,
    /// The one that is made for the next stage.
    ahead: Option<SessionAhead>,
    keeps_between_jobs: bool,
    /// Memory that must stay free while sessions are kept.
    reserve: Bytes,
    run: u64,
    num_loaded: u32,
    num_made_ahead: u32,
}

impl SessionCache {
    /// Sessions of a single run, after which nothing stays loaded.
    pub fn for_one_job() -> Self {
        Self::default()
    }

    /// Sessions that stay loaded for later jobs while their memory plan has room.
    pub fn between_jobs() -> Self {
        Self { keeps_between_jobs: true, ..Self::default() }
    }

    /// Whether sessions may stay loaded for later jobs.
    pub fn keeps_between_jobs(&self) -> bool {
        self.keeps_between_jobs
    }

    /// Whether nothing is loaded.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.ahead.is_none()
    }

    /// How many sessions the current run loaded, not counting those that earlier runs left.
    pub fn num_loaded(&self) -> u32 {
        self.num_loaded
    }

    /// How many of them were made while the stage before computed.
    pub fn num_made_ahead(&self) -> u32 {
        self.num_made_ahead
    }

    /// What runs the sessions; none if nothing is loaded.
    pub fn devices(&self) -> BTreeSet<&DeviceId> {
        self.sessions.iter().map(|loaded| &loaded.memory.device).collect()
    }

    /// Drops every session.
    pub fn clear(&mut self) {
        self.ahead = None;
        self.sessions.clear();
    }

    /// Drops every session if less memory than the last plan's reserve is `free`. Returns whether it did.
    pub fn clear_if_short(&mut self, free: Option<Bytes>) -> bool {
        let is_short = !self.is_empty() && free.is_some_and(|free| free < self.reserve);
        if is_short {
            self.clear();
        }
        is_short
    }

    /// Begins a run under `plan`, whose networks have `keys`: drops the sessions that it does not use or keep.
    pub(super) fn begin(&mut self, plan: &MemoryPlan, keys: &[SessionKey]) {
        self.ahead = None;
        self.sessions.retain(|loaded| {
            keys.contains(&loaded.key) && plan.of(loaded.component).residency == Residency::BetweenJobs
        });
        self.reserve = plan.reserve;
        self.run += 1;
        self.num_loaded = 0;
        self.num_made_ahead = 0;
    }

    /// Takes the session of `key` out, if it is loaded, and says whether an earlier run loaded it.
    pub(super) fn take(&mut self, key: &SessionKey) -> Option<(LoadedSession, bool)> {
        let at = self.sessions.iter().position(|loaded| loaded.key == *key)?;
        let loaded = self.sessions.swap_remove(at);
        let is_earlier = loaded.run < self.run;
        Some((LoadedSession { run: self.run, ..loaded }, is_earlier))
    }

    /// Holds a session that is made for the next stage.
    pub(super) fn put_ahead(&mut self, ahead: SessionAhead) {
        self.ahead = Some(ahead);
    }

    /// Interrupts the session that is made for a stage that will not come.
    pub(in crate::pipeline) fn drop_ahead(&mut self) {
        self.ahead = None;
    }

    /// Takes out the session of `key`, if it is made ahead of time.
    pub(super) fn take_ahead(&mut self, key: &SessionKey) -> Option<SessionAhead> {
        self.ahead.take_if(|ahead| ahead.key() == key)
    }

    /// Whether the session of `key` is loaded.
    pub(super) fn contains(&self, key: &SessionKey) -> bool {
        self.sessions.iter().any(|loaded| loaded.key == *key)
    }

    /// Counts a session that was made ahead of time and is used.
    pub(super) fn count_made_ahead(&mut self) {
        self.num_made_ahead += 1;
    }

    /// Counts a session that was loaded, and returns the number of the current run.
    pub(super) fn count_loaded(&mut self) -> u64 {
        self.num_loaded += 1;
        self.run
    }

    /// Keeps a session that is not in use any more.
    pub(super) fn put(&mut self, loaded: LoadedSession) {
        self.sessions.push(loaded);
    }

    /// Drops the session of `key` if it is loaded.
    pub(super) fn drop_one(&mut self, key: &SessionKey) {
        self.sessions.retain(|loaded| loaded.key != *key);
    }
}
