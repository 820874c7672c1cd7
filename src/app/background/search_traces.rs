//! The trace of the search in the grid, computed on a thread of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use super::newest::Newest;
use crate::core::{Result, Waker};
use crate::sweep::{SearchTrace, SweepRecord, SweepTable, search_trace};

/// Time without a change of a search before its trace is computed.
const REST: Duration = Duration::from_millis(50);

/// The newest trace.
pub(super) struct SearchTraces {
    newest: Newest<Question, Option<SearchTrace>>,
}

/// A search with what became of its trials.
#[derive(Clone, Debug, PartialEq)]
struct Question {
    record: SweepRecord,
    table: SweepTable,
    stars: BTreeMap<String, u8>,
}

impl Question {
    fn trace(&self) -> Option<SearchTrace> {
        let stars = |uid: &str| self.stars.get(uid).copied().unwrap_or_default();
        search_trace(&self.record, &self.table, &stars).unwrap_or_else(|error| {
            tracing::warn!("No trace of the search: {error:#}");
            None
        })
    }
}

impl SearchTraces {
    /// Starts the thread. `waker` is called after each trace.
    pub(super) fn start(waker: Waker) -> Result<Self> {
        Ok(Self { newest: Newest::start("search trace", REST, waker, Question::trace)? })
    }

    /// Asks for the trace of a sweep, if it is a search.
    pub(super) fn ask(&mut self, record: &SweepRecord, table: &SweepTable, stars: &BTreeMap<String, u8>) {
        if record.sweep.search.is_some() {
            let (record, table, stars) = (record.clone(), table.clone(), stars.clone());
            self.newest.ask(Question { record, table, stars });
        }
    }

    /// Takes in what was computed.
    pub(super) fn drain(&mut self) {
        self.newest.drain();
    }

    /// The newest trace of the search with this id.
    pub(super) fn of(&self, id: &str) -> Option<&SearchTrace> {
        let (question, trace) = self.newest.latest()?;
        trace.as_ref().filter(|_| question.record.id == id)
    }
}
