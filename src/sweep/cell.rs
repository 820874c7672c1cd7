//! One cell of a sweep.

use super::field::SweepField;
use crate::core::Draft;

/// A cell: its place on each axis, what the axes set there, and the draft that comes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The place of its value on each axis, counted from 0.
    pub place: Vec<u32>,
    /// What the axes set, in their order.
    pub values: Vec<(SweepField, String)>,
    /// The settings.
    pub draft: Draft,
}

impl Cell {
    /// The fields that the axes set, with their values: "steps 2 · seed 7".
    pub fn label(&self) -> String {
        label(&self.values)
    }
}

/// Fields and values in one line; "reference" for the base, where nothing is set.
pub(super) fn label(values: &[(SweepField, String)]) -> String {
    if values.is_empty() {
        return "reference".to_owned();
    }
    let part = |(field, value): &(SweepField, String)| match field {
        SweepField::Prompt | SweepField::Replace(_) | SweepField::Preset => value.clone(),
        field => format!("{field} {value}"),
    };
    values.iter().map(part).collect::<Vec<_>>().join(" · ")
}
