//! A step cache: steps whose model prediction would hardly change reuse the last computed one.
//!
//! The method is `EasyCache` (Zhou and others, "Less is Enough: Training-Free Video Diffusion Acceleration via
//! Runtime-Adaptive Caching", arXiv 2507.02860). It looks at the latents only, so it works with any provider,
//! precision and sampler. The rules follow the authors' program for Wan 2.2 (github.com/H-EmbodVis/EasyCache,
//! `EasyCache4Wan2.2/easycache_generate.py`):
//!
//! - The first [`RETAINED`] steps and the last step of a run are always computed (`ret_steps`, default 7).
//! - The rate is the change of the prediction for the prompt over the change of the input, each the mean absolute
//!   difference between the two latest computed steps (`k`).
//! - A step adds `rate * mean|input - last input| / mean|last computed prediction|` to a sum. Below the threshold the
//!   step is skipped: its prediction is its input plus the last computed "prediction minus input". Otherwise the step
//!   is computed and the sum starts again from 0.
//! - The decision is made for the prompt and holds for the negative prompt, too.
//!
//! One rule differs: at the switch of experts everything but the count of steps is forgotten, because the low-noise
//! expert's predictions are not a continuation of the high-noise expert's. Its first two steps are therefore computed.
//! The authors' program goes on across the switch; `ComfyUI`'s node (`comfy_extras/nodes_easycache.py`) samples each
//! expert with a cache of its own, as here.

use std::collections::HashMap;

use ndarray::{ArrayD, ArrayViewD, Zip};
use serde::{Deserialize, Serialize};

use crate::core::{Secs, StepCacheRecord};

/// Steps at the start of a run that are always computed (`ret_steps`).
pub(super) const RETAINED: usize = 7;
/// Names of the tensors in a resume point.
const SEEN: &str = "step_cache_seen";
const INPUT: &str = "step_cache_input";
const OUTPUT: &str = "step_cache_output";
const NEGATIVE: &str = "step_cache_negative";

/// The predictions of one step before guidance.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Predictions {
    /// For the prompt.
    pub(super) prompt: ArrayD<f32>,
    /// For the negative prompt, where guidance needs it.
    pub(super) negative: Option<ArrayD<f32>>,
}

/// What is kept of the steps so far to decide about the next one.
#[derive(Clone, Debug, PartialEq)]
pub struct StepCache {
    threshold: f32,
    num_steps: usize,
    /// Change of the prediction per change of the input; unknown until two steps are computed.
    rate: Option<f64>,
    /// Expected relative change of the prediction since the last computed step.
    accumulated: f64,
    latest: Option<Latest>,
    /// Indexes of the skipped steps of the whole run.
    skipped: Vec<usize>,
}

/// The latest step, and the latest one that was computed.
#[derive(Clone, Debug, PartialEq)]
struct Latest {
    /// Input of the latest step, computed or skipped.
    seen: ArrayD<f32>,
    /// Input of the latest computed step.
    input: ArrayD<f32>,
    /// Predictions of the latest computed step.
    output: Predictions,
}

/// The numbers of a cache in a resume point; floating point as bits, so that a resumed run decides the same.
#[derive(Serialize, Deserialize)]
struct Saved {
    rate: Option<u64>,
    accumulated: u64,
    skipped: Vec<usize>,
}

impl StepCache {
    /// An empty cache for a run of `num_steps` steps.
    pub(super) fn new(threshold: f32, num_steps: usize) -> Self {
        Self { threshold, num_steps, rate: None, accumulated: 0.0, latest: None, skipped: Vec::new() }
    }

    /// Forgets the predictions, because another expert runs the next step.
    pub(super) fn forget(&mut self) {
        (self.rate, self.accumulated, self.latest) = (None, 0.0, None);
    }

