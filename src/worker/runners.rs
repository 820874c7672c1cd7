//! The runners of a program: one for each device.

use std::collections::BTreeMap;

use crossbeam_channel::{Receiver, Sender, bounded};

/// The dispatcher's side of the runners, by the CUDA ordinals of their devices. Dropping it ends them.
#[derive(Default)]
pub(super) struct Runners(BTreeMap<u32, Sender<()>>);

impl Runners {
    /// Adds the runner of the device `ordinal`. Returns what wakes it.
    pub(super) fn add(&mut self, ordinal: u32) -> Receiver<()> {
        let (wake, woken) = bounded(1);
        self.0.insert(ordinal, wake);
        woken
    }

    /// Wakes the first runner that is not busy. One that is busy takes the next job by itself.
    pub(super) fn wake_idle(&self, is_busy: impl Fn(u32) -> bool) {
        if let Some((_, wake)) = self.0.iter().find(|(ordinal, _)| !is_busy(**ordinal))
            && wake.try_send(()).is_err()
        {
            // one waiting wake-up is enough
            tracing::trace!("A wake-up is already waiting");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_idle_runner_is_woken_and_a_dropped_map_ends_all() {
        let mut runners = Runners::default();
        let woken = [0, 1].map(|ordinal| runners.add(ordinal));
        let waiting = || [woken[0].len(), woken[1].len()];
        runners.wake_idle(|_| false);
        runners.wake_idle(|_| false);
        assert_eq!(waiting(), [1, 0], "one wake-up is enough");
        runners.wake_idle(|ordinal| ordinal == 0);
        assert_eq!(waiting(), [1, 1]);
        runners.wake_idle(|_| true);
        drop(runners);
        assert!(woken.iter().all(|woken| woken.recv().is_ok() && woken.recv().is_err()));
    }
}
