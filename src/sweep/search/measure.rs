//! What a finished trial took and how far it is from the reference.

use std::path::Path;

use crate::core::{Error, Kind, Result, Secs, Stage};
use crate::jobs::HistoryEntry;
use crate::metrics::DifferenceMetric;
use crate::sweep::difference::CellDifference;

/// Time of the steps and of decoding. Loading the transformers is no part of it, and steps that an earlier attempt
/// computed count as long as the others on average.
pub(super) fn seconds(entry: &HistoryEntry) -> Option<Secs> {
    let computed = entry.steps.len() as f64;
    let draft = entry.draft()?;
    let steps = draft.step_list.as_ref().map_or_else(|| f64::from(draft.steps), |_| computed);
    let denoising: f64 = entry.steps.iter().map(|step| step.0).sum();
    let decoding =
        entry.stages.iter().filter(|stage| stage.name == Stage::Decode).map(|stage| stage.seconds.0);
    (computed > 0.0).then(|| Secs(denoising * (steps / computed).max(1.0) + decoding.sum::<f64>()))
}

/// The difference of a finished trial to the reference.
pub(super) fn difference(
    reference: &HistoryEntry,
    trial: &HistoryEntry,
    metric: DifferenceMetric,
) -> Result<f64> {
    let measured = CellDifference::measure(reference, trial)?;
    measured.of(metric).ok_or_else(|| {
        let name = |entry: &HistoryEntry| {
            let file = entry.output.as_deref().and_then(Path::file_name).unwrap_or_default();
            file.to_string_lossy().into_owned()
        };
        let (name, other) = (name(trial), name(reference));
        Error::new(Kind::Input, format!("{} of {name} and {other} cannot be measured", metric.label()))
            .remedy("Choose PSNR for the search, or larger videos")
    })
}