    /// The predictions of `step` for `input` if the step is to be skipped.
    pub(super) fn reuse(&mut self, step: usize, input: &ArrayD<f32>) -> Option<Predictions> {
        let is_retained = step < RETAINED || step + 1 >= self.num_steps;
        if is_retained {
            self.accumulated = 0.0;
        }
        let latest = self.latest.as_mut()?;
        let skips = match self.rate {
            Some(rate) if !is_retained => {
                let change = mean_difference(input, &latest.seen);
                self.accumulated += rate * (change / mean_magnitude(&latest.output.prompt));
                // written so that a rate that is not a number computes the step
                self.accumulated < f64::from(self.threshold)
            }
            _ => false,
        };
        latest.seen.assign(input);
        if !skips {
            if self.rate.is_some() {
                self.accumulated = 0.0;
            }
            return None;
        }
        self.skipped.push(step);
        let moved = |output: &ArrayD<f32>| {
            let mut predicted = input.clone();
            let kept = Zip::from(&mut predicted).and(output).and(&latest.input);
            kept.for_each(|value, output, before| *value += output - before);
            predicted
        };
        let Predictions { prompt, negative } = &latest.output;
        Some(Predictions { prompt: moved(prompt), negative: negative.as_ref().map(moved) })
    }

    /// Keeps the predictions that were computed for `input` in `step`.
    pub(super) fn keep(&mut self, step: usize, input: ArrayD<f32>, output: &Predictions) {
        if step + 1 >= self.num_steps {
            // no step follows
            return self.forget();
        }
        if let Some(latest) = &self.latest {
            let change = mean_difference(&output.prompt, &latest.output.prompt);
            self.rate = Some(change / mean_difference(&input, &latest.input));
        }
        self.latest = Some(Latest { seen: input.clone(), input, output: output.clone() });
    }

    /// What the cache saved; `seconds` are the durations of the latest steps, up to the last one.
    pub(crate) fn record(&self, seconds: &[Secs]) -> StepCacheRecord {
        let first = self.num_steps.saturating_sub(seconds.len());
        let computed: Vec<f64> = seconds
            .iter()
            .enumerate()
            .filter(|(at, _)| !self.skipped.contains(&(first + at)))
            .map(|(_, seconds)| seconds.0)
            .collect();
        let spent: f64 = seconds.iter().map(|seconds| seconds.0).sum();
        let without = computed.iter().sum::<f64>() / computed.len().max(1) as f64 * seconds.len() as f64;
        StepCacheRecord {
            threshold: self.threshold,
            skipped: self.skipped.iter().map(|step| *step as u32 + 1).collect(),
            steps: self.num_steps as u32,
            speedup: (spent > 0.0 && !computed.is_empty()).then(|| hundredths(without / spent)),
        }
    }

    /// The tensors of a resume point.
    pub(crate) fn tensors(&self) -> Vec<(&'static str, ArrayViewD<'_, f32>)> {
        let Some(Latest { seen, input, output }) = &self.latest else { return Vec::new() };
        let negative = output.negative.iter().map(|negative| (NEGATIVE, negative.view()));
        [(SEEN, seen.view()), (INPUT, input.view()), (OUTPUT, output.prompt.view())]
            .into_iter()
            .chain(negative)
            .collect()
    }

    /// The numbers of a resume point as text.
    pub(crate) fn numbers(&self) -> String {
        let saved = Saved {
            rate: self.rate.map(f64::to_bits),
            accumulated: self.accumulated.to_bits(),
            skipped: self.skipped.clone(),
        };
        serde_json::to_string(&saved).unwrap_or_default()
    }

    /// This cache with [`Self::numbers`] and [`Self::tensors`] of a resume point; `None` if they cannot be read.
    pub(crate) fn resumed(self, numbers: &str, tensors: &mut HashMap<String, ArrayD<f32>>) -> Option<Self> {
        let saved: Saved = serde_json::from_str(numbers).ok()?;
        let latest = match tensors.remove(SEEN) {
            None => None,
            Some(seen) => Some(Latest {
                seen,
                input: tensors.remove(INPUT)?,
                output: Predictions { prompt: tensors.remove(OUTPUT)?, negative: tensors.remove(NEGATIVE) },
            }),
        };
        Some(Self {
            rate: saved.rate.map(f64::from_bits),
            accumulated: f64::from_bits(saved.accumulated),
            latest,
            skipped: saved.skipped,
            ..self
        })
    }
}

/// Mean absolute difference of two tensors of one shape.
fn mean_difference(one: &ArrayD<f32>, other: &ArrayD<f32>) -> f64 {
    let sum = Zip::from(one).and(other).fold(0.0, |sum, &a, &b| sum + f64::from((a - b).abs()));
    sum / one.len().max(1) as f64
}

fn mean_magnitude(values: &ArrayD<f32>) -> f64 {
    values.iter().map(|value| f64::from(value.abs())).sum::<f64>() / values.len().max(1) as f64
}

