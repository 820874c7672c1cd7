//! Makes a session on a thread of its own while the stage before computes.
//!
//! Packing the weights of a large transformer takes one core some ten seconds, during which a first step would wait.

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use super::network::Network;
use super::session_cache::{SessionKey, SessionMemory};
use crate::core::{Bytes, CancelToken, Error, Kind, OnCancel, Result};
use crate::engine::{Runtime, Session};
use crate::onnx::Graph;

/// A session that is being made. Dropping it interrupts that.
pub(super) struct SessionAhead {
    key: SessionKey,
    /// Interrupts the making of this session alone.
    cancel: CancelToken,
    thread: Option<JoinHandle<Result<Session>>>,
    /// Counts the memory that it takes already.
    _memory: SessionMemory,
    /// Interrupts it with the job.
    _with_job: OnCancel,
}

impl SessionAhead {
    /// Starts to make the session of `network` over `graph`, which takes `made` bytes meanwhile. A cancellation of `job`
    /// interrupts it. None if there is no thread for it: then it is made when it is needed.
    pub(super) fn start(
        network: &Network<'_>,
        graph: Arc<Graph>,
        runtime: &Runtime,
        made: Bytes,
        job: &CancelToken,
    ) -> Option<Self> {
        let (runtime, options) = (runtime.clone(), network.options.clone());
        let cancel = CancelToken::new();
        let (stop, token) = (cancel.clone(), cancel.clone());
        let with_job = job.on_cancel(move || stop.cancel());
        let memory = SessionMemory::new(options.device.clone(), made);
        let body = move || Session::load(&runtime, &graph, &options, &token);
        let thread = Builder::new().name("session-ahead".to_owned()).spawn(body).ok()?;
        let key = network.key.clone();
        Some(Self { key, cancel, thread: Some(thread), _memory: memory, _with_job: with_job })
    }

    /// Which session it is.
    pub(super) fn key(&self) -> &SessionKey {
        &self.key
    }

    /// Waits until the session is made. A cancellation of the job ends the wait.
    pub(super) fn finish(mut self) -> Result<Session> {
        let panicked = || Error::new(Kind::Bug, "The thread that makes a session ahead of time panicked");
        let thread = self.thread.take().ok_or_else(panicked)?;
        thread.join().map_err(|_panic| panicked())?
    }
}

impl Drop for SessionAhead {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.cancel.cancel();
        if thread.join().is_err() {
            tracing::warn!("The thread that makes a session ahead of time panicked");
        }
    }
}
