//! The shared switches of a running job: stop it now, let it yield after its step, or let it wait there.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::core::CancelToken;
use crate::pipeline::StepControl;

/// Why a job was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// The user cancelled it.
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
    /// The user paused it without keeping its memory.
    Paused,
    /// The user paused the whole queue.
    QueuePaused,
    /// The steps of its draft are done.
    DraftDone,
}

#[derive(Debug, Default)]
struct Signals {
    stop: Option<StopReason>,
    leave: Option<YieldReason>,
    paused: bool,
    /// How long the job has waited since it got its device: paused, or before a retry.
    waited: Duration,
    /// Since when it waits now.
    waiting: Option<Instant>,
}

impl Signals {
    /// Ends a wait, if there is one.
    fn go_on(&mut self) {
        if let Some(since) = self.waiting.take() {
            self.waited += since.elapsed();
        }
    }
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
            signals.waiting.get_or_insert_with(Instant::now);
            signals = changed.wait(signals).unwrap_or_else(PoisonError::into_inner);
        }
        signals.go_on();
        if signals.leave.is_some() { StepControl::Yield } else { StepControl::Continue }
    }

    /// Runs `wait`, whose time does not count as running time.
    pub(crate) fn waiting<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.update(|signals| {
            signals.waiting.get_or_insert_with(Instant::now);
        });
        let waited = wait();
        self.update(Signals::go_on);
        waited
    }

    /// How long the job has waited: paused with its memory, or before a retry.
    pub(crate) fn waited(&self) -> Duration {
        let signals = self.signals.0.lock().unwrap_or_else(PoisonError::into_inner);
        signals.waited + signals.waiting.map(|since| since.elapsed()).unwrap_or_default()
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
    fn waiting_is_counted_apart() {
        let control = JobControl::default();
        assert_eq!(control.waited(), Duration::ZERO);
        let nap = Duration::from_millis(20);
        control.waiting(|| control.cancel.check_after(nap)).unwrap();
        let waited = control.waited();
        assert!(waited >= nap);
        control.between_steps();
        assert_eq!(control.waited(), waited, "a step that is not held back does not wait");
        // a pause counts while it lasts, too
        control.pause(true);
        let waiting = control.clone();
        let thread = thread::Builder::new().spawn(move || waiting.between_steps()).unwrap();
        while control.waited() < waited + nap {
            control.cancel.check_after(Duration::from_millis(1)).unwrap();
        }
        control.pause(false);
        thread.join().unwrap();
        assert!(control.waited() >= waited + nap);
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
