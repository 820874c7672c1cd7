//! The grid of a sweep: the cells play in step, each with what differs and what can be done with it.

use std::collections::BTreeSet;

use eframe::egui::{
    Align, Button, Image, Label, Layout, RichText, ScrollArea, Sense, TextEdit, Ui, Vec2, vec2,
};

use super::view::{SweepAction, SweepView};
use crate::app::theme;
use crate::app::widgets::duration::short_time;
use crate::jobs::{JobId, JobStatus};
use crate::queue::GroupVerb;
use crate::sweep::{CellResult, SweepRecord, SweepTable};

/// Size of a cell's image in points.
const IMAGE: Vec2 = vec2(176.0, 132.0);
/// Width of a cell in points.
const CELL: f32 = 190.0;

/// The view state of the grid.
#[derive(Default)]
pub(super) struct Grid {
    /// The drafts that are chosen.
    chosen: BTreeSet<Vec<u32>>,
    /// The cell whose settings are saved, and the name that is typed.
    saving: Option<(Vec<u32>, String)>,
}

impl Grid {
    /// Draws the grid; adds the user's actions.
    pub(super) fn ui(&mut self, ui: &mut Ui, view: &SweepView<'_>, actions: &mut Vec<SweepAction>) {
        let Some((record, table)) = view.open else {
            ui.weak("The cells of a sweep appear here when it has started.");
            return;
        };
        self.verbs_ui(ui, record, table, actions);
        let is_shown = |cell: &&CellResult| !record.dropped.contains(&cell.place);
        let mut cells: Vec<_> = table.cells.iter().filter(is_shown).collect();
        cells.sort_by_key(|cell| !record.pinned.contains(&cell.place));
        let columns = ((ui.available_width() / (CELL + 8.0)) as usize).clamp(1, 12);
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            for row in cells.chunks(columns) {
                ui.horizontal_top(|ui| {
                    for cell in row {
                        self.cell_of_row_ui(ui, view, record, cell, actions);
                    }
                });
                ui.separator();
            }
        });
    }

    fn cell_of_row_ui(
        &mut self,
        ui: &mut Ui,
        view: &SweepView<'_>,
        record: &SweepRecord,
        cell: &CellResult,
        actions: &mut Vec<SweepAction>,
    ) {
        let layout = Layout::top_down(Align::Min);
        ui.push_id(&cell.place, |ui| {
            ui.allocate_ui_with_layout(vec2(CELL, 0.0), layout, |ui| {
                self.cell_ui(ui, view, record, cell, actions);
            });
        });
    }

    fn verbs_ui(
        &mut self,
        ui: &mut Ui,
        record: &SweepRecord,
        table: &SweepTable,
        actions: &mut Vec<SweepAction>,
    ) {
        let count = |status| table.cells.iter().filter(|cell| cell.status == Some(status)).count();
        let (done, failed) = (count(JobStatus::Done), count(JobStatus::Failed));
        ui.horizontal_wrapped(|ui| {
            ui.strong(&record.name);
            ui.weak(format!("{done} of {} done, {failed} failed", table.cells.len()));
            let drafts = table.cells.iter().filter(|cell| cell.is_draft);
            let chosen: Vec<JobId> = drafts
                .clone()
                .filter(|cell| self.chosen.contains(&cell.place))
                .filter_map(|cell| cell.job)
                .collect();
            if drafts.count() > 0 {
                let finish = Button::new(format!("Finish {} drafts", chosen.len()));
                let finish = ui.add_enabled(!chosen.is_empty(), finish);
                if finish.on_disabled_hover_text("Choose drafts in the grid first").clicked() {
                    actions.push(SweepAction::Finish(chosen));
                    self.chosen.clear();
                }
            } else {
                for (name, verb) in [("Pause sweep", GroupVerb::Pause), ("Resume sweep", GroupVerb::Resume)] {
                    if ui.small_button(name).clicked() {
                        actions.push(SweepAction::Group(verb));
                    }
                }
            }
            for (name, verb) in
                [("Cancel sweep", GroupVerb::Cancel), ("Retry failed cells", GroupVerb::Retry)]
            {
                if ui.small_button(name).clicked() {
                    actions.push(SweepAction::Group(verb));
                }
            }
            if !record.dropped.is_empty()
                && ui.small_button(format!("Show {} dropped cells", record.dropped.len())).clicked()
            {
                actions.push(SweepAction::ShowDropped);
            }
            let export = ui.add_enabled(done > 0, Button::new("Export sweep").small());
            if export.on_hover_text("A page with all videos in step, a contact sheet and a table").clicked() {
                actions.push(SweepAction::Export);
            }
        });
        ui.separator();
    }

    fn cell_ui(
        &mut self,
        ui: &mut Ui,
        view: &SweepView<'_>,
        record: &SweepRecord,
        cell: &CellResult,
        actions: &mut Vec<SweepAction>,
    ) {
        if let Some((texture, size)) = (view.frame)(&cell.place) {
            let scale = (IMAGE / size.max(Vec2::splat(1.0))).min_elem();
            ui.add(Image::new((texture, size * scale)));
        } else {
            let (rect, _) = ui.allocate_exact_size(IMAGE, Sense::hover());
            ui.painter().rect_filled(rect, 2.0, theme::tokens(ui).line);
        }
        ui.add(Label::new(RichText::new(&cell.label).strong()).wrap());
        let status = if cell.is_draft { "draft" } else { cell.status.map_or("removed", JobStatus::word) };
        let time = cell.seconds.map(|seconds| format!(" · {}", short_time(seconds))).unwrap_or_default();
        ui.weak(format!("{status}{time}"));
        if let Some(error) = &cell.error {
            ui.add(Label::new(RichText::new(error).small().color(theme::tokens(ui).error)).wrap());
        }
        if cell.is_draft {
            let mut is_chosen = self.chosen.contains(&cell.place);
            if ui.checkbox(&mut is_chosen, format!("Choose {}", cell.label)).changed() {
                if is_chosen {
                    self.chosen.insert(cell.place.clone());
                } else {
                    self.chosen.remove(&cell.place);
                }
            }
        }
        ui.horizontal_wrapped(|ui| verbs_of_cell_ui(ui, view, record, cell, actions));
        self.preset_ui(ui, cell, actions);
    }

    fn preset_ui(&mut self, ui: &mut Ui, cell: &CellResult, actions: &mut Vec<SweepAction>) {
        let Some(draft) = &cell.draft else { return };
        match self.saving.as_mut().filter(|(place, _)| *place == cell.place) {
            None => {
                if ui.small_button(format!("Save {} as preset", cell.label)).clicked() {
                    self.saving = Some((cell.place.clone(), cell.label.clone()));
                }
            }
            Some((_, name)) => {
                let label = ui.label("Preset name");
                ui.add(TextEdit::singleline(name).desired_width(CELL - 16.0)).labelled_by(label.id);
                if ui.add_enabled(!name.trim().is_empty(), Button::new("Save as preset")).clicked() {
                    let draft = Box::new(draft.clone());
                    actions.push(SweepAction::SavePreset(name.trim().to_owned(), draft));
                    self.saving = None;
                }
            }
        }
    }
}

