//! The choice of the next trial: a tree-structured Parzen estimator (TPE) for each axis, after and between trials that cover
//! the space evenly.
//!
//! Bergstra et al., "Algorithms for Hyper-Parameter Optimization", 2011.

use std::collections::{BTreeSet, HashMap};

use optimizer::distribution::{CategoricalDistribution, Distribution, IntDistribution};
use optimizer::param::ParamValue;
use optimizer::parameter::ParamId;
use optimizer::sampler::{CompletedTrial, Sampler as _, TpeSampler};

use crate::core::{Error, Kind, Result};
use crate::sweep::axis::Axis;
use crate::sweep::sampling::Sampling;

/// Trials that cover the space evenly before the estimator chooses.
const STARTUP: usize = 6;
/// One trial of so many covers the space evenly, so that the search does not stay where it was good first.
const EXPLORED: usize = 4;
/// Width of a kernel of the estimator, as part of the number of values. The library's own choice is so narrow that few
/// trials leave the first good value.
///
/// No width from 1/24 to 2/5 was best on all of three synthetic results (24 trials, 12 seeds, 2,700 places). The part of all
/// places that were better than the best one found, here and with trials that cover the space evenly: 1.1 and 3.0 % for one
/// optimum, 2.7 and 2.7 % for the fastest under a bound, 4.5 and 3.9 % where two fields belong together, since each axis has
/// an estimator of its own.
const BANDWIDTH: f64 = 1.0 / 6.0;
/// Attempts of the estimator to choose a place that was not tried.
const ATTEMPTS: usize = 64;
/// Places that are tried in order if the estimator chooses known ones only.
const FALLBACKS: u32 = 4000;

/// The space of the axes: the number of values of each, and whether they are in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sweep) struct Space {
    axes: Vec<AxisSpace>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AxisSpace {
    size: usize,
    is_ordered: bool,
}

impl Space {
    /// The space of these axes.
    pub(in crate::sweep) fn of(axes: &[Axis]) -> Result<Self> {
        let of_axis = |axis: &Axis| -> Result<AxisSpace> {
            Ok(AxisSpace { size: axis.places()?.len(), is_ordered: axis.field.is_number() })
        };
        Ok(Self { axes: axes.iter().map(of_axis).collect::<Result<_>>()? })
    }

    /// The next place to try: one that was not `tried` and that is `allowed`; `None` if there is none. `known` are the
    /// places with what they were worth, the smaller the better.
    ///
    /// The result depends on nothing else.
    pub(in crate::sweep) fn next(
        &self,
        seed: u32,
        tried: &BTreeSet<Vec<u32>>,
        known: &[(&[u32], f64)],
        allowed: &dyn Fn(&[u32]) -> Result<bool>,
    ) -> Result<Option<Vec<u32>>> {
        let is_new = |place: &Vec<u32>| -> Result<bool> { Ok(!tried.contains(place) && allowed(place)?) };
        let is_explored = tried.len() % EXPLORED == EXPLORED - 1;
        if tried.len() >= STARTUP && known.len() >= 2 && !is_explored {
            let choice = Choice::new(self, seed, tried.len() as u64, known)?;
            for _ in 0..ATTEMPTS {
                let place = choice.place()?;
                if is_new(&place)? {
                    return Ok(Some(place));
                }
            }
        }
        let sizes: Vec<_> = self.axes.iter().map(|axis| axis.size).collect();
        let num_places = sizes.iter().fold(1_usize, |product, size| product.saturating_mul(*size));
        // first a few that cover the space evenly, then all of a small space
        let evenly = Sampling::Sobol { count: FALLBACKS, seed }.places(&sizes);
        let all = if num_places <= FALLBACKS as usize { Sampling::Grid.places(&sizes) } else { Vec::new() };
        for place in evenly.into_iter().chain(all) {
            if is_new(&place)? {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }
}

/// The estimators of one choice.
struct Choice {
    trial: u64,
    axes: Vec<AxisChoice>,
}

/// The estimator of an axis. Each has trials with this axis alone: the library finds the values of a parameter by its
/// distribution, which two axes may share.
struct AxisChoice {
    sampler: TpeSampler,
    distribution: Distribution,
    history: Vec<CompletedTrial>,
}

impl Choice {
    fn new(space: &Space, seed: u32, trial: u64, known: &[(&[u32], f64)]) -> Result<Self> {
        let of_axis = |(index, axis): (usize, &AxisSpace)| -> Result<AxisChoice> {
            let distribution = axis.distribution();
            let seed = u64::from(seed) ^ ((index as u64 + 1) << 32);
            let bandwidth = (axis.size as f64 * BANDWIDTH).max(0.5);
            let sampler = TpeSampler::builder().n_startup_trials(1).kde_bandwidth(bandwidth).seed(seed);
            let sampler = sampler.build().map_err(failed)?;
            let id = ParamId::new();
            let completed = |(number, (place, loss)): (usize, &(&[u32], f64))| {
                let value = axis.value(place.get(index).copied().unwrap_or_default());
                CompletedTrial::new(
                    number as u64,
                    HashMap::from([(id, value)]),
                    HashMap::from([(id, distribution.clone())]),
                    HashMap::new(),
                    *loss,
                )
            };
            let history = known.iter().enumerate().map(completed).collect();
            Ok(AxisChoice { sampler, distribution, history })
        };
        Ok(Self { trial, axes: space.axes.iter().enumerate().map(of_axis).collect::<Result<_>>()? })
    }

    /// The next place that the estimators choose.
    fn place(&self) -> Result<Vec<u32>> {
        let of_axis =
            |axis: &AxisChoice| match axis.sampler.sample(&axis.distribution, self.trial, &axis.history) {
                ParamValue::Int(value) => u32::try_from(value).map_err(failed),
                ParamValue::Categorical(value) => u32::try_from(value).map_err(failed),
                ParamValue::Float(value) => {
                    Err(Error::new(Kind::Bug, format!("{value} is not the number of a value")))
                }
            };
        self.axes.iter().map(of_axis).collect()
    }
}

impl AxisSpace {
    fn distribution(self) -> Distribution {
        if self.is_ordered {
            let high = self.size.saturating_sub(1) as i64;
            Distribution::Int(IntDistribution { low: 0, high, log_scale: false, step: None })
        } else {
            Distribution::Categorical(CategoricalDistribution { n_choices: self.size.max(1) })
        }
    }

    fn value(self, at: u32) -> ParamValue {
        if self.is_ordered { ParamValue::Int(i64::from(at)) } else { ParamValue::Categorical(at as usize) }
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(Kind::Bug, "Cannot choose the next trial").because(error)
}