/// As much of a ratio as is worth keeping, in a form that records return unchanged.
fn hundredths(ratio: f64) -> f64 {
    (ratio * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use ndarray::arr1;

    use super::*;

    fn tensor(values: [f32; 2]) -> ArrayD<f32> {
        arr1(&values).into_dyn()
    }

    fn predictions(value: f32) -> Predictions {
        Predictions { prompt: tensor([value, value]), negative: Some(tensor([value / 2.0, value])) }
    }

    /// Runs steps whose input moves by `0.1` and whose prediction is `2 * input + 10`; returns the skipped ones.
    fn run(cache: &mut StepCache, steps: std::ops::Range<usize>) -> Vec<usize> {
        let mut skipped = Vec::new();
        for step in steps {
            let at = step as f32 * 0.1;
            let input = tensor([at, -at]);
            if cache.reuse(step, &input).is_some() {
                skipped.push(step);
            } else {
                cache.keep(step, input, &predictions(2.0 * at + 10.0));
            }
        }
        skipped
    }

    #[test]
    fn retained_steps_are_computed_and_a_threshold_decides_about_the_others() {
        // the rate is 2, a step's change about 0.1 and the prediction about 11: each step adds about 0.018
        let all = run(&mut StepCache::new(10.0, 20), 0..20);
        assert_eq!(all, (RETAINED..19).collect::<Vec<_>>());
        assert_eq!(run(&mut StepCache::new(0.01, 20), 0..20), [0; 0]);
        let half = run(&mut StepCache::new(0.03, 20), 0..20);
        assert_eq!(half, [7, 9, 11, 13, 15, 17]);
        assert_eq!(run(&mut StepCache::new(10.0, 8), 0..8), [0; 0], "all steps of a short run are retained");
    }

    #[test]
    fn a_skipped_step_moves_both_predictions_with_the_input() {
        let mut cache = StepCache::new(10.0, 20);
        run(&mut cache, 0..7);
        let reused = cache.reuse(7, &tensor([1.0, 2.0])).unwrap();
        let (input, output) = (0.6_f32, 2.0 * 0.6_f32 + 10.0);
        let expected = tensor([1.0 + (output - input), 2.0 + (output + input)]);
        assert!(mean_difference(&reused.prompt, &expected) < 1e-6);
        let expected = tensor([1.0 + (output / 2.0 - input), 2.0 + (output + input)]);
        assert!(mean_difference(&reused.negative.unwrap(), &expected) < 1e-6);
    }

    #[test]
    fn another_expert_computes_its_first_two_steps() {
        let mut cache = StepCache::new(10.0, 20);
        assert_eq!(run(&mut cache, 0..10), [7, 8, 9]);
        cache.forget();
        assert_eq!(run(&mut cache, 10..20), [12, 13, 14, 15, 16, 17, 18]);
    }

    #[test]
    fn a_resumed_cache_decides_as_the_undisturbed_one() {
        for stop in 0..20 {
            let mut cache = StepCache::new(0.05, 20);
            run(&mut cache, 0..stop);
            let mut tensors: HashMap<_, _> =
                cache.tensors().into_iter().map(|(name, view)| (name.to_owned(), view.to_owned())).collect();
            let numbers = cache.numbers();
            let mut resumed = StepCache::new(0.05, 20).resumed(&numbers, &mut tensors).unwrap();
            assert_eq!(resumed, cache);
            assert!(tensors.is_empty());
            assert_eq!(run(&mut resumed, stop..20), run(&mut cache, stop..20));
        }
        assert_eq!(StepCache::new(0.05, 20).resumed("damaged", &mut HashMap::new()), None);
    }

    #[test]
    fn the_record_says_what_was_skipped_and_how_much_faster_it_was() {
        let mut cache = StepCache::new(10.0, 10);
        run(&mut cache, 0..10);
        let seconds: Vec<_> =
            (0..10).map(|step| Secs(if [7, 8].contains(&step) { 0.0 } else { 2.0 })).collect();
        let record = cache.record(&seconds);
        assert_eq!((record.skipped.as_slice(), record.steps), ([8, 9].as_slice(), 10));
        assert!((record.speedup.unwrap() - 1.25).abs() < 1e-9);
        // a resumed run measured its last steps only
        let record = cache.record(&seconds[6..]);
        assert!((record.speedup.unwrap() - 2.0).abs() < 1e-9);
        assert_eq!(cache.record(&[]).speedup, None);
    }
}
