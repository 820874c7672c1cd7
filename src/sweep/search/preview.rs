//! How far the preview of a trial is from the reference, and whether the trial is worth finishing.

use std::collections::HashMap;
use std::path::Path;

use optimizer::Direction;
use optimizer::pruner::{PercentilePruner, Pruner as _};
use optimizer::sampler::CompletedTrial;

use super::definition::Goal;
use super::trial::Trial;
use crate::core::{Frame, Result};
use crate::media::{Reader, resized};
use crate::metrics::psnr;

/// A trial is stopped if its preview is further from the reference than those of this percentage of the trials that
/// satisfied the bound.
const PERCENTILE: f64 = 10.0;
/// Fewest trials that satisfied the bound before one is stopped.
const LEAST_TRIALS: usize = 3;
/// The check as the library counts it: each trial has one.
const CHECK: u64 = 1;
/// PSNR of identical images.
const IDENTICAL: f64 = 100.0;

/// Whether a trial whose preview has `psnr` at its check is not worth finishing.
pub(super) fn is_hopeless(psnr: f64, goal: Goal, trials: &[Trial<'_>]) -> bool {
    let pruner = PercentilePruner::new(PERCENTILE, Direction::Maximize).n_min_trials(LEAST_TRIALS);
    let satisfying = trials.iter().filter(|trial| trial.note.satisfies(goal) == Some(true));
    let history: Vec<CompletedTrial> = satisfying
        .filter_map(|trial| trial.note.preview_psnr)
        .map(|psnr| {
            let empty = || (HashMap::new(), HashMap::new(), HashMap::new());
            let (values, distributions, labels) = empty();
            let checks = vec![(CHECK, psnr)];
            CompletedTrial::with_intermediate_values(
                0,
                values,
                distributions,
                labels,
                psnr,
                checks,
                HashMap::new(),
            )
        })
        .collect();
    pruner.should_prune(0, CHECK, &[(CHECK, psnr)], &history)
}

/// PSNR in dB of the frames of a preview and the frames of the reference that belong to them, in the preview's size.
pub(super) fn preview_psnr(preview: &[Frame], reference: &Path) -> Result<Option<f64>> {
    let mut reader = Reader::open(reference)?;
    let last = reader.info().frames.0.saturating_sub(1);
    let (mut sum, mut count) = (0.0, 0_usize);
    for (index, small) in (0_u32..).zip(preview) {
        let parts = (preview.len() as u32).saturating_sub(1).max(1);
        reader.seek(index * last / parts);
        let Some(frame) = reader.next_frame()? else { break };
        let reduced = resized(frame, small.size)?;
        let squares = small.rgb.iter().zip(&reduced.rgb).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
        sum += squares.sum::<f64>();
        count += small.rgb.len();
    }
    if count == 0 {
        return Ok(None);
    }
    Ok(Some(psnr(sum / count as f64).map_or(IDENTICAL, |psnr| psnr.min(IDENTICAL))))
}
