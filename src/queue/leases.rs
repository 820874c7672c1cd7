//! Leases between the programs of a data folder: which programs run, and which of them uses a device.

use std::fs;
use std::path::{Path, PathBuf};

use super::death::{CrashMark, RunPlace};
use crate::core::{DeviceId, Error, Kind, Result};
use crate::jobs::{Death, HistoryEntry, JobId};
use crate::store::{HeldLock, create_private_folder, lock_is_free, make_private, remove_free_lock};

/// This program's entry among the programs that use the queue. It is removed when dropped.
pub(super) struct ProgramLease {
    data_dir: PathBuf,
    /// The data folder whose programs are looked for.
    programs_in: PathBuf,
    worker: String,
    crash_mark: Option<CrashMark>,
    _lock: HeldLock,
}

impl ProgramLease {
    /// Registers the program `who`, for instance "the window", under a new worker id.
    pub(super) fn register(data_dir: &Path, who: &str) -> Result<Self> {
        let worker = HistoryEntry::new_id();
        let holder = format!("{who} (process {})", std::process::id());
        prepare_folder(data_dir)?;
        let lock = HeldLock::create(&worker_path(data_dir, &worker, LOCK), &holder)?;
        let programs_in = data_dir.to_path_buf();
        Ok(Self { data_dir: data_dir.to_path_buf(), programs_in, worker, crash_mark: None, _lock: lock })
    }

    /// The worker id of this program.
    pub(super) fn worker(&self) -> &str {
        &self.worker
    }

    /// Whether the program with the id `worker` still runs.
    pub(super) fn is_alive(&self, worker: &str) -> bool {
        is_alive(&self.programs_in, worker)
    }

    /// Looks for programs in the data folder that the queue was copied from.
    pub(super) fn look_in(&mut self, data_dir: &Path) {
        self.programs_in = data_dir.to_path_buf();
    }

    /// Lets this program leave a mark if it ends itself, for the program that finds its job.
    pub(super) fn mark_crashes(&mut self) {
        self.crash_mark = CrashMark::leave(&worker_path(&self.data_dir, &self.worker, CRASH));
    }

    /// Notes where this program is in the job that it runs, for the program that finds the job if this one dies.
    pub(super) fn note_place(&self, job: JobId, place: &str) {
        let path = place_path(&self.data_dir, &self.worker, job);
        if let Err(error) = RunPlace::now(place).write(&path) {
            tracing::debug!("cannot write {}: {error}", path.display());
        }
    }

    /// What is known about the death of the program `worker`, whose `job` has the resume point `mark`.
    pub(super) fn death_of(&self, worker: &str, job: JobId, mark: &str) -> Death {
        let noted = RunPlace::read(&place_path(&self.data_dir, worker, job)).unwrap_or_default();
        let crash = fs::metadata(worker_path(&self.data_dir, worker, CRASH));
        Death {
            place: format!("{}/{mark}", noted.place),
            crashed: crash.is_ok_and(|mark| mark.len() > 0),
            out_of_memory: noted.was_killed_for_memory(),
        }
    }

    /// Removes the files of programs that have ended; what is known about the death of the `referred` ones stays.
    pub(super) fn remove_stale(&self, referred: &[&str]) {
        let Ok(files) = fs::read_dir(queue_folder(&self.data_dir).join("workers")) else { return };
        for path in files.filter_map(std::result::Result::ok).map(|file| file.path()) {
            let stem = path.file_stem().and_then(|name| name.to_str());
            let Some(worker) = stem.and_then(|stem| stem.split('.').next()) else { continue };
            if path.extension().is_some_and(|extension| extension == LOCK) {
                remove_free_lock(&path);
            } else if !referred.contains(&worker) && !self.is_alive(worker) {
                drop(fs::remove_file(path));
            }
        }
    }
}

impl Drop for ProgramLease {
    fn drop(&mut self) {
        self.crash_mark = None;
        let files = fs::read_dir(queue_folder(&self.data_dir).join("workers")).into_iter().flatten();
        for path in files.filter_map(std::result::Result::ok).map(|file| file.path()) {
            // the lock is released right after
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&self.worker)) {
                drop(fs::remove_file(path));
            }
        }
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

/// Creates the folder of the queue. Prompts are in it, so that only this user can open it.
fn prepare_folder(data_dir: &Path) -> Result<()> {
    let folder = queue_folder(data_dir);
    create_private_folder(&folder).map_err(|error| {
        Error::new(Kind::Io, format!("Cannot create the folder of the queue: {}", folder.display()))
            .because(error)
            .remedy("Check that the data folder can be written to, or choose another with --data-dir")
    })?;
    make_private(&folder);
    Ok(())
}

/// The folder of the queue in a data folder.
pub(super) fn queue_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("queue")
}

/// Extension of the file that a program holds locked as long as it runs.
const LOCK: &str = "lock";
/// Extension of the file that says where in its job a program is.
const PLACE: &str = "place";
/// Extension of the file that is not empty if a program ended itself.
const CRASH: &str = "crash";

fn worker_path(data_dir: &Path, worker: &str, extension: &str) -> PathBuf {
    queue_folder(data_dir).join("workers").join(worker).with_extension(extension)
}

fn place_path(data_dir: &Path, worker: &str, job: JobId) -> PathBuf {
    queue_folder(data_dir).join("workers").join(format!("{worker}.{job}.{PLACE}"))
}

fn is_alive(data_dir: &Path, worker: &str) -> bool {
    !lock_is_free(&worker_path(data_dir, worker, LOCK))
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
