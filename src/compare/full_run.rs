//! What a step cache changed: the difference to a run that computed every step.

use std::path::PathBuf;

use super::measure::difference;
use super::video::ComparedVideo;
use crate::core::{CancelToken, Draft, Result};
use crate::jobs::HistoryEntry;
use crate::library::{History, SimilarRuns};
use crate::metrics::{DifferenceCurves, DifferenceMetric};

/// How many earlier runs are looked through.
const RUNS: usize = 500;

/// The difference of a video made with a step cache to one made without, with otherwise the same settings.
#[derive(Clone, Debug, PartialEq)]
pub struct FullRunDifference {
    /// The video whose steps were all computed.
    pub full_run: PathBuf,
    /// How many times faster the video with the step cache was made.
    pub speedup: Option<f64>,
    /// The difference frame by frame.
    pub curves: DifferenceCurves,
}

impl FullRunDifference {
    /// In words, one sentence.
    pub fn sentence(&self) -> String {
        let speed = self.speedup.map(|speedup| format!("{speedup:.2}x as fast"));
        let words = DifferenceMetric::ALL.into_iter().filter_map(|metric| {
            self.curves.mean(metric).map(|value| format!("{} {}", metric.label(), metric.text(value)))
        });
        let difference = if self.curves.is_identical() {
            "the same frames".to_owned()
        } else {
            format!("difference to reference {}", words.collect::<Vec<_>>().join(", "))
        };
        let parts: Vec<_> = speed.into_iter().chain([difference]).collect();
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
    let curves = difference(&reference, &video, cancel)?;
    Ok(curves.map(|curves| FullRunDifference { full_run: reference.path, speedup, curves }))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Frame, Resolution};
    use crate::metrics::frame_difference;

    #[test]
    fn the_sentence_has_every_metric_that_has_a_value() {
        let frame = |level: u8| {
            let size = Resolution::new(16, 16);
            let bytes = 3 * size.area() as usize;
            Frame { size, rgb: vec![level; bytes] }
        };
        let of = |level: u8| {
            let mut curves = DifferenceCurves::default();
            curves.push(&frame_difference(&frame(100), &frame(level)).unwrap());
            FullRunDifference { full_run: "full.mp4".into(), speedup: Some(1.5), curves }.sentence()
        };
        let same = "Compared with full.mp4, which computed every step: 1.50x as fast; the same frames";
        assert_eq!(of(100), same);
        let other = of(110);
        for metric in DifferenceMetric::ALL {
            assert!(other.contains(&format!("{} ", metric.label())), "{other}");
        }
        assert!(other.contains("1.50x as fast; difference to reference PSNR 28.13 dB"), "{other}");
    }
}
