//! The device of a running job, which no other program and no other runner uses meanwhile.

use std::path::Path;
use std::time::Duration;

use super::shared::Shared;
use crate::attempt::JobControl;
use crate::core::{DeviceId, Event, Result};
use crate::jobs::JobId;
use crate::queue::DeviceLease;

/// How often a runner checks whether the device is free.
const DEVICE_POLL: Duration = Duration::from_millis(100);

/// The device that a job holds from its first attempt to its end; another one after a retry on another provider.
#[derive(Default)]
pub(super) struct HeldDevice(Option<(DeviceId, DeviceLease)>);

/// Who waits for a device, and where.
pub(super) struct DeviceWait<'a> {
    pub(super) data_dir: &'a Path,
    pub(super) shared: &'a Shared,
    pub(super) who: &'static str,
    pub(super) job: JobId,
    pub(super) control: &'a JobControl,
}

impl HeldDevice {
    /// Takes `device` once it is free, in place of the one that was held. Returns whether none was held.
    pub(super) fn take(&mut self, device: &DeviceId, wait: &DeviceWait<'_>) -> Result<bool> {
        if self.0.as_ref().is_some_and(|(held, _)| held.physical() == device.physical()) {
            return Ok(false);
        }
        let is_first = self.0.is_none();
        self.release();
        // a job's time begins with its first device, and waiting for another one does not count
        let lease = || wait.lease(device);
        let lease = if is_first { lease() } else { wait.control.waiting(lease) };
        self.0 = Some((device.clone(), lease?));
        Ok(is_first)
    }

    /// Releases the device.
    pub(super) fn release(&mut self) {
        self.0 = None;
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
