//! What a program leaves behind for the case that it dies while it runs a job.

use std::fs;
use std::io;
use std::path::Path;
#[cfg(unix)]
use std::sync::{Arc, atomic::AtomicBool};

use serde::{Deserialize, Serialize};

use crate::core::{Bytes, read_bounded};
use crate::monitor::memory_kills;

/// Largest file that is read.
const MAX_FILE: Bytes = Bytes(64 << 10);

/// Where a program is in the job that it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RunPlace {
    pub(super) place: String,
    /// How many processes the system had killed for their memory: of the program's group, and of the machine.
    kills: [Option<u64>; 2],
}

impl RunPlace {
    pub(super) fn now(place: &str) -> Self {
        Self { place: place.to_owned(), kills: memory_kills() }
    }

    pub(super) fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&read_bounded(path, MAX_FILE).ok()?).ok()
    }

    /// Writes it without a sync: it has to survive the program, not a power cut.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        fs::write(path, serde_json::to_vec(self)?)
    }

    /// Whether the system has killed a process for its memory since.
    pub(super) fn was_killed_for_memory(&self) -> bool {
        let more =
            |(then, now): (&Option<u64>, Option<u64>)| then.zip(now).is_some_and(|(then, now)| now > then);
        self.kills.iter().zip(memory_kills()).any(more)
    }
}

/// A file that is not empty after the program ended itself, as after a failed allocation.
pub(super) struct CrashMark {
    #[cfg(unix)]
    registered: Vec<signal_hook::SigId>,
}

impl CrashMark {
    /// Creates the file at `path` and lets the signals of such an end write a byte into it.
    #[cfg(unix)]
    pub(super) fn leave(path: &Path) -> Option<Self> {
        use signal_hook::consts::{SIGABRT, SIGBUS};
        let mut mark = Self { registered: Vec::new() };
        let mut register = || -> io::Result<()> {
            for signal in [SIGABRT, SIGBUS] {
                let file = fs::File::create(path)?;
                mark.registered.push(signal_hook::low_level::pipe::register(signal, file)?);
                // after the mark is written, the signal ends the program as without it
                let ends = Arc::new(AtomicBool::new(true));
                mark.registered.push(signal_hook::flag::register_conditional_default(signal, ends)?);
            }
            Ok(())
        };
        match register() {
            Ok(()) => Some(mark),
            Err(error) => {
                tracing::debug!("cannot mark crashes: {error}");
                None
            }
        }
    }

    /// This system has no such signals.
    #[cfg(not(unix))]
    pub(super) fn leave(_path: &Path) -> Option<Self> {
        None
    }
}

impl Drop for CrashMark {
    fn drop(&mut self) {
        #[cfg(unix)]
        for id in self.registered.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_again_and_a_kill_for_memory_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.place");
        let place = RunPlace::now("decode");
        place.write(&path).unwrap();
        assert_eq!(RunPlace::read(&path), Some(place.clone()));
        assert!(!place.was_killed_for_memory());
        if place.kills[1].is_some() {
            let kills = place.kills.map(|kills| kills.and_then(|kills| kills.checked_sub(1)));
            assert!(kills[1].is_none() || RunPlace { kills, ..place }.was_killed_for_memory());
        }
        assert_eq!(RunPlace::read(&dir.path().join("none")), None);
    }
}
