//! The editor of a new sweep: axes, conditions, drafts, and the cost before it starts.

use eframe::egui::{Button, Checkbox, DragValue, RichText, TextEdit, Ui};

use super::axis_row::AxisRow;
use super::choice::CellChoice;
use super::view::{SweepAction, SweepView};
use crate::app::theme;
use crate::app::widgets::duration::short_time;
use crate::app::widgets::field::problem_text_ui;
use crate::core::{Result, counted};
use crate::sweep::{Condition, Cut, Sweep, SweepEstimate, SweepField};

/// Axes of a grid.
const MAX_GRID_AXES: usize = 4;
/// Axes of a sweep that makes some combinations only.
const MAX_AXES: usize = 16;

/// The sweep that is typed.
#[derive(Default)]
pub(super) struct Editor {
    axes: Vec<AxisRow>,
    skip: String,
    name: String,
    cells: CellChoice,
    is_draft: bool,
    draft_steps: u32,
    /// The sweep that was sent last.
    sent: Option<Sweep>,
    /// Cells of the last plan, which stay on the button while the next one is made.
    count: usize,
}

impl Editor {
    /// Draws the editor; adds the user's actions.
    pub(super) fn ui(&mut self, ui: &mut Ui, view: &SweepView<'_>, actions: &mut Vec<SweepAction>) {
        ui.weak("Every cell starts from the form. Each axis changes one field of it.");
        self.drafts_ui(ui, view);
        let mut removed = None;
        for (number, row) in (1..).zip(&mut self.axes) {
            if row.ui(ui, number, view.draft) {
                removed = Some(number - 1);
            }
        }
        if let Some(index) = removed {
            self.axes.remove(index);
        }
        ui.horizontal_wrapped(|ui| {
            let limit = if self.cells.is_every() { MAX_GRID_AXES } else { MAX_AXES };
            let can_add = self.axes.len() < limit;
            if ui.add_enabled(can_add, Button::new("Add an axis")).clicked() {
                self.axes.push(AxisRow::new(&self.next_field(), view.draft));
            }
            let label = ui.label("Skip");
            let edit = TextEdit::singleline(&mut self.skip).hint_text("steps > 10 & seed = 1");
            ui.add(edit.desired_width(160.0)).labelled_by(label.id);
            let label = ui.label("Name");
            ui.add(TextEdit::singleline(&mut self.name).desired_width(120.0)).labelled_by(label.id);
            let drafts = Checkbox::new(&mut self.is_draft, "Drafts only");
            ui.add_enabled(!self.cells.is_search(), drafts)
                .on_hover_text("Each cell pauses after some steps; you choose which ones are finished")
                .on_disabled_hover_text("A search finishes its trials to compare them");
            if self.is_draft && !self.cells.is_search() {
                self.draft_steps = self.draft_steps.clamp(1, view.draft.steps.max(2) - 1);
                let label = ui.label("Draft steps");
                ui.add(DragValue::new(&mut self.draft_steps).range(1..=view.draft.steps.max(2) - 1))
                    .labelled_by(label.id);
            }
        });
        self.cells.ui(ui);
        if let Err(problem) = self.skipped() {
            problem_text_ui(ui, &problem);
        }
        self.send(actions);
        if !self.axes.is_empty() {
            self.cost_ui(ui, view, actions);
        }
    }

    /// The button that fills the editor with the drafts that the form's preset makes.
    fn drafts_ui(&mut self, ui: &mut Ui, view: &SweepView<'_>) {
        let drafts = view.preset.and_then(|preset| Some((&preset.name, preset.settings.drafts?)));
        let Some((name, drafts)) = drafts else { return };
        let use_them = ui.button(format!("Use the drafts of {name} ({drafts})"));
        if use_them.on_hover_text("Fills in its seeds and the steps after which each draft pauses").clicked()
        {
            let seeds =
                (0..u64::from(drafts.seeds)).map(|index| view.draft.seed.wrapping_add(index).to_string());
            let values = seeds.collect::<Vec<_>>().join(", ");
            self.axes = vec![AxisRow { field: SweepField::Seed.to_string(), values }];
            self.cells = CellChoice::default();
            (self.is_draft, self.draft_steps) = (true, drafts.steps);
        }
    }

    /// A field that has no axis yet.
    fn next_field(&self) -> SweepField {
        let wanted = [SweepField::Seed, SweepField::GuidanceLow, SweepField::Steps, SweepField::Shift];
        let is_free = |field: &SweepField| self.axes.iter().all(|row| row.field != field.to_string());
        wanted.into_iter().find(is_free).unwrap_or(SweepField::Seed)
    }

