//! The reins of the job that runs: stop it now, let it leave after its step, or let it wait there.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::core::CancelToken;
use crate::pipeline::Flow;

/// Why a job was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The person does not want it any more.
    Cancelled,
    /// It took longer than it may.
    TimedOut,
    /// The program ends; the job goes on with the next one.
    Closing,
}

/// Why a job leaves the engine after its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// An urgent one comes first.
    Overtaken,
    /// The person wants its memory.
    Held,
}

#[derive(Debug, Default)]
struct Reins {
    stop: Option<Stop>,
    leave: Option<Leave>,
    paused: bool,
}

/// Shared by whoever runs a job and whoever steers it.
#[derive(Clone, Default)]
pub(super) struct Control {
    pub(super) cancel: CancelToken,
    reins: Arc<(Mutex<Reins>, Condvar)>,
}

impl Control {
    /// The reins of a job that `cancel` stops.
    pub(super) fn over(cancel: CancelToken) -> Self {
        Self { cancel, reins: Arc::default() }
    }

    /// Stops the job now. The first reason stays.
    pub(super) fn stop(&self, stop: Stop) {
        self.pull(|reins| {
            reins.stop.get_or_insert(stop);
        });
        self.cancel.cancel();
    }

    /// Lets it leave after its step.
    pub(super) fn leave(&self, leave: Leave) {
        self.pull(|reins| {
            reins.leave.get_or_insert(leave);
        });
    }

    /// Lets it wait after its step, or go on.
    pub(super) fn pause(&self, paused: bool) {
        self.pull(|reins| reins.paused = paused);
    }

    /// Why it was stopped, if it was.
    pub(super) fn stopped(&self) -> Option<Stop> {
        self.reins.0.lock().unwrap_or_else(PoisonError::into_inner).stop
    }

    /// Why it leaves, if it does.
    pub(super) fn leaving(&self) -> Option<Leave> {
        self.reins.0.lock().unwrap_or_else(PoisonError::into_inner).leave
    }

    /// Whether it will wait or leave after its step.
    pub(super) fn is_held_back(&self) -> bool {
        let reins = self.reins.0.lock().unwrap_or_else(PoisonError::into_inner);
        reins.paused || reins.leave.is_some()
    }

    /// Asked between two steps: waits while the job is paused.
    pub(super) fn between_steps(&self) -> Flow {
        let (reins, pulled) = &*self.reins;
        let mut reins = reins.lock().unwrap_or_else(PoisonError::into_inner);
        while reins.paused && reins.leave.is_none() && reins.stop.is_none() && !self.cancel.is_cancelled() {
            reins = pulled.wait(reins).unwrap_or_else(PoisonError::into_inner);
        }
        if reins.leave.is_some() { Flow::Leave } else { Flow::Go }
    }

    fn pull(&self, change: impl FnOnce(&mut Reins)) {
        change(&mut self.reins.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.reins.1.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_paused_job_waits_until_it_may_go_on_or_leave_or_stop() {
        for (then, expected) in [
            ((|control: &Control| control.pause(false)) as fn(&Control), Flow::Go),
            (|control| control.leave(Leave::Held), Flow::Leave),
            (|control| control.stop(Stop::Cancelled), Flow::Go),
        ] {
            let control = Control::default();
            control.pause(true);
            let waiting = control.clone();
            let thread = thread::Builder::new().spawn(move || waiting.between_steps()).unwrap();
            then(&control);
            assert_eq!(thread.join().unwrap(), expected);
        }
    }

    #[test]
    fn the_first_reason_stays() {
        let control = Control::default();
        control.stop(Stop::TimedOut);
        control.stop(Stop::Cancelled);
        assert_eq!(control.stopped(), Some(Stop::TimedOut));
        assert!(control.cancel.is_cancelled());
    }
}
