//! `wandeck tasks`: lists recent jobs, and rebuilds the history from the videos.

use super::Places;
use super::args::{Common, Tasks};
use super::report::{note, out, print_json};
use crate::core::{Result, counted};
use crate::jobs::{HistoryEntry, HistoryEntryDocument};
use crate::library;
use crate::library::History;

/// Maximum width of a result in the table.
const RESULT: usize = 80;

pub(super) fn run(args: &Tasks, common: &Common) -> Result<()> {
    let places = Places::new(common)?;
    let (history, notes) = if args.rebuild {
        History::open_checked(&places.data_dir)?
    } else {
        History::open_to_read(&places.data_dir)?
    };
    for line in &notes {
        note(&format!("Warning: {line}"));
    }
    if args.rebuild {
        rebuild(&history, args, &places)?;
    }
    let tasks = history.recent(args.count)?;
    if common.json {
        print_json(&documents(&tasks));
    } else {
        for line in table(&tasks) {
            out(&line);
        }
    }
    Ok(())
}

fn rebuild(history: &History, args: &Tasks, places: &Places) -> Result<()> {
    let outputs = places.data_dir.join("outputs");
    let mut folders = args.folders.clone();
    if outputs.is_dir() {
        folders.push(outputs);
    }
    let done = library::rebuild(history, &folders)?;
    for line in &done.notes {
        note(&format!("Warning: {line}"));
    }
    note(&format!("Found {}, {} of them new", counted(done.num_found as u64, "video"), done.num_added));
    Ok(())
}

/// The documents of history entries.
pub(super) fn documents(tasks: &[HistoryEntry]) -> Vec<HistoryEntryDocument<'_>> {
    tasks.iter().map(HistoryEntryDocument::new).collect()
}

/// A table with a header and a line for each job.
pub(super) fn table(tasks: &[HistoryEntry]) -> Vec<String> {
    if tasks.is_empty() {
        return vec!["No jobs have ended yet".to_owned()];
    }
    let width = tasks.iter().map(|task| task.model.chars().count()).max().unwrap_or_default().max(5);
    let line = |cells: [&str; 8]| {
        let [ended, model, video, steps, time, peak, status, result] = cells;
        format!(
            "{ended:<16}  {model:<width$}  {video:<13}  {steps:>5}  {time:>11}  {peak:>10}  {status:<9}  {result}"
        )
    };
    let names = ["Ended", "Model", "Video", "Steps", "Time", "Peak", "Status", "Result"];
    let row = |task: &HistoryEntry| {
        let draft = task.draft();
        let unknown = || "-".to_owned();
        line([
            &task.ended.local(),
            &task.model,
            &draft.as_ref().map_or_else(unknown, |draft| format!("{} x {}", draft.size, draft.frames)),
            &draft.map_or_else(unknown, |draft| draft.steps.to_string()),
            &task.generation_time_s.map_or_else(unknown, |seconds| seconds.to_string()),
            &task.peak_mb().map_or_else(unknown, |peak| format!("{peak:.0} MiB")),
            &task.status.to_string(),
            &result(task),
        ])
    };
    std::iter::once(line(names)).chain(tasks.iter().map(row)).collect()
}

/// The output path, or the error.
fn result(task: &HistoryEntry) -> String {
    match (&task.output, &task.error) {
        (Some(output), _) => output.display().to_string(),
        (None, Some(error)) if error.message.chars().count() > RESULT => {
            error.message.chars().take(RESULT - 1).chain(['…']).collect()
        }
        (None, Some(error)) => error.message.clone(),
        (None, None) => String::new(),
    }
}
