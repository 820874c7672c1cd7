//! A sweep as its file holds it, and its expansion to cells.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::axis::Axis;
use super::cell::Cell;
use super::condition::Condition;
use super::field::SweepField;
use super::sampling::Sampling;
use crate::core::{Bytes, Draft, Error, Kind, Result, read_text_bounded};
use crate::presets::Preset;

/// Version of the file format.
const VERSION: u32 = 1;
/// Largest file that is read.
const MAX_FILE: Bytes = Bytes(1 << 20);
/// Largest number of axes of a grid.
const MAX_GRID_AXES: usize = 4;
/// Largest number of axes.
const MAX_AXES: usize = 16;
/// Remedy for a sweep with too many axes or cells.
/// What to do about a sweep without axes.
const ADD_AN_AXIS: &str =
    "Add what should vary, for example the steps with the values 10, 20 (--axis steps=10,20)";
const CHANGE_AXES: &str = "Change its axes, or sample it with random or sobol";
/// Largest number of cells.
pub(super) const MAX_CELLS: usize = 1000;

/// A sweep: a base, and axes over its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// Version of the file format, 1.
    pub version: u32,
    /// The name that people read.
    #[serde(default)]
    pub name: String,
    /// What every cell starts from.
    #[serde(default)]
    pub base: SweepBase,
    /// The axes; the last one changes fastest.
    pub axes: Vec<Axis>,
    /// Cells for which one of these holds are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip: Vec<Condition>,
    /// Which cells of the space of all axes are made.
    #[serde(default)]
    pub sampling: Sampling,
    /// Steps after which each cell pauses as a draft, until the user chooses which ones are finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft_steps: Option<u32>,
}

/// What the cells of a sweep start from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SweepBase {
    /// Name of a preset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// The prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Fields that differ from the preset: "steps" and its value, and so on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<(SweepField, String)>,
    /// Complete settings, instead of a preset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draft: Option<Box<Draft>>,
}

impl Sweep {
    /// A sweep of a complete draft.
    pub fn of(name: &str, draft: Draft, axes: Vec<Axis>) -> Self {
        let base = SweepBase { draft: Some(Box::new(draft)), ..SweepBase::default() };
        Self { name: name.to_owned(), base, ..Self::with_axes(axes) }
    }

    /// A sweep that names no base: its caller gives the draft.
    pub fn with_axes(axes: Vec<Axis>) -> Self {
        Self {
            version: VERSION,
            name: String::new(),
            base: SweepBase::default(),
            axes,
            skip: Vec::new(),
            sampling: Sampling::Grid,
            draft_steps: None,
        }
    }

    /// Reads the text of a file; `source` is its name in errors.
    pub fn parse(text: &str, source: &str) -> Result<Self> {
        let wrong = |why: String| {
            Error::new(Kind::Input, format!("{source} is not a valid sweep: {why}"))
                .field("sweep")
                .remedy("Correct the file")
        };
        let options =
            ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
        let sweep: Self = options.from_str(text).map_err(|error| wrong(error.to_string()))?;
        if sweep.version != VERSION {
            return Err(wrong(format!("version {} is not supported, only {VERSION}", sweep.version)));
        }
        Ok(sweep)
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = read_text_bounded(path, MAX_FILE).map_err(|error| {
            Error::new(Kind::Io, format!("Cannot read the sweep {}", path.display()))
                .because(error)
                .remedy("Check the path")
        })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// The text of its file.
    pub fn to_ron(&self) -> Result<String> {
        ron::ser::to_string_pretty(self, ron::ser::PrettyConfig::default())
            .map_err(|error| Error::new(Kind::Bug, "Cannot encode the sweep as RON").because(error))
    }

    /// The draft that every cell starts from. `given` is what the caller starts from if the sweep names nothing.
    pub fn base_draft(&self, given: &Draft, preset: &dyn Fn(&str) -> Result<Preset>) -> Result<Draft> {
        let SweepBase { preset: name, prompt, set, draft } = &self.base;
        let mut base = draft.as_deref().unwrap_or(given).clone();
        if let Some(name) = name {
            SweepField::Preset.set(&mut base, name, preset)?;
        }
        if let Some(prompt) = prompt {
            base.prompt.clone_from(prompt);
        }
        for (field, value) in set {
            field.set(&mut base, value, preset)?;
        }
        Ok(base)
    }

    /// The cells, in the order in which they run. `base` is what each starts from; `preset` finds a preset by its name.
    ///
    /// The result depends on nothing else.
    pub fn cells(&self, base: &Draft, preset: &dyn Fn(&str) -> Result<Preset>) -> Result<Vec<Cell>> {
        let limit = if self.sampling == Sampling::Grid { MAX_GRID_AXES } else { MAX_AXES };
        if self.axes.is_empty() || self.axes.len() > limit {
            let why = format!("a sweep has 1 to {limit} axes, this one has {}", self.axes.len());
            return Err(wrong(&why, if self.axes.is_empty() { ADD_AN_AXIS } else { CHANGE_AXES }));
        }
        let axes = self.axes.iter().map(Axis::places).collect::<Result<Vec<_>>>()?;
        let sizes: Vec<_> = axes.iter().map(Vec::len).collect();
        let count = match self.sampling {
            Sampling::Grid => sizes.iter().try_fold(1_usize, |sum, size| sum.checked_mul(*size)),
            Sampling::Random { count, .. } | Sampling::Sobol { count, .. } => Some(count as usize),
        };
        if count.is_none_or(|count| count > MAX_CELLS) {
            let count = count.map_or_else(|| "more".to_owned(), |count| count.to_string());
            let why = format!("a sweep can have at most {MAX_CELLS} cells, this one has {count}");
            return Err(wrong(&why, CHANGE_AXES));
        }
        let mut cells = Vec::new();
        for place in self.sampling.places(&sizes) {
            let of_axis = axes.iter().zip(&place).filter_map(|(axis, at)| axis.get(*at as usize));
            let values: Vec<_> = of_axis.flatten().cloned().collect();
            let mut ordered: Vec<_> = values.iter().collect();
            ordered.sort_by_key(|(field, _)| field.rank());
            let mut draft = base.clone();
            for (field, value) in ordered {
                field.set(&mut draft, value, preset)?;
            }
            let cell = Cell { place, values, draft };
            if !self.skip.iter().any(|condition| condition.holds(&cell)) {
                cells.push(cell);
            }
        }
        if cells.is_empty() {
            return Err(wrong("all its cells are left out", "Remove or change a skip condition"));
        }
        Ok(cells)
    }
}

fn wrong(why: &str, remedy: &str) -> Error {
    Error::new(Kind::Input, format!("The sweep cannot be made: {why}")).field("sweep").remedy(remedy)
}
