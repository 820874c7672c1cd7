//! Signals that ask a command to stop.

use crossbeam_channel::{Receiver, bounded};

use crate::core::{CancelToken, Error, Kind, Result};
use crate::stop_signals::{Stop, StopSignals};

/// What a command says while it stops.
pub(super) const STOPPING: &str = "Stopping… Ctrl+C again ends the program at once";

/// A message at the first request to stop; another request ends the program at once.
pub(super) fn stops() -> Result<Receiver<Stop>> {
    let (sender, receiver) = bounded(1);
    let send = move |stop| {
        if sender.try_send(stop).is_err() {
            tracing::debug!("The command is at its end");
        }
    };
    StopSignals::listen(send)?.keep();
    Ok(receiver)
}

/// Cancels `token` when the program is asked to stop.
pub(super) fn cancel_on_stop(token: &CancelToken) -> Result<()> {
    let token = token.clone();
    StopSignals::listen(move |_| token.cancel())?.keep();
    Ok(())
}

/// Cancels `token` at the message of `stops`.
pub(super) fn cancel_on(stops: Receiver<Stop>, token: &CancelToken) -> Result<()> {
    let token = token.clone();
    let wait = move || {
        if stops.recv().is_ok() {
            token.cancel();
        }
    };
    std::thread::Builder::new()
        .name("cancel".to_owned())
        .spawn(wait)
        .map(drop)
        .map_err(|error| Error::new(Kind::Bug, "Ctrl+C cannot be handled").because(error))
}
