//! The runners of a program: one for each device.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::core::{DeviceId, Draft, FIRST_DEVICE, Provider};
use crate::engine::nvidia_devices;
use crate::jobs::JobId;

/// A device that has a runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerDevice {
    /// Its CUDA ordinal, and its UUID if it is known.
    pub id: DeviceId,
    /// Whether its runner takes jobs that are pinned to no device. A job that runs on the CPU takes such a runner, too.
    pub takes_unpinned: bool,
}

impl RunnerDevice {
    /// The device with this ordinal, which takes every job.
    pub fn with_ordinal(ordinal: u32) -> Self {
        let id = DeviceId { provider: Provider::Cuda, ordinal, uuid: None };
        Self { id, takes_unpinned: true }
    }

    /// Those of this machine. One with less memory than the first, or with older kernels, takes only jobs that are pinned to
    /// it: what fits the first might fail there.
    pub(super) fn all(data_dir: &Path) -> Vec<Self> {
        let devices = nvidia_devices(data_dir);
        let Some(first) = devices.first() else { return vec![Self::with_ordinal(FIRST_DEVICE)] };
        let of = |device| Self {
            id: crate::engine::Device::id(device, Provider::Cuda),
            takes_unpinned: first.is_matched_by(device),
        };
        devices.iter().map(of).collect()
    }

    /// Whether the runner of the device `ordinal` may take a job, where `all` have runners: one that is pinned to no device,
    /// to this one, or to one that has no runner, so that the job says why it cannot run.
    pub(super) fn may_take(all: &[Self], ordinal: u32, draft: &Draft) -> bool {
        let own = all.iter().find(|device| device.id.ordinal == ordinal);
        match &draft.devices.device {
            None => own.is_none_or(|own| own.takes_unpinned),
            Some(pinned) => {
                own.is_some_and(|own| pinned.names(&own.id))
                    || !all.iter().any(|device| pinned.names(&device.id))
            }
        }
    }
}

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

    /// The devices that have a runner.
    pub(super) fn ordinals(&self) -> impl Iterator<Item = u32> {
        self.0.keys().copied()
    }

    /// Wakes the runners that are not busy, each for another job: `next` is the job that a runner would take. One that is busy
    /// takes its next job by itself.
    pub(super) fn wake_idle(&self, is_busy: impl Fn(u32) -> bool, next: impl Fn(u32) -> Option<JobId>) {
        let mut taken = BTreeSet::new();
        for (&ordinal, wake) in self.0.iter().filter(|(ordinal, _)| !is_busy(**ordinal)) {
            if next(ordinal).is_some_and(|job| taken.insert(job)) && wake.try_send(()).is_err() {
                // one waiting wake-up is enough
                tracing::trace!("A wake-up is already waiting");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::draft;
    use crate::core::{DeviceChoice, DeviceChoices};

    #[test]
    fn idle_runners_are_woken_for_different_jobs_and_a_dropped_map_ends_all() {
        let mut runners = Runners::default();
        let woken = [0, 1, 2].map(|ordinal| runners.add(ordinal));
        let waiting = || [woken[0].len(), woken[1].len(), woken[2].len()];
        // the first two would take the same job
        let next = |ordinal| [Some(JobId(7)), Some(JobId(7)), Some(JobId(8))][ordinal as usize];
        runners.wake_idle(|_| false, next);
        runners.wake_idle(|_| false, next);
        assert_eq!(waiting(), [1, 0, 1], "one wake-up is enough");
        runners.wake_idle(|ordinal| ordinal == 0, next);
        assert_eq!(waiting(), [1, 1, 1]);
        runners.wake_idle(|_| true, next);
        drop(runners);
        assert!(woken.iter().all(|woken| woken.recv().is_ok() && woken.recv().is_err()));
    }

    #[test]
    fn a_pinned_job_waits_for_its_device_and_one_for_a_device_that_is_gone_does_not_wait() {
        let device = |ordinal, uuid: &str, takes_unpinned| RunnerDevice {
            id: DeviceId { provider: Provider::Cuda, ordinal, uuid: Some(uuid.to_owned()) },
            takes_unpinned,
        };
        let all = [device(0, "GPU-aaaa", true), device(1, "GPU-bbbb", true), device(2, "GPU-cccc", false)];
        let takers = |pinned: Option<&str>| {
            let device = pinned.map(|text| text.parse::<DeviceChoice>().unwrap());
            let devices = DeviceChoices { device, ..DeviceChoices::default() };
            let draft = Draft { devices, ..draft() };
            [0, 1, 2].map(|ordinal| RunnerDevice::may_take(&all, ordinal, &draft))
        };
        assert_eq!(takers(None), [true, true, false], "the weak card takes what is pinned to it");
        assert_eq!(takers(Some("1")), [false, true, false]);
        assert_eq!(takers(Some("GPU-cccc")), [false, false, true]);
        assert_eq!(takers(Some("GPU-dddd")), [true; 3], "a device that is gone");
    }
}
