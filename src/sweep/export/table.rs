//! The table of a sweep as CSV.

use super::folder::ExportedCell;

/// A row for each cell: its values, state, time, memory and video.
pub(super) fn csv(fields: &[String], cells: &[ExportedCell<'_>]) -> String {
    let fixed = ["status", "seconds", "peak_mb", "video"].map(str::to_owned);
    let head: Vec<_> = fields.iter().cloned().chain(fixed).collect();
    let rows = cells.iter().map(|ExportedCell { cell, video }| {
        let values = cell.values.iter().map(|(_, value)| value.clone());
        let rest = [
            cell.status_word().to_owned(),
            cell.seconds.map(|seconds| format!("{:.3}", seconds.0)).unwrap_or_default(),
            cell.peak_mb.map(|peak| format!("{peak:.0}")).unwrap_or_default(),
            video.clone().unwrap_or_default(),
        ];
        values.chain(rest).collect::<Vec<_>>()
    });
    let line =
        |cells: Vec<String>| cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",") + "\r\n";
    std::iter::once(head).chain(rows).map(line).collect()
}

/// A value as RFC 4180 quotes it.
fn quoted(value: &str) -> String {
    if value.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}