fn verbs_of_cell_ui(
    ui: &mut Ui,
    view: &SweepView<'_>,
    record: &SweepRecord,
    cell: &CellResult,
    actions: &mut Vec<SweepAction>,
) {
    if let (Some(job), Some(path)) = (cell.job, &cell.output)
        && ui.small_button("Open").on_hover_text("Show the video in the player").clicked()
    {
        actions.push(SweepAction::Show(job, path.clone()));
    }
    if let Some(draft) = &cell.draft
        && ui.small_button("Use").on_hover_text("Take its settings into the form").clicked()
    {
        actions.push(SweepAction::Reuse(Box::new(draft.clone())));
    }
    if let Some(uid) = &cell.uid {
        let stars = (view.stars)(uid);
        let text = if stars > 0 { "Unstar" } else { "Star" };
        if ui.small_button(text).on_hover_text("Give it five stars, or take them away").clicked() {
            actions.push(SweepAction::Star(uid.clone(), if stars > 0 { 0 } else { 5 }));
        }
    }
    let is_pinned = record.pinned.contains(&cell.place);
    if ui.small_button(if is_pinned { "Unpin" } else { "Pin" }).on_hover_text("Show it first").clicked() {
        actions.push(SweepAction::Pin(cell.place.clone()));
    }
    if ui.small_button("Drop").on_hover_text("Show it no more; its video stays").clicked() {
        actions.push(SweepAction::Drop(cell.place.clone()));
    }
}
