//! Writing and asking.

use rusqlite::{Connection, Params, Transaction, TransactionBehavior, params, params_from_iter};

use super::analysis::{Analysis, Counts};
use super::open::History;
use super::row::{self, COLUMNS};
use crate::core::{Category, Mode, Result, Utc};
use crate::jobs::{EndStatus, HistoryEntry};

/// What makes earlier runs comparable with one to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimilarRuns<'a> {
    /// See `wan::Checkpoint::fingerprint`.
    pub model_fingerprint: &'a str,
    /// The mode that will run.
    pub mode: Mode,
    /// Execution provider, as an outcome names it.
    pub provider: &'a str,
    /// Number format, as an outcome names it.
    pub precision: &'a str,
}

impl History {
    /// Writes a task down. The same id again replaces what was there.
    pub fn record(&self, task: &HistoryEntry) -> Result<()> {
        upsert(&self.connection, task).map_err(|error| self.failed("be written", error))
    }

    /// Adds tasks that were found again from their videos, and says how many. One whose video is recorded already
    /// is left out. All or nothing.
    pub fn rebuild(&self, tasks: impl Iterator<Item = HistoryEntry>) -> Result<usize> {
        let add = || -> rusqlite::Result<usize> {
            let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
            let mut known =
                transaction.prepare("SELECT EXISTS (SELECT 1 FROM tasks WHERE output = ?1 AND id <> ?2)")?;
            let mut count = 0;
            for task in tasks {
                let output = task.output.as_ref().map(|path| path.to_string_lossy());
                if known.query_row(params![output, task.id], |row| row.get(0))? {
                    continue;
                }
                upsert(&transaction, &task)?;
                count += 1;
            }
            drop(known);
            transaction.commit()?;
            Ok(count)
        };
        add().map_err(|error| self.failed("be written", error))
    }

    /// The last `most` tasks, newest first.
    pub fn recent(&self, most: usize) -> Result<Vec<HistoryEntry>> {
        // the row's number decides between tasks that ended in the same second
        self.tasks("ORDER BY ended DESC, rowid DESC LIMIT ?1", [limit(most)])
    }

    /// Every task that ended at `from` or later, oldest first.
    pub fn since(&self, from: Utc) -> Result<Vec<HistoryEntry>> {
        self.tasks("WHERE ended >= ?1 ORDER BY ended, rowid", [from.0])
    }

    /// What the tasks that ended at `from` or later have in common. Reads all but their forms, which are most of
    /// their bytes and tell nothing here.
    pub fn analysis(&self, from: Utc) -> Result<Analysis> {
        let columns = COLUMNS.map(|column| if column == "request" { "NULL" } else { column });
        let tasks = self.select(&columns, "WHERE ended >= ?1 ORDER BY ended, rowid", [from.0])?;
        Ok(Analysis::of(&tasks))
    }

    /// The last `most` videos that were made in the same way, newest first: what time and memory can be learned
    /// from. Tasks without a measured time are left out.
    pub fn like_runs(&self, like: &SimilarRuns<'_>, most: usize) -> Result<Vec<HistoryEntry>> {
        let SimilarRuns { model_fingerprint, mode, provider, precision } = like;
        self.tasks(
            "WHERE status = 'done' AND model_fingerprint = ?1 AND mode = ?2 AND provider = ?3 AND precision = ?4 \
             AND generation_time_s IS NOT NULL ORDER BY ended DESC, rowid DESC LIMIT ?5",
            params![model_fingerprint, row::word(mode), provider, precision, limit(most)],
        )
    }

    /// How the tasks that ended at `from` or later went.
    pub fn counts(&self, from: Utc) -> Result<Counts> {
        let count = || -> rusqlite::Result<Counts> {
            let mut statement = self.connection.prepare(
                "SELECT status, category, retries, count(*) FROM tasks WHERE ended >= ?1 \
                 GROUP BY status, category, retries",
            )?;
            let mut rows = statement.query([from.0])?;
            let mut counts = Counts::default();
            while let Some(row) = rows.next()? {
                let (status, category): (String, Option<String>) = (row.get(0)?, row.get(1)?);
                let category = category.as_deref().and_then(known::<Category>);
                let status = known::<EndStatus>(&status).unwrap_or_default();
                let (retries, count): (u32, u32) = (row.get(2)?, row.get(3)?);
                counts.add(status, category, retries.into(), count.into());
            }
            Ok(counts)
        };
        count().map_err(|error| self.failed("be read", error))
    }

    fn tasks(&self, rest: &str, params: impl Params) -> Result<Vec<HistoryEntry>> {
        self.select(&COLUMNS, rest, params)
    }

    fn select(&self, columns: &[&str], rest: &str, params: impl Params) -> Result<Vec<HistoryEntry>> {
        let select = || -> rusqlite::Result<Vec<HistoryEntry>> {
            let sql = format!("SELECT {} FROM tasks {rest}", columns.join(", "));
            self.connection.prepare(&sql)?.query_map(params, row::task)?.collect()
        };
        select().map_err(|error| self.failed("be read", error))
    }
}

fn upsert(connection: &Connection, task: &HistoryEntry) -> rusqlite::Result<()> {
    let places: Vec<_> = (1..=COLUMNS.len()).map(|place| format!("?{place}")).collect();
    let updates: Vec<_> =
        COLUMNS.iter().skip(1).map(|column| format!("{column} = excluded.{column}")).collect();
    let sql = format!(
        "INSERT INTO tasks ({}) VALUES ({}) ON CONFLICT (id) DO UPDATE SET {}",
        COLUMNS.join(", "),
        places.join(", "),
        updates.join(", ")
    );
    connection.execute(&sql, params_from_iter(row::values(task)))?;
    Ok(())
}

fn known<T: serde::de::DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}

fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}
