//! Inserts and queries.

use std::path::Path;

use rusqlite::{Connection, Params, Statement, Transaction, TransactionBehavior, params, params_from_iter};

use super::analysis::{Analysis, Counts};
use super::open::History;
use super::row::{self, COLUMNS};
use crate::core::{Category, Mode, Result, Utc};
use crate::jobs::{EndStatus, HistoryEntry};

/// What earlier runs must have in common with a new one for their times and memory to be comparable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimilarRuns<'a> {
    /// Model fingerprint, see `wan::Checkpoint::fingerprint`.
    pub model_fingerprint: &'a str,
    /// Mode of the run.
    pub mode: Mode,
    /// Execution provider, as named in outcomes.
    pub provider: &'a str,
    /// Precision, as named in outcomes.
    pub precision: &'a str,
}

impl History {
    /// Inserts an entry, or replaces the one with the same id.
    pub fn record(&self, task: &HistoryEntry) -> Result<()> {
        self.record_all(std::iter::once(task))
    }

    /// Inserts entries, or replaces those with the same id, in one transaction. Entries that the history has already as
    /// they are cost a look and no write.
    pub fn record_all<'a>(&self, tasks: impl Iterator<Item = &'a HistoryEntry>) -> Result<()> {
        let add = || -> rusqlite::Result<()> {
            let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
            let mut upsert = upsert(&transaction)?;
            for task in tasks {
                upsert.execute(params_from_iter(row::values(task)))?;
            }
            drop(upsert);
            transaction.commit()
        };
        add().map_err(|error| self.failed("be written", error))
    }

    /// Inserts entries rebuilt from videos in one transaction and returns their number. Entries whose video is in the
    /// history already are skipped.
    pub fn rebuild(&self, tasks: impl Iterator<Item = HistoryEntry>) -> Result<usize> {
        let add = || -> rusqlite::Result<usize> {
            let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
            let mut known =
                transaction.prepare("SELECT EXISTS (SELECT 1 FROM tasks WHERE output = ?1 AND id <> ?2)")?;
            let mut upsert = upsert(&transaction)?;
            let mut count = 0;
            for task in tasks {
                let output = task.output.as_ref().map(|path| path.to_string_lossy());
                if known.query_row(params![output, task.id], |row| row.get(0))? {
                    continue;
                }
                upsert.execute(params_from_iter(row::values(&task)))?;
                count += 1;
            }
            drop((known, upsert));
            transaction.commit()?;
            Ok(count)
        };
        add().map_err(|error| self.failed("be written", error))
    }

    /// The newest `most` entries, newest first.
    pub fn recent(&self, most: usize) -> Result<Vec<HistoryEntry>> {
        // the row id decides between jobs that ended in the same second
        self.tasks("ORDER BY ended DESC, rowid DESC LIMIT ?1", [limit(most)])
    }

    /// All entries of jobs that ended at `from` or later, oldest first.
    pub fn since(&self, from: Utc) -> Result<Vec<HistoryEntry>> {
        self.tasks("WHERE ended >= ?1 ORDER BY ended, rowid", [from.0])
    }

    /// The entries of the jobs of a group, such as a sweep, oldest first.
    pub fn of_group(&self, id: &str) -> Result<Vec<HistoryEntry>> {
        self.tasks("WHERE group_id = ?1 ORDER BY ended, rowid", [id])
    }

    /// Statistics over the jobs that ended at `from` or later. Requests are not read, because they are most of the
    /// data and not needed.
    pub fn analysis(&self, from: Utc) -> Result<Analysis> {
        let columns = COLUMNS.map(|column| if column == "request" { "NULL" } else { column });
        let tasks = self.select(&columns, "WHERE ended >= ?1 ORDER BY ended, rowid", [from.0])?;
        Ok(Analysis::of(&tasks))
    }

    /// The newest `most` finished jobs comparable with `like`, newest first, for estimates of time and memory.
    /// Entries without a measured time are skipped.
    pub fn like_runs(&self, like: &SimilarRuns<'_>, most: usize) -> Result<Vec<HistoryEntry>> {
        let SimilarRuns { model_fingerprint, mode, provider, precision } = like;
        self.tasks(
            "WHERE status = 'done' AND model_fingerprint = ?1 AND mode = ?2 AND provider = ?3 AND precision = ?4 \
             AND generation_time_s IS NOT NULL ORDER BY ended DESC, rowid DESC LIMIT ?5",
            params![model_fingerprint, row::word(mode), provider, precision, limit(most)],
        )
    }

    /// The last `most` finished videos of the model with the id `model`, newest first, in any mode and on any device.
    /// Those without a measured time are left out.
    pub fn runs_of_model(&self, model: &str, most: usize) -> Result<Vec<HistoryEntry>> {
        self.tasks(
            "WHERE status = 'done' AND model = ?1 AND generation_time_s IS NOT NULL \
             ORDER BY ended DESC, rowid DESC LIMIT ?2",
            params![model, limit(most)],
        )
    }

    /// The entry with an id.
    pub fn of_id(&self, id: &str) -> Result<Option<HistoryEntry>> {
        Ok(self.tasks("WHERE id = ?1", [id])?.into_iter().next())
    }

    /// The newest entry of the job with a number.
    pub fn of_job(&self, job: u64) -> Result<Option<HistoryEntry>> {
        let newest = self.tasks("WHERE job = ?1 ORDER BY ended DESC, rowid DESC LIMIT 1", [job as i64])?;
        Ok(newest.into_iter().next())
    }

    /// The newest entry whose video is at `output`, an absolute path.
    pub fn of_output(&self, output: &Path) -> Result<Option<HistoryEntry>> {
        let output = output.to_string_lossy();
        let newest = self.tasks("WHERE output = ?1 ORDER BY ended DESC, rowid DESC LIMIT 1", [output])?;
        Ok(newest.into_iter().next())
    }

    /// Number of jobs by result, of those that ended at `from` or later.
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

/// Inserts a row or replaces the one with the same id; a row that is there as it is stays unwritten.
fn upsert(connection: &Connection) -> rusqlite::Result<Statement<'_>> {
    let places: Vec<_> = (1..=COLUMNS.len()).map(|place| format!("?{place}")).collect();
    let changeable = COLUMNS.split_first().map_or(&[][..], |(_, others)| others);
    let each = |form: &dyn Fn(&str) -> String| {
        changeable.iter().map(|column| form(column)).collect::<Vec<_>>().join(", ")
    };
    connection.prepare(&format!(
        "INSERT INTO tasks ({}) VALUES ({}) ON CONFLICT (id) DO UPDATE SET {} WHERE ({}) IS NOT ({})",
        COLUMNS.join(", "),
        places.join(", "),
        each(&|column| format!("{column} = excluded.{column}")),
        each(&|column| format!("tasks.{column}")),
        each(&|column| format!("excluded.{column}")),
    ))
}

fn known<T: serde::de::DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}

fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}
