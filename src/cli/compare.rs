//! `wandeck compare`: settings that differ, times, peaks and the difference to a reference.

use super::Places;
use super::args::{Common, Compare};
use super::report::{note, out, print_document};
use super::signals::cancel_on_stop;
use crate::compare::{ComparedVideo, ComparisonDocument, ComparisonRow, comparison_rows, measure};
use crate::core::{CancelToken, Result, shortened};
use crate::library::History;

/// Longest value in the table, in characters.
const LONGEST: usize = 40;

pub(super) fn run(args: &Compare, common: &Common) -> Result<()> {
    let places = Places::new(common)?;
    let (history, notes) = History::open_to_read(&places.data_dir)?;
    for line in &notes {
        note(&format!("Warning: {line}"));
    }
    let videos: Vec<ComparedVideo> =
        args.videos.iter().map(|name| ComparedVideo::find(name, &history)).collect::<Result<_>>()?;
    let cancel = CancelToken::new();
    cancel_on_stop(&cancel)?;
    let measured = measure(&videos, &[], &cancel, &mut |_| {})?;
    if common.json {
        print_document(ComparisonDocument::new(&videos, &measured));
        return Ok(());
    }
    for line in measured.notes() {
        note(&format!("Note: {line}"));
    }
    let rows = comparison_rows(&videos, Some(&measured));
    for line in table(&rows) {
        out(&line);
    }
    for ComparisonRow { name, meaning, .. } in &rows {
        if let Some(meaning) = meaning {
            out(&format!("{name}: {meaning}"));
        }
    }
    Ok(())
}

/// The lines of a table whose columns are as wide as their longest value.
fn table(rows: &[ComparisonRow]) -> Vec<String> {
    let short = |text: &str| shortened(text, LONGEST);
    let width = |column: &dyn Fn(&ComparisonRow) -> usize| rows.iter().map(column).max().unwrap_or_default();
    let names = width(&|row| row.name.chars().count());
    let count = rows.first().map_or(0, |row| row.values.len());
    let widths: Vec<_> = (0..count).map(|at| width(&|row| short(&row.values[at]).chars().count())).collect();
    let line = |row: &ComparisonRow| {
        let cells = row.values.iter().zip(&widths).map(|(value, width)| format!("{:<width$}", short(value)));
        format!("{:<names$}  {}", row.name, cells.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}
