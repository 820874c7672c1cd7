//! The trace of a search: its trials as a table, the best of them, and how much each field matters.

use serde::Serialize;

use super::definition::{Goal, GuidedSearch};
use super::importance::{FieldImportance, Measured, importance};
use super::trial::TrialNote;
use crate::core::{Result, Secs};
use crate::jobs::JobStatus;
use crate::sweep::axis::Axis;
use crate::sweep::results::{CellResult, SweepTable};
use crate::sweep::store::SweepRecord;

/// What a search has found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SearchTrace {
    /// What is looked for, in words.
    pub goal: String,
    /// The search as the sweep's file holds it.
    pub search: GuidedSearch,
    /// The trials in the order in which they were chosen; the reference comes first, with the number 0.
    pub trials: Vec<TrialRow>,
    /// Number of the best trial.
    pub best: Option<usize>,
    /// How much each field matters, in the order of the axes.
    pub importance: Vec<FieldImportance>,
}

/// A trial.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrialRow {
    /// Its number; 0 for the reference.
    pub number: usize,
    /// Fields and values in one line.
    pub label: String,
    /// Its state in one word.
    pub status: &'static str,
    /// What was measured.
    #[serde(flatten)]
    pub note: TrialNote,
    /// Whether its difference satisfies the bound.
    pub satisfies: Option<bool>,
    /// Its rating, 0 for none.
    pub stars: u8,
    /// The best value so far: seconds of the fastest trial that satisfies the bound, or stars.
    pub best_so_far: Option<f64>,
}

impl TrialRow {
    /// Its number in words.
    pub fn name(&self) -> String {
        if self.number == 0 { "reference".to_owned() } else { self.number.to_string() }
    }

    /// What the search looks for: seconds, or stars; `None` if it has none yet.
    pub fn value(&self, goal: Goal) -> Option<f64> {
        match goal {
            Goal::Fastest { .. } => self.note.seconds.map(|Secs(seconds)| seconds),
            Goal::BestRated => (self.stars > 0).then(|| f64::from(self.stars)),
        }
    }

    /// Its values below the heads of [`Goal::columns`].
    pub fn values_text(&self, goal: Goal) -> [String; 2] {
        match goal {
            Goal::Fastest { metric, .. } => {
                let seconds = self.note.seconds.map(|Secs(seconds)| format!("{seconds:.2} s"));
                let difference = self.note.difference.map(|value| metric.text(value));
                [seconds, difference].map(Option::unwrap_or_default)
            }
            Goal::BestRated if self.stars == 0 => ["not rated".to_owned(), String::new()],
            Goal::BestRated => [self.stars.to_string(), String::new()],
        }
    }
}

impl Goal {
    /// What is measured for each trial: the heads of two columns, of which the second may be empty.
    pub fn columns(self) -> [&'static str; 2] {
        match self {
            Self::Fastest { metric, .. } => ["Time", metric.label()],
            Self::BestRated => ["Stars", ""],
        }
    }

    /// The unit of [`TrialRow::value`].
    pub fn unit(self) -> &'static str {
        match self {
            Self::Fastest { .. } => "s",
            Self::BestRated => "stars",
        }
    }
}

impl SearchTrace {
    /// The best trial.
    pub fn best_row(&self) -> Option<&TrialRow> {
        self.trials.iter().find(|row| Some(row.number) == self.best)
    }

    /// The reference.
    pub fn reference(&self) -> Option<&TrialRow> {
        self.trials.iter().find(|row| row.number == 0)
    }

    /// What the search has found, one sentence.
    pub fn sentence(&self) -> String {
        let Some(best) = self.best_row() else {
            return match self.search.goal {
                Goal::Fastest { .. } => "No trial satisfies the bound so far".to_owned(),
                Goal::BestRated => "No trial is rated so far".to_owned(),
            };
        };
        let found = format!("Best: trial {}, {}", best.number, best.label);
        match self.search.goal {
            Goal::Fastest { metric, .. } => {
                let of = |row: &TrialRow| row.note.seconds;
                let faster = of(best).zip(self.reference().and_then(of));
                let faster = faster.map_or_else(String::new, |(Secs(best), Secs(reference))| {
                    format!(": {best:.2} s instead of {reference:.2} s")
                });
                let difference = best.note.difference.map_or_else(String::new, |value| metric.text(value));
                format!("{found}{faster}, {} {difference}", metric.label())
            }
            Goal::BestRated => format!("{found}: {} of 5 stars", best.stars),
        }
    }
}

/// The trace of a sweep's search; `None` for a sweep that is none. `stars` gives the rating of a job by its id.
pub fn search_trace(
    record: &SweepRecord,
    table: &SweepTable,
    stars: &dyn Fn(&str) -> u8,
) -> Result<Option<SearchTrace>> {
    let Some(search) = record.sweep.search else { return Ok(None) };
    let goal = search.goal;
    let first = usize::from(!search.has_reference());
    let mut best: Option<(f64, usize)> = None;
    let mut trials = Vec::new();
    for (index, (recorded, cell)) in record.cells.iter().zip(&table.cells).enumerate() {
        let (number, note) = (index + first, recorded.trial);
        let stars = cell.uid.as_deref().map_or(0, stars);
        let satisfies = note.satisfies(goal);
        let value = match goal {
            Goal::Fastest { .. } => note.seconds.map(|Secs(time)| time).filter(|_| satisfies == Some(true)),
            Goal::BestRated => (stars > 0).then(|| -f64::from(stars)),
        };
        if let Some(value) = value.filter(|_| number > 0)
            && best.is_none_or(|(known, _)| value < known)
        {
            best = Some((value, number));
        }
        trials.push(TrialRow {
            number,
            label: cell.label.clone(),
            status: status(cell, note),
            note,
            satisfies,
            stars,
            best_so_far: best.map(|(value, _)| value.abs()),
        });
    }
    let importance = importances(&record.sweep.axes, record, &trials)?;
    Ok(Some(SearchTrace {
        goal: search.goal_words(),
        search,
        best: best.map(|(_, number)| number),
        trials,
        importance,
    }))
}

fn status(cell: &CellResult, note: TrialNote) -> &'static str {
    if note.is_stopped && cell.status != Some(JobStatus::Done) { "stopped" } else { cell.status_word() }
}

/// The importance of each axis for what was measured.
fn importances(axes: &[Axis], record: &SweepRecord, rows: &[TrialRow]) -> Result<Vec<FieldImportance>> {
    let measured = |value: &dyn Fn(&TrialRow) -> Option<f64>| -> Measured<'_> {
        let cells = record.cells.iter().zip(rows).filter(|(cell, _)| cell.place.len() == axes.len());
        cells.filter_map(|(cell, row)| Some((cell.place.as_slice(), value(row)?))).collect()
    };
    let of_time = importance(axes.len(), &measured(&|row| Some(row.note.seconds?.0)))?;
    let of_difference = importance(axes.len(), &measured(&|row| row.note.difference))?;
    let of_rating = importance(axes.len(), &measured(&|row| (row.stars > 0).then(|| f64::from(row.stars))))?;
    let is_rated = record.sweep.search.is_some_and(|search| search.goal == Goal::BestRated);
    let of_axis = |(index, axis): (usize, &Axis)| {
        let at = |values: &Option<Vec<f64>>| values.as_ref().and_then(|values| values.get(index).copied());
        FieldImportance {
            field: axis.title(),
            of_time: at(&of_time),
            of_difference: at(&of_difference),
            of_rating: at(&of_rating).filter(|_| is_rated),
        }
    };
    Ok(axes.iter().enumerate().map(of_axis).collect())
}
