//! The queue's state as all programs of a data folder share it: read from the journal, changed through it.

use std::path::Path;

use super::journal_v1;
use super::leases::queue_folder;
use super::state::{Record, State};
use crate::core::{CancelToken, Error, FaultPoint, Faults, Kind, Result};
use crate::store::{Journal, Locked};

/// Version of the records that this program writes.
const VERSION: u64 = 2;

/// State and journal. Every change is on disk before it is visible.
pub(super) struct SharedState {
    journal: Journal,
    state: State,
    faults: Faults,
    notes: Vec<String>,
    revision: u64,
}

impl SharedState {
    /// Opens the journal of a data folder and reads it.
    pub(super) fn open(data_dir: &Path, faults: &Faults) -> Result<Self> {
        let journal = Journal::open(&queue_folder(data_dir).join("journal"), VERSION)?;
        let (state, faults) = (State::default(), faults.clone());
        let mut shared = Self { journal, state, faults, notes: Vec::new(), revision: 0 };
        shared.refresh()?;
        Ok(shared)
    }

    /// The state as last read.
    pub(super) fn get(&self) -> &State {
        &self.state
    }

    /// A number that differs after each change by any program.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether another program may have changed something; cheap.
    pub(super) fn may_have_changed(&self) -> bool {
        self.journal.may_have_changed()
    }

    /// Fails if the data folder was moved, removed or replaced since it was opened.
    pub(super) fn check_place(&self) -> Result<()> {
        self.journal.check_place()
    }

    /// What went wrong while the journal was read, a sentence each; returned once.
    pub(super) fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Reads what other programs changed. Returns whether there was anything.
    pub(super) fn refresh(&mut self) -> Result<bool> {
        let mut locked = self.journal.lock()?;
        let changed = apply_update(&mut locked, &mut self.state, &mut self.notes)?;
        self.revision += u64::from(changed);
        Ok(changed)
    }

    /// Reads new records, lets `decide` choose records, appends them and applies them.
    pub(super) fn change<T>(&mut self, decide: impl FnOnce(&State) -> Result<(Vec<Record>, T)>) -> Result<T> {
        let mut locked = self.journal.lock()?;
        self.revision += u64::from(apply_update(&mut locked, &mut self.state, &mut self.notes)?);
        let (records, decided) = decide(&self.state)?;
        if records.is_empty() {
            return Ok(decided);
        }
        records.iter().try_for_each(check_readable)?;
        self.faults.inject(FaultPoint::Journal, &CancelToken::new())?;
        if locked.is_old() {
            locked.rewrite(&self.state.records())?;
        }
        locked.append(&records)?;
        self.revision += 1;
        for record in records {
            self.state.apply(record);
        }
        if locked.is_long()
            && let Err(error) = locked.rewrite(&self.state.records())
        {
            tracing::warn!("Cannot shorten the journal of the queue: {error:#}");
        }
        Ok(decided)
    }
}

/// Fails if a record could be written and not be read again, as one with an infinite number.
fn check_readable(record: &Record) -> Result<()> {
    let read = serde_json::to_vec(record).and_then(|json| serde_json::from_slice::<Record>(&json));
    read.map(drop).map_err(|error| {
        Error::new(Kind::Input, "The settings or the result of a job cannot be stored").because(error)
    })
}

fn apply_update(locked: &mut Locked<'_>, state: &mut State, notes: &mut Vec<String>) -> Result<bool> {
    let update = locked.read_new(decode)?;
    if update.from_start {
        *state = State::default();
    }
    let is_damaged = update.damage.is_some();
    if let Some(damage) = update.damage {
        notes.push(format!(
            "{} damaged records of the queue were ignored; a copy of the damaged file is {}",
            damage.records,
            damage.kept.display()
        ));
    }
    let some = update.from_start || !update.records.is_empty();
    for record in update.records {
        state.apply(record);
    }
    if is_damaged {
        locked.rewrite(&state.records())?;
    }
    Ok(some)
}

fn decode(json: &[u8], version: Option<u64>) -> Option<Record> {
    let current = || serde_json::from_slice(json).ok();
    match version {
        Some(1) => journal_v1::decode(json),
        Some(_) => current(),
        // the first line is damaged
        None => current().or_else(|| journal_v1::decode(json)),
    }
}
