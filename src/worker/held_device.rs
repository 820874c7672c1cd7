//! The devices of a running job, which no other program and no other runner uses meanwhile.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::shared::Shared;
use crate::attempt::JobControl;
use crate::core::{DeviceId, Event, Result};
use crate::jobs::JobId;
use crate::queue::DeviceLease;

/// How often a runner checks whether the device is free.
const DEVICE_POLL: Duration = Duration::from_millis(100);

/// The devices that a job holds from its first attempt to its end; other ones after a retry on another provider.
#[derive(Default)]
pub(super) struct HeldDevices(Vec<(DeviceId, DeviceLease)>);

/// Who waits for a device, and where.
pub(super) struct DeviceWait<'a> {
    pub(super) data_dir: &'a Path,
    pub(super) shared: &'a Shared,
    pub(super) who: &'static str,
    pub(super) job: JobId,
    pub(super) control: &'a JobControl,
}

impl HeldDevices {
    /// Takes `devices` once they are free, in place of those that were held. Returns whether none was held.
    pub(super) fn take(&mut self, devices: &[DeviceId], wait: &DeviceWait<'_>) -> Result<bool> {
        // two jobs that need the same two devices take them in the same order, so that neither waits for the other
        let wanted: BTreeMap<_, _> = devices.iter().map(|device| (device.physical(), device)).collect();
        if self.0.len() == wanted.len()
            && self.0.iter().all(|(held, _)| wanted.contains_key(&held.physical()))
        {
            return Ok(false);
        }
        let is_first = self.0.is_empty();
        self.release();
        // a job's time begins with its first device, and waiting for another one does not count
        let leases = || {
            wanted.values().map(|device| Ok(((*device).clone(), wait.lease(device)?))).collect::<Result<_>>()
        };
        self.0 = if is_first { leases() } else { wait.control.waiting(leases) }?;
        Ok(is_first)
    }

    /// Releases the devices.
    pub(super) fn release(&mut self) {
        self.0.clear();
    }
}

impl DeviceWait<'_> {
    fn lease(&self, device: &DeviceId) -> Result<DeviceLease> {
        let holder = format!("{} (process {})", self.who, std::process::id());
        let mut is_reported = false;
        loop {
            match DeviceLease::attempt(self.data_dir, device, &holder)? {
                Ok(lease) => return Ok(lease),
                Err(who) if !is_reported => {
                    is_reported = true;
                    let message = format!("Waiting for {who}, which is making a video on the {device}");
                    self.shared.send(self.job, Event::Note { message });
                }
                Err(_) => {}
            }
            self.control.cancel.check_after(DEVICE_POLL)?;
        }
    }
}
