//! What programs that were killed left in the data folder, removed when the queue is opened.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::leases::queue_folder;
use super::queue::Queue;
use super::run::RESUME_POINTS_OF_FAILED;
use crate::attempt;
use crate::core::Result;
use crate::jobs::{EndStatus, Job};
use crate::store::{sweep_earlier_staged, sweep_staged};

/// Folders of the data folder in which files are written under a temporary name, and where a person may keep files too.
const SHARED: [&str; 2] = ["", "presets"];
/// Folders of the data folder into which only this program writes.
const OWN: [&str; 8] = [
    "queue",
    "queue/work",
    "latents",
    "cache/tensors",
    "cache/thumbnails",
    "cache/switch",
    "cache/weights",
    "performance",
];

impl Queue {
    /// Removes half files, states of ended jobs and the files of programs that have ended.
    pub(super) fn sweep(&mut self) {
        for folder in SHARED.iter().chain(&OWN) {
            sweep_staged(&self.data_dir.join(folder));
        }
        for folder in OWN {
            sweep_earlier_staged(&self.data_dir.join(folder));
        }
        self.remove_ended_states();
        if let Err(error) = self.remove_orphans() {
            tracing::debug!("cannot clear away the files of removed jobs: {error:#}");
        }
        let jobs = self.shared.get().jobs();
        let referred: Vec<_> = jobs.into_iter().filter_map(Job::worker).collect();
        self.lease.remove_stale(&referred);
    }

    /// Clears away the states of jobs whose program was killed between saving their end and doing so itself.
    fn remove_ended_states(&self) {
        for job in self.shared.get().jobs() {
            match job.ended().map(|entry| entry.status) {
                Some(EndStatus::Cancelled) => attempt::forget(&self.data_dir, &job.uid),
                Some(EndStatus::Done | EndStatus::Failed) => {
                    attempt::keep(&self.data_dir, &job.uid, RESUME_POINTS_OF_FAILED);
                }
                None => {}
            }
        }
    }

    /// Removes states of jobs that are not in the list any more, and reports of jobs that do not run.
    fn remove_orphans(&mut self) -> Result<()> {
        let queue = queue_folder(&self.data_dir);
        // before the journal: a job is in it before its first file is written
        let (states, reports) = (files_in(&queue.join("work")), files_in(&queue.join("live")));
        if states.is_empty() && reports.is_empty() {
            return Ok(());
        }
        self.refresh()?;
        let jobs = self.shared.get().jobs();
        let known: HashSet<&str> = jobs.iter().map(|job| job.uid.as_str()).collect();
        let running = jobs.iter().filter(|job| job.worker().is_some());
        let running: HashSet<String> = running.map(|job| job.id.to_string()).collect();
        let orphans = states.iter().filter(|path| path.extension().is_some_and(|name| name == "safetensors"));
        let orphans = orphans.filter(|path| !known.contains(stem(path)));
        for path in orphans.chain(reports.iter().filter(|path| !running.contains(stem(path)))) {
            if let Err(error) = fs::remove_file(path) {
                tracing::debug!("cannot remove {}: {error}", path.display());
            }
        }
        Ok(())
    }
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(std::result::Result::ok);
    entries.map(|entry| entry.path()).collect()
}

/// The name of a file up to its first dot.
fn stem(path: &Path) -> &str {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.split('.').next().unwrap_or_default()
}
