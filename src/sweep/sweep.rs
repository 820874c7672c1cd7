//! A sweep as its file holds it, and its expansion to cells.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::axis::Axis;
use super::cell::Cell;
use super::condition::Condition;
use super::field::SweepField;
use super::sampling::Sampling;
use super::search::{GuidedSearch, Space, first_trials};
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
/// What to do about a sweep without axes.
const ADD_AN_AXIS: &str =
    "Add what should vary, for example the steps with the values 10, 20 (--axis steps=10,20)";
/// Remedy for a sweep with too many axes or cells.
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
    /// Chooses cells one after the other from what the earlier ones gave, instead of making all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<GuidedSearch>,
}

/// Finds a preset by its name.
pub(super) type FindPreset<'a> = dyn Fn(&str) -> Result<Preset> + 'a;

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
            search: None,
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
    pub fn base_draft(&self, given: &Draft, preset: &FindPreset<'_>) -> Result<Draft> {
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
    pub fn cells(&self, base: &Draft, preset: &FindPreset<'_>) -> Result<Vec<Cell>> {
        self.check_axes(if self.sampling == Sampling::Grid { MAX_GRID_AXES } else { MAX_AXES })?;
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
            let cell = cell(place, &axes, base, preset)?;
            if !self.is_skipped(&cell) {
                cells.push(cell);
            }
        }
        if cells.is_empty() {
            return Err(wrong("all its cells are left out", "Remove or change a skip condition"));
        }
        Ok(cells)
    }

    /// The cell at a place; the base itself at the place without coordinates.
    pub(super) fn cell_at(&self, place: &[u32], base: &Draft, preset: &FindPreset<'_>) -> Result<Cell> {
        let axes = self.axes.iter().map(Axis::places).collect::<Result<Vec<_>>>()?;
        cell(place.to_vec(), &axes, base, preset)
    }

    /// The cells that a search starts with: the reference, or the first trials of a search without one.
    pub(super) fn first_cells(
        &self,
        search: &GuidedSearch,
        base: &Draft,
        preset: &FindPreset<'_>,
    ) -> Result<Vec<Cell>> {
        self.check_axes(MAX_AXES)?;
        search.check(&self.axes)?;
        if self.sampling != Sampling::Grid || self.draft_steps.is_some() {
            return Err(wrong("a search chooses its cells itself", "Remove sampling and draft_steps"));
        }
        if search.has_reference() {
            return Ok(vec![self.cell_at(&[], base, preset)?]);
        }
        let (mut cells, mut tried) = (Vec::new(), BTreeSet::new());
        while cells.len() < first_trials(search) {
            let Some(cell) = self.next_cell(base, preset, &tried, &[])? else { break };
            tried.insert(cell.place.clone());
            cells.push(cell);
        }
        if cells.is_empty() {
            return Err(wrong("all its cells are left out", "Remove or change a skip condition"));
        }
        Ok(cells)
    }

    /// The cell that a search tries next; `None` if there is none. `known` are places that were tried with what they
    /// were worth, the smaller the better.
    pub(super) fn next_cell(
        &self,
        base: &Draft,
        preset: &FindPreset<'_>,
        tried: &BTreeSet<Vec<u32>>,
        known: &[(&[u32], f64)],
    ) -> Result<Option<Cell>> {
        let Some(search) = &self.search else { return Ok(None) };
        let allowed =
            |place: &[u32]| -> Result<bool> { Ok(!self.is_skipped(&self.cell_at(place, base, preset)?)) };
        let place = Space::of(&self.axes)?.next(search.seed, tried, known, &allowed)?;
        place.map(|place: Vec<u32>| self.cell_at(&place, base, preset)).transpose()
    }

    /// One cell for each value of each axis, with the first value of the others.
    pub(super) fn cells_of_each_value(&self, base: &Draft, preset: &FindPreset<'_>) -> Result<Vec<Cell>> {
        let axes = self.axes.iter().map(Axis::places).collect::<Result<Vec<_>>>()?;
        let mut cells = Vec::new();
        for (index, axis) in axes.iter().enumerate() {
            for at in 0..axis.len() {
                let mut place = vec![0; axes.len()];
                place[index] = at as u32;
                cells.push(cell(place, &axes, base, preset)?);
            }
        }
        Ok(cells)
    }

    fn is_skipped(&self, cell: &Cell) -> bool {
        self.skip.iter().any(|condition| condition.holds(cell))
    }

    fn check_axes(&self, limit: usize) -> Result<()> {
        if self.axes.is_empty() || self.axes.len() > limit {
            let why = format!("a sweep has 1 to {limit} axes, this one has {}", self.axes.len());
            return Err(wrong(&why, if self.axes.is_empty() { ADD_AN_AXIS } else { CHANGE_AXES }));
        }
        Ok(())
    }
}

/// What an axis sets at each of its places.
type Places = Vec<Vec<(SweepField, String)>>;

/// The cell at `place`; `axes` are what each axis sets at each of its places.
fn cell(place: Vec<u32>, axes: &[Places], base: &Draft, preset: &FindPreset<'_>) -> Result<Cell> {
    let of_axis = axes.iter().zip(&place).filter_map(|(axis, at)| axis.get(*at as usize));
    let values: Vec<_> = of_axis.flatten().cloned().collect();
    let mut ordered: Vec<_> = values.iter().collect();
    ordered.sort_by_key(|(field, _)| field.rank());
    let mut draft = base.clone();
    for (field, value) in ordered {
        field.set(&mut draft, value, preset)?;
    }
    Ok(Cell { place, values, draft })
}

fn wrong(why: &str, remedy: &str) -> Error {
    Error::new(Kind::Input, format!("The sweep cannot be made: {why}")).field("sweep").remedy(remedy)
}
