//! How far the cells of the sweep in the grid are from its reference cell, measured on a thread of its own.

use std::collections::BTreeMap;

use super::task::TaskThread;
use crate::core::{Error, Result, Waker};
use crate::jobs::HistoryEntry;
use crate::sweep::{CellDifference, SweepRecord, SweepTable};

/// The ids of two jobs: that of the reference, and that of a cell.
type Pair = (String, String);

/// The differences that are known, and the thread that measures others.
pub(super) struct SweepDifferences {
    thread: TaskThread<(Pair, Result<CellDifference>)>,
    known: BTreeMap<Pair, Result<CellDifference>>,
    /// What is being measured; one at a time, so that another reference counts at once.
    running: Option<Pair>,
}

impl SweepDifferences {
    /// Starts the thread. `waker` is called after each difference.
    pub(super) fn start(waker: Waker) -> Result<Self> {
        Ok(Self {
            thread: TaskThread::start("sweep differences", waker)?,
            known: BTreeMap::new(),
            running: None,
        })
    }

    /// Takes in what was measured.
    pub(super) fn drain(&mut self) {
        while let Some(answer) = self.thread.poll() {
            let running = self.running.take();
            let (pair, found) = match (answer, running) {
                (Ok(answer), _) => answer,
                (Err(error), Some(pair)) => (pair, Err(error)),
                (Err(_), None) => continue,
            };
            self.known.insert(pair, found);
        }
    }

    /// Measures the next cell of a sweep that has a reference, in the order of the cells.
    pub(super) fn ask(&mut self, record: &SweepRecord, table: &SweepTable, entries: &[HistoryEntry]) {
        let Some(reference) = reference(record, table).filter(|_| self.running.is_none()) else { return };
        let entry = |uid: &str| entries.iter().find(|entry| entry.id == uid && entry.output.is_some());
        let Some(of_reference) = entry(reference) else { return };
        let is_new = |uid: &&str| {
            *uid != reference && !self.known.contains_key(&(reference.to_owned(), (*uid).to_owned()))
        };
        let mut waiting = table.cells.iter().filter_map(|cell| cell.uid.as_deref()).filter(is_new);
        let Some(next) = waiting.find_map(entry) else { return };
        let pair = (reference.to_owned(), next.id.clone());
        let (asked, of_reference, next) = (pair.clone(), of_reference.clone(), next.clone());
        let measure = move || (asked, CellDifference::measure(&of_reference, &next));
        if self.thread.submit(measure) {
            self.running = Some(pair);
        }
    }

    /// The difference of the job `uid` to the reference of a sweep, if it was measured.
    pub(super) fn of(
        &self,
        record: &SweepRecord,
        table: &SweepTable,
        uid: &str,
    ) -> Option<Result<CellDifference, &Error>> {
        let pair = (reference(record, table)?.to_owned(), uid.to_owned());
        self.known.get(&pair).map(|found| found.as_ref().copied())
    }
}

/// The id of the job of the reference cell.
fn reference<'a>(record: &SweepRecord, table: &'a SweepTable) -> Option<&'a str> {
    let place = record.reference.as_ref()?;
    table.cells.iter().find(|cell| cell.place == *place)?.uid.as_deref()
}
