//! Ends of jobs that could not be saved yet: the disk is full or fails. They are saved again and again, and only then
//! the job's last event is sent.

use std::time::{Duration, Instant};

use super::shared::Shared;
use crate::core::{Bytes, Error, Event, Kind, Result};
use crate::jobs::{HistoryEntry, JobId, JobState};

/// How long a program that would end now goes on trying.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a job ended this time.
#[derive(Clone)]
pub(super) enum EndRecord {
    /// For good; with the disk space for the latents of finished jobs, if it is one.
    Ended(Box<HistoryEntry>, Option<Bytes>),
    /// It resumes later from this state.
    Later(JobState),
    /// Its draft is done: it is paused until the user resumes it.
    Draft,
}

/// An end that is to be saved, and the event that follows.
pub(super) struct PendingEnd {
    pub(super) id: JobId,
    pub(super) record: EndRecord,
    pub(super) event: Event,
    since: Instant,
    error: Error,
}

impl Shared {
    /// Saves the end of a job and sends its last event, now or when it can be saved.
    pub(super) fn end(&self, id: JobId, record: EndRecord, event: Event) {
        let error = match self.save(id, &record) {
            Ok(()) => return self.send(id, event),
            Err(error) if error.kind == Kind::Cancelled => {
                return self.send(id, Event::Interrupted { message: error.message });
            }
            Err(error) => error,
        };
        let message = format!("Cannot save the end of job {id} yet: {error:#}");
        tracing::error!("{message}");
        self.send(id, Event::Warning { message });
        self.pending_ends().push(PendingEnd { id, record, event, since: Instant::now(), error });
    }

    /// Tries again to save the ends that could not be saved.
    pub(super) fn save_pending_ends(&self) {
        // taken out, because saving locks the queue
        let pending = std::mem::take(&mut *self.pending_ends());
        for mut end in pending {
            match self.save(end.id, &end.record) {
                Ok(()) => self.send(end.id, end.event),
                Err(error) if error.kind == Kind::Cancelled => {
                    self.send(end.id, Event::Interrupted { message: error.message });
                }
                Err(error) => {
                    end.error = error;
                    self.pending_ends().push(end);
                }
            }
        }
    }

    /// Fails if an end could not be saved for so long that a program without a person should end. The next program
    /// finds the job as interrupted and completes it.
    pub(super) fn check_pending_ends(&self) -> Result<()> {
        let pending = self.pending_ends();
        let Some(end) = pending.iter().find(|end| end.since.elapsed() > PATIENCE) else { return Ok(()) };
        let what = match &end.event {
            Event::Finished { outcome } => format!("Job {} is done ({})", end.id, outcome.output.display()),
            _ => format!("Job {} has ended", end.id),
        };
        Err(Error::new(Kind::Io, format!("{what}, but this could not be saved: {:#}", end.error))
            .remedy("The next start of the program saves it"))
    }

    fn save(&self, id: JobId, record: &EndRecord) -> Result<()> {
        let mut queue = self.queue();
        match record.clone() {
            EndRecord::Ended(entry, kept_latents) => queue.end(id, *entry, kept_latents),
            EndRecord::Later(state) => queue.give_back(id, state),
            EndRecord::Draft => queue.pause_after_draft(id),
        }
    }
}
