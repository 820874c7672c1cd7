//! Signals that ask the program to stop.

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::core::{CancelToken, Error, Kind, Result};

/// Why the program is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// A person pressed Ctrl-C.
    Interrupt,
    /// The system or another program ends this one, or its terminal was closed.
    Terminate,
}

/// A message for each signal.
pub(super) fn stops() -> Result<Receiver<Stop>> {
    let (sender, receiver) = bounded(2);
    let interrupt = sender.clone();
    ctrlc::set_handler(move || send(&interrupt, Stop::Interrupt))
        .map_err(|error| Error::new(Kind::Bug, "Ctrl-C cannot be handled").because(error))?;
    terminations(sender)
        .map_err(|error| Error::new(Kind::Bug, "The end of the program cannot be handled").because(error))?;
    Ok(receiver)
}

/// Cancels `token` at the first signal.
pub(super) fn cancel_on_stop(token: &CancelToken) -> Result<()> {
    cancel_on(stops()?, token)
}

/// Cancels `token` at the next signal of `stops`.
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
        .map_err(|error| Error::new(Kind::Bug, "Ctrl-C cannot be handled").because(error))
}

/// Sends [`Stop::Terminate`] for each SIGTERM and SIGHUP.
#[cfg(unix)]
fn terminations(sender: Sender<Stop>) -> std::io::Result<()> {
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;

    use signal_hook::consts::{SIGHUP, SIGTERM};

    let (mut read, write) = UnixStream::pair()?;
    for signal in [SIGTERM, SIGHUP] {
        signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
    }
    let wait = move || {
        let mut byte = [0];
        // ends with the program
        while read.read_exact(&mut byte).is_ok() {
            send(&sender, Stop::Terminate);
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait).map(drop)
}

/// This system has no such signals.
#[cfg(not(unix))]
fn terminations(_sender: Sender<Stop>) -> std::io::Result<()> {
    Ok(())
}

fn send(sender: &Sender<Stop>, stop: Stop) {
    // another one while the first is being handled has nothing to add
    if sender.try_send(stop).is_err() {
        tracing::debug!("Already stopping");
    }
}
