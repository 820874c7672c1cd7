//! Leases between the programs of a data folder: which programs run, and which of them uses a device.

use std::fs;
use std::path::{Path, PathBuf};

use crate::core::{DeviceId, Error, Kind, Result};
use crate::jobs::HistoryEntry;
use crate::store::HeldLock;

/// This program's entry among the programs that use the queue. It is removed when dropped.
pub(super) struct ProgramLease {
    data_dir: PathBuf,
    worker: String,
    _lock: HeldLock,
}

impl ProgramLease {
    /// Registers the program `who`, for instance "the window", under a new worker id.
    pub(super) fn register(data_dir: &Path, who: &str) -> Result<Self> {
        let worker = HistoryEntry::new_id();
        let holder = format!("{who} (process {})", std::process::id());
        let lock = HeldLock::attempt(&worker_path(data_dir, &worker), &holder)?.map_err(|other| {
            Error::new(Kind::Bug, format!("The worker id {worker} is already used by {other}"))
        })?;
        Ok(Self { data_dir: data_dir.to_path_buf(), worker, _lock: lock })
    }

    /// The worker id of this program.
    pub(super) fn worker(&self) -> &str {
        &self.worker
    }

    /// Whether the program with the id `worker` still runs.
    pub(super) fn is_alive(&self, worker: &str) -> bool {
        is_alive(&self.data_dir, worker)
    }

    /// Removes the files of programs that have ended.
    pub(super) fn remove_stale(&self) {
        let Ok(files) = fs::read_dir(queue_folder(&self.data_dir).join("workers")) else { return };
        for path in files.filter_map(std::result::Result::ok).map(|file| file.path()) {
            let worker = path.file_stem().map(|name| name.to_string_lossy().into_owned());
            if worker.is_some_and(|worker| !self.is_alive(&worker)) {
                drop(fs::remove_file(path));
            }
        }
    }
}

impl Drop for ProgramLease {
    fn drop(&mut self) {
        // the lock is released right after
        drop(fs::remove_file(worker_path(&self.data_dir, &self.worker)));
    }
}

/// The right to use one device. Two programs can use two devices at once.
pub(crate) struct DeviceLease {
    _device: HeldLock,
    /// Programs of version 0.1 lock all devices at once with this file.
    _all_devices: HeldLock,
}

impl DeviceLease {
    /// Takes `device` for `holder` if it is free. Otherwise returns who uses it.
    pub(crate) fn attempt(data_dir: &Path, device: &DeviceId, holder: &str) -> Result<Result<Self, String>> {
        let folder = queue_folder(data_dir);
        let all_devices = match HeldLock::attempt_shared(&folder.join("device.lock"), holder)? {
            Ok(lock) => lock,
            Err(who) => return Ok(Err(who)),
        };
        let name = device.physical();
        let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let device = HeldLock::attempt(&folder.join(format!("device-{name}.lock")), holder)?;
        Ok(device.map(|device| Self { _device: device, _all_devices: all_devices }))
    }
}

/// The folder of the queue in a data folder.
pub(super) fn queue_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("queue")
}

fn worker_path(data_dir: &Path, worker: &str) -> PathBuf {
    queue_folder(data_dir).join("workers").join(worker).with_extension("lock")
}

fn is_alive(data_dir: &Path, worker: &str) -> bool {
    let path = worker_path(data_dir, worker);
    path.exists() && matches!(HeldLock::attempt(&path, ""), Ok(Err(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Provider;

    #[test]
    fn a_device_has_one_user_and_an_old_program_locks_all_devices() {
        let dir = tempfile::tempdir().unwrap();
        let attempt = |ordinal: u32, holder: &str| {
            let device = DeviceId { provider: Provider::Cuda, ordinal, uuid: None };
            DeviceLease::attempt(dir.path(), &device, holder).unwrap()
        };
        let old = || HeldLock::attempt(&dir.path().join("queue/device.lock"), "version 0.1").unwrap();
        let first = attempt(0, "one").unwrap_or_else(|holder| panic!("{holder} has it"));
        assert_eq!(attempt(0, "two").err().as_deref(), Some("one"));
        let second = attempt(1, "two").unwrap_or_else(|holder| panic!("{holder} has it"));
        assert!(old().is_err(), "an old program must wait");
        drop((first, second));
        let old = old().unwrap();
        assert_eq!(attempt(0, "one").err().as_deref(), Some("version 0.1"));
        drop(old);
        assert!(attempt(0, "one").is_ok());
    }
}
