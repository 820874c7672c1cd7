//! The number of jobs by state.

use std::fmt;

use serde::Serialize;

use super::queue::Queue;
use crate::jobs::JobState;

/// The number of jobs by state; ended ones are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QueueCounts {
    /// Jobs that a program runs.
    pub running: usize,
    /// Jobs that wait for their turn.
    pub queued: usize,
    /// Jobs that wait for a person.
    pub paused: usize,
    /// Whether the whole queue is paused.
    pub queue_paused: bool,
}

impl QueueCounts {
    /// Counts the jobs of `queue`.
    pub fn of(queue: &Queue) -> Self {
        let mut counts = Self { queue_paused: queue.is_paused(), ..Self::default() };
        for job in queue.jobs() {
            match job.state {
                JobState::Running { .. } => counts.running += 1,
                JobState::Queued => counts.queued += 1,
                JobState::Paused => counts.paused += 1,
                JobState::Ended { .. } => {}
            }
        }
        counts
    }
}

impl fmt::Display for QueueCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} running, {} queued, {} paused", self.running, self.queued, self.paused)?;
        if self.queue_paused { f.write_str("; the whole queue is paused") } else { Ok(()) }
    }
}
