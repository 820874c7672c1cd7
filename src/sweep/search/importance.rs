//! How much each field matters: functional ANOVA over the finished trials.
//!
//! Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance", 2014.

use std::collections::HashMap;

use optimizer::param::ParamValue;
use optimizer::parameter::{IntParam, Parameter as _};
use optimizer::{Direction, Study};
use serde::Serialize;

use crate::core::{Error, Kind, Result};

/// Fewest trials over which an importance says anything.
const LEAST_TRIALS: usize = 4;

/// How much of what differs between the trials a field explains by itself, from 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FieldImportance {
    /// The fields of the axis.
    pub field: String,
    /// For the time; `None` without times of enough trials.
    pub of_time: Option<f64>,
    /// For the difference to the reference; `None` without one.
    pub of_difference: Option<f64>,
    /// For the rating; `None` in a search without ratings.
    pub of_rating: Option<f64>,
}

impl FieldImportance {
    /// The parts that are known, for instance "time 75 %, difference 20 %"; empty if none is.
    pub fn words(&self) -> String {
        let named = [("time", self.of_time), ("difference", self.of_difference), ("rating", self.of_rating)];
        let known =
            named.into_iter().filter_map(|(name, part)| Some(format!("{name} {:.0} %", part? * 100.0)));
        known.collect::<Vec<_>>().join(", ")
    }
}

/// Measured values: the place of a trial, and its value.
pub(super) type Measured<'a> = Vec<(&'a [u32], f64)>;

/// The importance of each of `num_axes` axes for some values; `None` for fewer than four of them.
pub(super) fn importance(num_axes: usize, measured: &Measured<'_>) -> Result<Option<Vec<f64>>> {
    if measured.len() < LEAST_TRIALS {
        return Ok(None);
    }
    let study: Study<f64> = Study::new(Direction::Minimize);
    let size = |axis: usize| measured.iter().filter_map(|(place, _)| place.get(axis)).max().copied();
    let axes: Vec<_> = (0..num_axes)
        .map(|axis| IntParam::new(0, i64::from(size(axis).unwrap_or_default())).name(axis.to_string()))
        .collect();
    for (place, value) in measured {
        let values = axes.iter().zip(*place).map(|(axis, at)| (axis.id(), ParamValue::Int(i64::from(*at))));
        study.enqueue(values.collect::<HashMap<_, _>>());
        let mut trial = study.ask();
        for axis in &axes {
            axis.suggest(&mut trial).map_err(failed)?;
        }
        study.tell(trial, Ok::<_, Error>(*value));
    }
    let effects = study.fanova().map_err(failed)?.main_effects;
    let of_axis = |axis: usize| effects.iter().find(|(name, _)| *name == axis.to_string());
    Ok(Some((0..num_axes).map(|axis| of_axis(axis).map_or(0.0, |(_, effect)| *effect)).collect()))
}

fn failed(error: optimizer::Error) -> Error {
    Error::new(Kind::Bug, "Cannot compute the importance of the fields").because(error)
}
