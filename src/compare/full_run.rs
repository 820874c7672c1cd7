//! What a step cache changed: the difference to a run that computed every step.

use std::path::PathBuf;

use serde::Serialize;

use super::measure::measure;
use super::video::ComparedVideo;
use crate::core::{CancelToken, Draft, Result};
use crate::jobs::HistoryEntry;
use crate::library::{History, SimilarRuns};
use crate::metrics::DifferenceMetric;

/// How many earlier runs are looked through.
const RUNS: usize = 500;

/// The difference of a video made with a step cache to one made without, with otherwise the same settings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FullRunDifference {
    /// The video whose steps were all computed.
    pub full_run: PathBuf,
    /// How many times faster the video with the step cache was made.
    pub speedup: Option<f64>,
    /// PSNR in dB; `None` if the videos are identical.
    pub psnr: Option<f64>,
    /// SSIM.
    pub ssim: Option<f64>,
    /// MS-SSIM.
    pub ms_ssim: Option<f64>,
    /// SSIMULACRA2.
    pub ssimulacra2: Option<f64>,
}

impl FullRunDifference {
    /// In words, one sentence.
    pub fn sentence(&self) -> String {
        let speed = self.speedup.map(|speedup| format!("{speedup:.2}x as fast")).unwrap_or_default();
        let values = [
            (DifferenceMetric::Psnr, self.psnr),
            (DifferenceMetric::Ssim, self.ssim),
            (DifferenceMetric::MsSsim, self.ms_ssim),
            (DifferenceMetric::Ssimulacra2, self.ssimulacra2),
        ];
        let words = values.into_iter().filter_map(|(metric, value)| {
            value.map(|value| format!("{} {}", metric.label(), metric.text(value)))
        });
        let difference = match self.psnr {
            None => "the same frames".to_owned(),
            Some(_) => format!("difference to reference {}", words.collect::<Vec<_>>().join(", ")),
        };
        let parts: Vec<_> = [speed, difference].into_iter().filter(|part| !part.is_empty()).collect();
        format!("Compared with {}, which computed every step: {}", self.full_run.display(), parts.join("; "))
    }
}

/// Measures the video of `entry` against the newest run of the history with the same settings but without a step cache;
/// `None` if the entry used none or no such run is left on disk.
pub fn difference_to_full_run(
    history: &History,
    entry: &HistoryEntry,
    cancel: &CancelToken,
) -> Result<Option<FullRunDifference>> {
    let Some(full) = full_run(history, entry)? else { return Ok(None) };
    let (Ok(reference), Ok(video)) = (ComparedVideo::of_entry(&full), ComparedVideo::of_entry(entry)) else {
        return Ok(None);
    };
    let speedup = match (reference.generation_time, video.generation_time) {
        (Some(full), Some(own)) if own.0 > 0.0 => Some(full.0 / own.0),
        _ => None,
    };
    let full_run = reference.path.clone();
    let measured = measure(&[reference, video], &[], cancel, &mut |_| {})?;
    let curves = measured.differences.into_iter().flatten().next();
    Ok(curves.map(|curves| FullRunDifference {
        full_run,
        speedup,
        psnr: curves.mean(DifferenceMetric::Psnr),
        ssim: curves.mean(DifferenceMetric::Ssim),
        ms_ssim: curves.mean(DifferenceMetric::MsSsim),
        ssimulacra2: curves.mean(DifferenceMetric::Ssimulacra2),
    }))
}

/// The newest run with the same settings that computed every step and whose video is on disk.
fn full_run(history: &History, entry: &HistoryEntry) -> Result<Option<HistoryEntry>> {
    let (Some(draft), Some(model_fingerprint), Some(mode)) =
        (entry.draft(), &entry.model_fingerprint, entry.mode)
    else {
        return Ok(None);
    };
    let (Some(provider), Some(precision)) = (&entry.provider, &entry.precision) else { return Ok(None) };
    if draft.step_cache.is_none() {
        return Ok(None);
    }
    let without = Draft { step_cache: None, ..draft };
    let like = SimilarRuns { model_fingerprint, mode, provider, precision };
    let is_full = |run: &HistoryEntry| {
        run.draft().is_some_and(|draft| draft == without)
            && run.output.as_ref().is_some_and(|output| output.exists())
    };
    Ok(history.like_runs(&like, RUNS)?.into_iter().find(is_full))
}
