//! `wandeck compare`: settings that differ, times, peaks and the difference to a reference.

use super::Places;
use super::args::{Common, Compare};
use super::report::{note, out, print_document};
use super::signals::cancel_on_stop;
use crate::compare::{
    ComparedVideo, ComparisonDocument, Measurements, SettingRow, differing_settings, measure,
};
use crate::core::{CancelToken, Result};
use crate::library::History;
use crate::metrics::{ClipMetric, DifferenceMetric};

/// Longest value in the table, in characters.
const LONGEST: usize = 40;

pub(super) fn run(args: &Compare, common: &Common) -> Result<()> {
    let places = Places::new(common)?;
    let (history, notes) = History::open(&places.data_dir)?;
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
    for line in table(&rows(&videos, &measured)) {
        out(&line);
    }
    for metric in DifferenceMetric::ALL {
        out(&format!("{}: {}", metric.label(), metric.meaning()));
    }
    for metric in ClipMetric::ALL {
        out(&format!("{}: {}", metric.label(), metric.meaning()));
    }
    Ok(())
}

/// The rows of the table: a name, and a value for each video.
fn rows(videos: &[ComparedVideo], measured: &Measurements) -> Vec<SettingRow> {
    let row = |name, value: &dyn Fn(usize) -> Option<String>| SettingRow {
        name,
        values: (0..videos.len()).map(|at| value(at).unwrap_or_else(|| "-".to_owned())).collect(),
    };
    let mut rows = vec![row("Video", &|at| Some(videos[at].name()))];
    rows.extend(differing_settings(videos));
    rows.push(row("Time", &|at| Some(videos[at].generation_time?.to_string())));
    rows.push(row("Denoising", &|at| Some(videos[at].denoising_time?.to_string())));
    rows.push(row("Peak memory", &|at| Some(format!("{:.0} MiB", videos[at].peak_mb?))));
    if videos.iter().any(|video| video.step_cache.is_some()) {
        rows.push(row("Skipped steps", &|at| {
            let cache = videos[at].step_cache.as_ref()?;
            Some(format!("{} of {}", cache.skipped.len(), cache.steps))
        }));
    }
    rows.push(row("Difference to reference", &|at| {
        let identical = measured.differences[at].as_ref().is_some_and(|curves| curves.is_identical());
        (at == 0).then(|| "reference".to_owned()).or_else(|| identical.then(|| "identical".to_owned()))
    }));
    for metric in DifferenceMetric::ALL {
        rows.push(row(metric.label(), &|at| {
            measured.differences[at].as_ref()?.mean(metric).map(|value| metric.text(value))
        }));
    }
    for metric in ClipMetric::ALL {
        rows.push(row(metric.label(), &|at| {
            measured.clips[at].summary(metric).map(|value| metric.text(value))
        }));
    }
    rows
}

/// The lines of a table whose columns are as wide as their longest value.
fn table(rows: &[SettingRow]) -> Vec<String> {
    let short = |text: &str| match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    };
    let width = |column: &dyn Fn(&SettingRow) -> usize| rows.iter().map(column).max().unwrap_or_default();
    let names = width(&|row| row.name.chars().count());
    let count = rows.first().map_or(0, |row| row.values.len());
    let widths: Vec<_> = (0..count).map(|at| width(&|row| short(&row.values[at]).chars().count())).collect();
    let line = |row: &SettingRow| {
        let cells = row.values.iter().zip(&widths).map(|(value, width)| format!("{:<width$}", short(value)));
        format!("{:<names$}  {}", row.name, cells.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}
