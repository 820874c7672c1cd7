//! Conditions under which a cell is left out.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::cell::Cell;
use super::field::SweepField;
use crate::core::{Error, Kind, Result};

/// Comparisons that all hold for the cells that are left out: "steps > 10 & seed = 1".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Condition(Vec<Comparison>);

#[derive(Clone, Debug, PartialEq)]
struct Comparison {
    field: SweepField,
    operator: Operator,
    value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Longer ones first, because "<" also begins "<=".
const OPERATORS: [(&str, Operator); 6] = [
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("!=", Operator::NotEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("=", Operator::Equal),
];

impl Condition {
    /// Whether all comparisons hold for a cell.
    pub(super) fn holds(&self, cell: &Cell) -> bool {
        self.0.iter().all(|comparison| comparison.holds(cell))
    }
}

impl Comparison {
    fn holds(&self, cell: &Cell) -> bool {
        let set = cell.values.iter().rev().find(|(field, _)| *field == self.field);
        let found = set.map_or_else(|| self.field.value(&cell.draft), |(_, value)| value.clone());
        if let (Ok(found), Ok(value)) = (found.parse::<f64>(), self.value.parse::<f64>()) {
            return match self.operator {
                Operator::Equal => found == value,
                Operator::NotEqual => found != value,
                Operator::Less => found < value,
                Operator::LessOrEqual => found <= value,
                Operator::Greater => found > value,
                Operator::GreaterOrEqual => found >= value,
            };
        }
        match self.operator {
            Operator::Equal => found == self.value,
            Operator::NotEqual => found != self.value,
            // words have no order
            _ => false,
        }
    }
}

impl FromStr for Condition {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let comparison = |part: &str| {
            let found = OPERATORS.iter().filter_map(|(sign, operator)| {
                Some((part.find(sign)?, std::cmp::Reverse(sign.len()), sign, *operator))
            });
            let (at, _, sign, operator) =
                found.min_by_key(|(at, length, ..)| (*at, *length)).ok_or_else(|| {
                    Error::new(Kind::Input, format!("\"{part}\" is not a valid condition"))
                        .field("skip")
                        .remedy("Write FIELD = VALUE, for example steps > 10 & guidance_low = 1")
                })?;
            let field = part[..at].parse()?;
            Ok::<_, Error>(Comparison { field, operator, value: part[at + sign.len()..].trim().to_owned() })
        };
        text.split(" & ").map(comparison).collect::<Result<_>>().map(Self)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.0.iter().map(|part| {
            let sign = OPERATORS.iter().find(|(_, operator)| *operator == part.operator);
            format!("{} {} {}", part.field, sign.map_or("=", |(sign, _)| sign), part.value)
        });
        f.write_str(&parts.collect::<Vec<_>>().join(" & "))
    }
}

impl TryFrom<String> for Condition {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Condition> for String {
    fn from(condition: Condition) -> Self {
        condition.to_string()
    }
}
