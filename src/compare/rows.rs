//! The rows of the table that the command line and the window show.

use super::measure::Measurements;
use super::settings::differing_settings;
use super::video::ComparedVideo;
use crate::metrics::{ClipMetric, DifferenceMetric};

/// Stands for a value that is not known.
const NONE: &str = "-";

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparisonRow {
    /// What is compared.
    pub name: &'static str,
    /// What it means, one sentence; settings and times speak for themselves.
    pub meaning: Option<&'static str>,
    /// The value of each video; "-" where there is none.
    pub values: Vec<String>,
}

/// Names, settings that differ, times and peaks that are known, and, once they are measured, the metrics.
pub fn comparison_rows(videos: &[ComparedVideo], measured: Option<&Measurements>) -> Vec<ComparisonRow> {
    let row = |name, meaning, value: &dyn Fn(usize) -> Option<String>| ComparisonRow {
        name,
        meaning,
        values: (0..videos.len()).map(|at| value(at).unwrap_or_else(|| NONE.to_owned())).collect(),
    };
    let mut rows = vec![row("Video", None, &|at| Some(videos[at].name()))];
    let settings = differing_settings(videos).into_iter();
    rows.extend(settings.map(|row| ComparisonRow { name: row.name, meaning: None, values: row.values }));
    rows.push(row("Time", None, &|at| Some(videos[at].generation_time?.to_string())));
    rows.push(row("Denoising", None, &|at| Some(videos[at].denoising_time?.to_string())));
    rows.push(row("Peak memory", None, &|at| Some(format!("{:.0} MiB", videos[at].peak_mb?))));
    if videos.iter().any(|video| video.step_cache.is_some()) {
        rows.push(row("Skipped steps", None, &|at| {
            let cache = videos[at].step_cache.as_ref()?;
            Some(format!("{} of {}", cache.skipped.len(), cache.steps))
        }));
    }
    rows.retain(|row| row.values.iter().any(|value| value != NONE));
    let Some(measured) = measured else { return rows };
    let difference = |at: usize| measured.differences.get(at)?.as_ref();
    rows.push(row("Difference to reference", None, &|at| match difference(at) {
        _ if at == 0 => Some("reference".to_owned()),
        Some(curves) if curves.is_identical() => Some("identical".to_owned()),
        Some(_) => Some("different".to_owned()),
        None => None,
    }));
    for metric in DifferenceMetric::ALL {
        rows.push(row(metric.label(), Some(metric.meaning()), &|at| {
            difference(at)?.mean(metric).map(|value| metric.text(value))
        }));
    }
    for metric in ClipMetric::ALL {
        rows.push(row(metric.label(), Some(metric.meaning()), &|at| {
            measured.clips.get(at)?.summary(metric).map(|value| metric.text(value))
        }));
    }
    rows
}
