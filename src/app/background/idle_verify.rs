//! When models are verified by themselves: while nothing else is to do, and only if the setting is on.

use std::time::{Duration, Instant};

/// How long nothing is looked for after no model was due.
const REST: Duration = Duration::from_hours(1);

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) enum IdleStep {
    /// Nothing; look again after this time, if one is given.
    Wait(Option<Duration>),
    /// Find the model that is due, and verify it.
    Look,
    /// Stop verifying: something else is to do.
    Stop,
}

/// Whether a model is being verified because nothing else is to do.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::app) struct IdleVerify {
    /// Since when nothing else is to do.
    idle_since: Option<Instant>,
    /// Before this time no model is due.
    rests_until: Option<Instant>,
    is_working: bool,
}

impl IdleVerify {
    /// Decides what is to be done. `is_free` says that the setting is on and nothing else is to do, `patience` how long
    /// that must have been so.
    pub(in crate::app) fn step(&mut self, is_free: bool, patience: Duration, now: Instant) -> IdleStep {
        if !is_free {
            self.idle_since = None;
            return if self.is_working { IdleStep::Stop } else { IdleStep::Wait(None) };
        }
        if self.is_working {
            return IdleStep::Wait(None);
        }
        let since = *self.idle_since.get_or_insert(now);
        let begin = (since + patience).max(self.rests_until.unwrap_or(since));
        let wait = begin.saturating_duration_since(now);
        if wait.is_zero() {
            self.is_working = true;
            return IdleStep::Look;
        }
        IdleStep::Wait(Some(wait))
    }

    /// Whether it verifies a model, or looks for one.
    pub(in crate::app) fn is_working(self) -> bool {
        self.is_working
    }

    /// A model was verified, or stopped being verified; the next may be due.
    pub(in crate::app) fn ended(&mut self) {
        self.is_working = false;
    }

    /// No model was due.
    pub(in crate::app) fn found_nothing(&mut self, now: Instant) {
        (self.is_working, self.rests_until) = (false, Some(now + REST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_mins(5);

    #[test]
    fn a_model_is_verified_after_some_idle_time_until_something_is_to_do() {
        let (mut idle, start) = (IdleVerify::default(), Instant::now());
        assert_eq!(idle.step(false, WAIT, start), IdleStep::Wait(None), "the setting is off, or a job runs");
        assert_eq!(idle.step(true, WAIT, start), IdleStep::Wait(Some(WAIT)));
        assert_eq!(idle.step(true, WAIT, start + WAIT), IdleStep::Look);
        assert_eq!(idle.step(true, WAIT, start + WAIT), IdleStep::Wait(None), "one at a time");
        assert_eq!(idle.step(false, WAIT, start + WAIT), IdleStep::Stop);
        idle.ended();
        let later = start + 2 * WAIT;
        assert_eq!(
            idle.step(true, WAIT, later),
            IdleStep::Wait(Some(WAIT)),
            "the job counts as something happening"
        );
        assert_eq!(idle.step(true, WAIT, later + WAIT), IdleStep::Look);
        idle.ended();
        assert_eq!(idle.step(true, WAIT, later + WAIT), IdleStep::Look, "the next one at once");
        idle.found_nothing(later + WAIT);
        assert_eq!(idle.step(true, WAIT, later + WAIT), IdleStep::Wait(Some(REST)));
        assert_eq!(idle.step(true, WAIT, later + WAIT + REST), IdleStep::Look);
    }
}
