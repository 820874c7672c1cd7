//! Conversion between a history entry and a row of the table.

use rusqlite::Row;
use rusqlite::types::{FromSql, Value};
use serde::Serialize;
use serde::de::{DeserializeOwned, IntoDeserializer as _};

use crate::core::{Secs, Utc};
use crate::jobs::HistoryEntry;

/// The columns in the order that [`values`] and [`task`] use.
pub(super) const COLUMNS: [&str; 33] = [
    "id",
    "job",
    "status",
    "created",
    "started",
    "ended",
    "prompt",
    "mode",
    "model",
    "model_fingerprint",
    "request",
    "output",
    "category",
    "error",
    "generation_time_s",
    "stages",
    "steps",
    "peak_rss_mb",
    "peak_vram_mb",
    "provider",
    "precision",
    "retries",
    "story",
    "optimizations",
    "warnings",
    "findings",
    "estimated_s",
    "estimated_peak_mb",
    "checks",
    "suggestions",
    "step_cache",
    "group_id",
    "job_group",
];

/// The values of the columns.
pub(super) fn values(task: &HistoryEntry) -> [Value; COLUMNS.len()] {
    let seconds = |seconds: Option<Secs>| seconds.map(|seconds| seconds.0).into();
    [
        task.id.clone().into(),
        // job numbers start at 1
        (task.job as i64).into(),
        word(&task.status),
        task.created.0.into(),
        task.started.map(|time| time.0).into(),
        task.ended.0.into(),
        task.prompt.clone().into(),
        word(&task.mode),
        task.model.clone().into(),
        task.model_fingerprint.clone().into(),
        json(&task.request),
        task.output.as_ref().map(|path| path.to_string_lossy().into_owned()).into(),
        word(&task.error.as_ref().map(|error| error.category)),
        task.error.as_ref().map_or(Value::Null, json),
        seconds(task.generation_time_s),
        json(&task.stages),
        json(&task.steps),
        task.peak_rss_mb.into(),
        task.peak_vram_mb.into(),
        task.provider.clone().into(),
        task.precision.clone().into(),
        task.retries.into(),
        json(&task.retry_messages),
        json(&task.optimizations),
        json(&task.warnings),
        json(&task.findings),
        seconds(task.estimated_s),
        task.estimated_peak_mb.into(),
        json(&task.checks),
        // also part of the error; a column of their own for other programs
        json(&task.error.as_ref().map(|error| error.suggestions.as_slice()).unwrap_or_default()),
        json(&task.step_cache),
        task.group.as_ref().map(|group| group.id.clone()).into(),
        task.group.as_ref().map_or(Value::Null, json),
    ]
}

/// The entry in a row selected with [`COLUMNS`].
pub(super) fn task(row: &Row<'_>) -> rusqlite::Result<HistoryEntry> {
    let mut cells = Cells { row, next: 0 };
    let id: String = cells.take()?;
    let job: i64 = cells.take()?;
    let mut task = HistoryEntry {
        job: job as u64,
        status: cells.word(&id)?.unwrap_or_default(),
        created: Utc(cells.take()?),
        started: cells.take::<Option<_>>()?.map(Utc),
        ended: Utc(cells.take()?),
        prompt: cells.take()?,
        mode: cells.word(&id)?,
        model: cells.take()?,
        model_fingerprint: cells.take()?,
        request: cells.json(&id)?,
        output: cells.take::<Option<String>>()?.map(Into::into),
        ..HistoryEntry::default()
    };
    // the category is stored in the error, too
    cells.next += 1;
    task.error = cells.json(&id)?;
    task.generation_time_s = cells.take::<Option<_>>()?.map(Secs);
    task.stages = cells.json(&id)?;
    task.steps = cells.json(&id)?;
    task.peak_rss_mb = cells.take()?;
    task.peak_vram_mb = cells.take()?;
    task.provider = cells.take()?;
    task.precision = cells.take()?;
    task.retries = cells.take()?;
    task.retry_messages = cells.json(&id)?;
    task.optimizations = cells.json(&id)?;
    task.warnings = cells.json(&id)?;
    task.findings = cells.json(&id)?;
    task.estimated_s = cells.take::<Option<_>>()?.map(Secs);
    task.estimated_peak_mb = cells.take()?;
    task.checks = cells.json(&id)?;
    // the suggestions are part of the error, too
    cells.next += 1;
    task.step_cache = cells.json(&id)?;
    // the group's id is part of the group, too
    cells.next += 1;
    task.group = cells.json(&id)?;
    Ok(HistoryEntry { id, ..task })
}

/// Reads the cells of a row in order.
struct Cells<'a, 'r> {
    row: &'a Row<'r>,
    next: usize,
}

impl Cells<'_, '_> {
    fn take<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        self.next += 1;
        self.row.get(self.next - 1)
    }

    /// The text of a cell, borrowed: copying it would take as long as reading it.
    fn text(&mut self) -> rusqlite::Result<Option<&str>> {
        self.next += 1;
        Ok(self.row.get_ref(self.next - 1)?.as_str_or_null()?)
    }

    /// A word as an enum; `None` if this version does not know the word.
    fn word<T: DeserializeOwned>(&mut self, id: &str) -> rusqlite::Result<Option<T>> {
        let column = self.next;
        let Some(text) = self.text()? else { return Ok(None) };
        Ok(known(id, column, T::deserialize(text.into_deserializer())))
    }

    /// A list or object stored as JSON.
    fn json<T: DeserializeOwned + Default>(&mut self, id: &str) -> rusqlite::Result<T> {
        let column = self.next;
        match self.text()? {
            None | Some("[]") => Ok(T::default()),
            Some(text) => Ok(known(id, column, serde_json::from_str(text)).unwrap_or_default()),
        }
    }
}

fn known<T>(id: &str, column: usize, read: serde_json::Result<T>) -> Option<T> {
    read.inspect_err(|error| {
        let column = COLUMNS.get(column).unwrap_or(&"?");
        tracing::warn!("The history's task {id} has a {column} that cannot be read: {error}");
    })
    .ok()
}

/// The serde name of an enum variant without data.
pub(super) fn word<T: Serialize>(value: &T) -> Value {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Value::Text(word),
        _ => Value::Null,
    }
}

fn json<T: Serialize>(value: &T) -> Value {
    // encoding cannot fail: paths are inside a value that is JSON already
    Value::Text(serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned()))
}
