//! One axis of a sweep: a field and its values, and fields that change together with it.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::field::SweepField;
use super::values;
use crate::core::{Error, Kind, Result};

/// The values of an axis as they are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AxisValues {
    /// A text with commas and ranges: "1, 2, .., 10".
    Text(String),
    /// A list, in which ".." also stands for a range.
    List(Vec<String>),
}

/// An axis of a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// The field that it changes.
    pub field: SweepField,
    /// Its values.
    pub values: AxisValues,
    /// Fields that change together with it, each with as many values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub linked: Vec<Self>,
}

impl Axis {
    /// An axis of one field with its values as text.
    pub fn new(field: SweepField, values: impl Into<String>) -> Self {
        Self { field, values: AxisValues::Text(values.into()), linked: Vec::new() }
    }

    /// The values of the field alone, with ranges expanded.
    pub fn own_values(&self) -> Result<Vec<String>> {
        match &self.values {
            AxisValues::Text(text) => values::values(&self.field, text),
            AxisValues::List(list) => values::expanded(&self.field, list),
        }
    }

    /// What the axis sets at each of its places: its field and those that are linked to it.
    pub(super) fn places(&self) -> Result<Vec<Vec<(SweepField, String)>>> {
        let of_own = |axis: &Self| -> Result<Vec<(SweepField, String)>> {
            Ok(axis.own_values()?.into_iter().map(|value| (axis.field.clone(), value)).collect())
        };
        let mut places: Vec<_> = of_own(self)?.into_iter().map(|own| vec![own]).collect();
        for linked in &self.linked {
            if !linked.linked.is_empty() {
                return Err(wrong(self, "a linked axis cannot have linked axes"));
            }
            let values = of_own(linked)?;
            if values.len() != places.len() {
                return Err(wrong(
                    self,
                    &format!("it has {} values, and {} has {}", places.len(), linked.field, values.len()),
                ));
            }
            for (place, value) in places.iter_mut().zip(values) {
                place.push(value);
            }
        }
        Ok(places)
    }

    /// Its fields: its own and those that are linked to it.
    pub(super) fn fields(&self) -> impl Iterator<Item = &SweepField> {
        std::iter::once(&self.field).chain(self.linked.iter().map(|linked| &linked.field))
    }

    /// The names of its fields.
    pub fn title(&self) -> String {
        self.fields().map(ToString::to_string).collect::<Vec<_>>().join(" & ")
    }
}

impl FromStr for Axis {
    type Err = Error;

    /// Reads "guidance=1,2,3"; linked fields follow after " & ": "steps=4,8 & shift=3,5".
    fn from_str(text: &str) -> Result<Self> {
        let mut axes = text.split(" & ").map(|part| {
            let (field, values) = part.split_once('=').ok_or_else(|| {
                Error::new(Kind::Input, format!("\"{part}\" is not a valid axis"))
                    .field("axis")
                    .remedy("Write FIELD=VALUES, for example guidance=1,2,3")
            })?;
            Ok::<_, Error>(Self::new(field.parse()?, values.trim()))
        });
        let first =
            axes.next().unwrap_or_else(|| Err(Error::new(Kind::Input, "An axis is empty").field("axis")))?;
        let axis = Self { linked: axes.collect::<Result<_>>()?, ..first };
        axis.places()?;
        Ok(axis)
    }
}

fn wrong(axis: &Axis, why: &str) -> Error {
    Error::new(Kind::Input, format!("The axis {} cannot be used: {why}", axis.field))
        .field("axis")
        .remedy("Give linked fields as many values as the axis has")
}
