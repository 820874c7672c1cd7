//! The shared switches of a running job: stop it now, let it yield after its step, or let it wait there.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::core::CancelToken;
use crate::pipeline::StepControl;

/// Why a job was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// A person cancelled it.
    Cancelled,
    /// It reached its time limit.
    TimedOut,
    /// The program closes; the next one resumes the job.
    Closing,
}

/// Why a job yields after its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum YieldReason {
    /// An urgent job runs first.
    Overtaken,
    /// A person paused it without keeping its memory.
    Paused,
}

#[derive(Debug, Default)]
struct Signals {
    stop: Option<StopReason>,
    leave: Option<YieldReason>,
    paused: bool,
}

/// Switches shared by the runner of a job and the dispatcher.
#[derive(Clone, Default)]
pub(crate) struct JobControl {
    pub(crate) cancel: CancelToken,
    signals: Arc<(Mutex<Signals>, Condvar)>,
}

impl JobControl {
    /// The switches of a job that `cancel` stops.
    pub(crate) fn over(cancel: CancelToken) -> Self {
        Self { cancel, signals: Arc::default() }
    }

    /// Stops the job now. The first reason stays.
    pub(crate) fn stop(&self, stop: StopReason) {
        self.update(|signals| {
            signals.stop.get_or_insert(stop);
        });
        self.cancel.cancel();
    }

    /// Lets the job yield after its step. The first reason stays.
    pub(crate) fn leave(&self, leave: YieldReason) {
        self.update(|signals| {
            signals.leave.get_or_insert(leave);
        });
    }

    /// Lets the job wait after its step, or resumes it.
    pub(crate) fn pause(&self, paused: bool) {
        self.update(|signals| signals.paused = paused);
    }

    /// Why the job was stopped, if it was.
    pub(crate) fn stopped(&self) -> Option<StopReason> {
        self.signals.0.lock().unwrap_or_else(PoisonError::into_inner).stop
    }

    /// Why the job yields, if it does.
    pub(crate) fn leaving(&self) -> Option<YieldReason> {
        self.signals.0.lock().unwrap_or_else(PoisonError::into_inner).leave
    }

    /// Whether the job will wait or yield after its step.
    pub(crate) fn is_held_back(&self) -> bool {
        let signals = self.signals.0.lock().unwrap_or_else(PoisonError::into_inner);
        signals.paused || signals.leave.is_some()
    }

    /// Called between two steps: waits while the job is paused.
    pub(crate) fn between_steps(&self) -> StepControl {
        let (signals, changed) = &*self.signals;
        let mut signals = signals.lock().unwrap_or_else(PoisonError::into_inner);
        while signals.paused
            && signals.leave.is_none()
            && signals.stop.is_none()
            && !self.cancel.is_cancelled()
        {
            signals = changed.wait(signals).unwrap_or_else(PoisonError::into_inner);
        }
        if signals.leave.is_some() { StepControl::Yield } else { StepControl::Continue }
    }

    fn update(&self, change: impl FnOnce(&mut Signals)) {
        change(&mut self.signals.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.signals.1.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_paused_job_waits_until_it_may_go_on_or_leave_or_stop() {
        for (then, expected) in [
            ((|control: &JobControl| control.pause(false)) as fn(&JobControl), StepControl::Continue),
            (|control| control.leave(YieldReason::Paused), StepControl::Yield),
            (|control| control.stop(StopReason::Cancelled), StepControl::Continue),
        ] {
            let control = JobControl::default();
            control.pause(true);
            let waiting = control.clone();
            let thread = thread::Builder::new().spawn(move || waiting.between_steps()).unwrap();
            then(&control);
            assert_eq!(thread.join().unwrap(), expected);
        }
    }

    #[test]
    fn the_first_reason_stays() {
        let control = JobControl::default();
        control.stop(StopReason::TimedOut);
        control.stop(StopReason::Cancelled);
        assert_eq!(control.stopped(), Some(StopReason::TimedOut));
        assert!(control.cancel.is_cancelled());
    }
}