    /// The cells to leave out, or what is wrong with that.
    fn skipped(&self) -> Result<Vec<Condition>> {
        let skip = self.skip.trim();
        if skip.is_empty() { Ok(Vec::new()) } else { Ok(vec![skip.parse()?]) }
    }

    /// Asks for the plan of what is typed, whenever that changes.
    fn send(&mut self, actions: &mut Vec<SweepAction>) {
        let axes: Result<Vec<_>> = self.axes.iter().map(AxisRow::axis).collect();
        let sweep = match (axes, self.skipped()) {
            (Ok(axes), Ok(skip)) if !axes.is_empty() => Some(self.cells.applied(Sweep {
                name: self.name.trim().to_owned(),
                skip,
                draft_steps: (self.is_draft && !self.cells.is_search()).then_some(self.draft_steps),
                ..Sweep::with_axes(axes)
            })),
            _ => None,
        };
        if sweep != self.sent {
            self.sent.clone_from(&sweep);
            actions.push(SweepAction::Plan(sweep.map(Box::new)));
        }
    }

    fn cost_ui(&mut self, ui: &mut Ui, view: &SweepView<'_>, actions: &mut Vec<SweepAction>) {
        let plan = self.sent.as_ref().and(view.plan);
        let can_start = matches!(plan, Some(Ok(_)));
        if let Some(Ok(plan)) = plan {
            self.count = plan.specs.len();
        }
        ui.horizontal_wrapped(|ui| {
            let start = if self.cells.is_search() {
                "Start search".to_owned()
            } else {
                format!("Start {}", counted(self.count as u64, "cell"))
            };
            let start = ui.add_enabled(can_start, Button::new(start));
            let is_planned = plan.is_some() || self.sent.is_none();
            let why =
                if is_planned { "Correct the axes and Skip first" } else { "The cells are being planned" };
            let start = start.on_disabled_hover_text(why);
            // the second click of a double-click would start the sweep twice
            if start.clicked() && !start.double_clicked() && !start.triple_clicked() {
                actions.push(SweepAction::Start);
            }
            match (plan, view.estimate) {
                (Some(Err(error)), _) | (_, Some(Err(error))) => {
                    ui.colored_label(theme::tokens(ui).error, format!("{error:#}"));
                }
                (Some(Ok(_)), Some(Ok(estimate))) => {
                    ui.label(cost_words(estimate));
                }
                (Some(Ok(_)), None) => {
                    ui.weak("Estimating…");
                }
                (None, _) if self.sent.is_some() => {
                    ui.weak("Planning…");
                }
                (None, _) => {}
            }
        });
        let Some(Ok(estimate)) = view.estimate.filter(|_| can_start) else { return };
        for blocker in &estimate.blockers {
            ui.label(RichText::new(blocker).color(theme::tokens(ui).error));
        }
        let mut cut = None;
        ui.horizontal_wrapped(|ui| {
            for offered in &estimate.cuts {
                let saves =
                    offered.saves.map(|saves| format!(", saves {}", short_time(saves))).unwrap_or_default();
                let about = format!("{}{saves}", offered.left_words());
                if ui.small_button(&offered.label).on_hover_text(about).clicked() {
                    cut = Some(offered.clone());
                }
            }
        });
        if let Some(Cut { axis, value, .. }) = cut
            && let Some(row) = self.axes.get_mut(axis)
        {
            row.leave_out(&value);
        }
    }

    /// An editor with one axis over a field of `draft`.
    #[cfg(test)]
    pub(super) fn with_axis(field: &SweepField, draft: &crate::core::Draft) -> Self {
        Self { axes: vec![AxisRow::new(field, draft)], ..Self::default() }
    }
}

/// The cost in one line.
fn cost_words(estimate: &SweepEstimate) -> String {
    let time = match (estimate.seconds, estimate.seconds_unshared) {
        (Some(shared), Some(unshared)) if unshared.0 > shared.0 * 1.01 => {
            format!("about {} ({} as single jobs)", short_time(shared), short_time(unshared))
        }
        (Some(shared), _) => format!("about {}", short_time(shared)),
        (None, _) => "time unknown until the model has run once".to_owned(),
    };
    let free = estimate.disk_free.map(|free| format!(" of {free} free")).unwrap_or_default();
    format!("{time} · {} on disk{free} · {} of memory", estimate.disk, estimate.memory)
}
