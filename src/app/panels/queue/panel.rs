//! The queue as a table: running, queued and failed jobs; other ended jobs are one line.

use std::collections::BTreeSet;

use eframe::egui::{Rect, ScrollArea, Ui, pos2, vec2};

use super::cells::Cells;
use super::columns::{HEADER_HEIGHT, Places};
use super::drag::{drop_ui, shifted};
use super::head::head_ui;
use super::keys::{self, Pressed};
use super::row::{self, heights};
use super::rows::{Row, RowKind, Rows};
use super::verbs;
use super::view::{QueueAction, QueueView};
use crate::app::widgets::row_menu::RowMenu;
use crate::jobs::{Job, JobId};

/// Space at both sides of the cells.
const SIDE: f32 = 5.0;

/// The view state of the queue panel.
#[derive(Default)]
pub(in crate::app) struct QueuePanel {
    selected: BTreeSet<JobId>,
    /// Whether `selected` is that of an earlier window, whose queue was not read yet.
    awaits_jobs: bool,
    /// The start of a selection with Shift.
    anchor: Option<JobId>,
    /// The row that keys start from.
    focus: Option<JobId>,
    /// Give `focus` the keyboard and bring it into view in the next frame.
    follow: bool,
    /// Whether a row had the keyboard in the last frame.
    has_keyboard: bool,
    /// Whether ended jobs are shown one by one.
    shows_ended: bool,
    rows: Rows,
    menu: RowMenu,
}

impl QueuePanel {
    /// With these jobs selected.
    pub(in crate::app) fn with_selection(selected: BTreeSet<JobId>) -> Self {
        Self { selected, awaits_jobs: true, ..Self::default() }
    }

    /// The selected jobs.
    pub(in crate::app) fn selected(&self) -> &BTreeSet<JobId> {
        &self.selected
    }

    /// Whether a row has the keyboard, so that Alt and an arrow move a job.
    pub(in crate::app) fn has_keyboard(&self) -> bool {
        self.has_keyboard
    }

    /// Selects a job and brings it into view.
    pub(in crate::app) fn show_job(&mut self, id: JobId) {
        self.shows_ended = true;
        self.select_only(id);
        self.follow = true;
    }

    /// Draws the queue; returns the user's actions.
    pub(in crate::app) fn ui(&mut self, ui: &mut Ui, view: &QueueView<'_>) -> Vec<QueueAction> {
        let mut actions = Vec::new();
        let places = view.columns.place(ui.available_width() - 2.0 * SIDE);
        if self.rows.update(view, heights(&places), self.shows_ended) {
            self.awaits_jobs &= view.entries.is_empty();
            self.selected.retain(|id| self.awaits_jobs || self.rows.job(*id).is_some());
        }
        head_ui(ui, view, &self.rows, &mut actions);
        if view.entries.is_empty() {
            ui.add_space(12.0);
            ui.weak("No jobs. Write a prompt and press Generate; more jobs wait here for their turn");
            self.has_keyboard = false;
            return actions;
        }
        self.keys(ui, view, &mut actions);
        ScrollArea::horizontal().auto_shrink([false, false]).show(ui, |ui| {
            let width = places.width + 2.0 * SIDE;
            ui.set_width(width);
            let (header, _) =
                ui.allocate_exact_size(vec2(width, HEADER_HEIGHT), eframe::egui::Sense::hover());
            let columns = view.columns.header_ui(ui, header.shrink2(vec2(SIDE, 0.0)), &places);
            actions.extend(columns.map(QueueAction::Columns));
            self.list_ui(ui, view, &places, &mut actions);
        });
        actions
    }

    fn list_ui(
        &mut self,
        ui: &mut Ui,
        view: &QueueView<'_>,
        places: &Places,
        actions: &mut Vec<QueueAction>,
    ) {
        let mut area = ScrollArea::vertical().auto_shrink([false, false]);
        if self.follow
            && let Some(top) = self.offset_of_focus(ui.available_height())
        {
            area = area.vertical_scroll_offset(top);
        }
        let mut has_keyboard = false;
        ui.spacing_mut().item_spacing.y = 0.0;
        area.show_viewport(ui, |ui, shown| {
            ui.set_height(self.rows.height());
            let origin = ui.max_rect().min;
            let width = ui.max_rect().width();
            // drawing may change the selection, not the rows
            let rows = std::mem::take(&mut self.rows);
            for Row { kind, top, height } in rows.between(shown.top(), shown.bottom()).iter().copied() {
                let rect = Rect::from_min_size(pos2(origin.x, origin.y + top), vec2(width, height));
                match kind {
                    RowKind::Lane(priority, count) => row::lane_ui(ui, rect, priority, count),
                    RowKind::Ended => row::ended_ui(ui, rect, &rows, &mut self.shows_ended, actions),
                    RowKind::Job(index) => {
                        let Some(job) = view.entries.get(index) else { continue };
                        let cells = Cells { job, index, view, schedule: &rows.schedule, places };
                        has_keyboard |=
                            ui.push_id(job.id, |ui| self.job_ui(ui, rect, &cells, &rows, actions)).inner;
                    }
                }
            }
            self.rows = rows;
        });
        (self.has_keyboard, self.follow) = (has_keyboard, false);
    }

    /// Draws a job and takes in what was done to its row; whether it has the keyboard.
    fn job_ui(
        &mut self,
        ui: &mut Ui,
        rect: Rect,
        cells: &Cells<'_>,
        rows: &Rows,
        actions: &mut Vec<QueueAction>,
    ) -> bool {
        let (job, view) = (cells.job, cells.view);
        let response = row::job_ui(ui, rect, cells, self.selected.contains(&job.id), actions);
        if self.follow && self.focus == Some(job.id) {
            response.request_focus();
        }
        if response.clicked() {
            response.request_focus();
            self.select(ui, job.id, rows);
        }
        if response.double_clicked() {
            let verbs = verbs::all(job);
            let main = verbs.into_iter().find(|verb| matches!(verb.name, "Open" | "Edit"));
            actions.extend(main.map(|verb| verb.action));
        }
        if response.secondary_clicked() && !self.selected.contains(&job.id) {
            self.select_only(job.id);
        }
        let mut menu = std::mem::take(&mut self.menu);
        menu.ui(&response, |ui| self.menu_ui(ui, view, rows, actions));
        self.menu = menu;
        if job.ended().is_none() && job.worker().is_none() {
            response.dnd_set_drag_payload(job.id);
        }
        actions.extend(drop_ui(ui, rect, view.entries, cells.index));
        keys::hold(ui, &response)
    }

    fn select(&mut self, ui: &Ui, id: JobId, rows: &Rows) {
        let modifiers = ui.input(|input| input.modifiers);
        if modifiers.shift && self.anchor.is_some() {
            self.extend_to(id, rows);
        } else if modifiers.command {
            (self.anchor, self.focus) = (Some(id), Some(id));
            if !self.selected.remove(&id) {
                self.selected.insert(id);
            }
        } else {
            self.select_only(id);
        }
    }

    fn select_only(&mut self, id: JobId) {
        (self.anchor, self.focus) = (Some(id), Some(id));
        self.selected = BTreeSet::from([id]);
    }

    /// Selects the rows from the anchor to this one.
    fn extend_to(&mut self, id: JobId, rows: &Rows) {
        let place = |id| rows.shown().position(|job| job.id == id);
        let (Some(from), Some(to)) = (self.anchor.and_then(place), place(id)) else { return };
        let (first, last) = (from.min(to), from.max(to));
        self.selected = rows.shown().skip(first).take(last - first + 1).map(|job| job.id).collect();
        self.focus = Some(id);
    }

    fn selected_jobs<'a>(&self, rows: &'a Rows) -> Vec<&'a Job> {
        self.selected.iter().filter_map(|id| rows.job(*id)).collect()
    }

    fn keys(&mut self, ui: &Ui, view: &QueueView<'_>, actions: &mut Vec<QueueAction>) {
        if !self.has_keyboard {
            return;
        }
        let rows = std::mem::take(&mut self.rows);
        match keys::pressed(ui) {
            Some(Pressed::Go { up, extends }) => {
                let place = self.focus.and_then(|id| rows.shown().position(|job| job.id == id));
                let next = place.and_then(|place| if up { place.checked_sub(1) } else { Some(place + 1) });
                if let Some(job) = next.and_then(|next| rows.shown().nth(next)) {
                    if extends {
                        self.extend_to(job.id, &rows);
                    } else {
                        self.select_only(job.id);
                    }
                    self.follow = true;
                }
            }
            Some(Pressed::All) => self.selected = rows.shown().map(|job| job.id).collect(),
            Some(pressed) => actions.extend(keys::action(pressed, &self.selected_jobs(&rows), view)),
            None => {}
        }
        self.rows = rows;
    }

    /// Where to scroll to so that the row with the focus is in view.
    fn offset_of_focus(&self, height: f32) -> Option<f32> {
        let index = |row: &&Row| match row.kind {
            RowKind::Job(index) => self.rows.job_at(index).map(|job| job.id) == self.focus,
            RowKind::Lane(..) | RowKind::Ended => false,
        };
        let row = self.rows.list.iter().find(index)?;
        Some((row.top - (height - row.height) / 2.0).max(0.0))
    }

    /// The verbs of the selected jobs.
    fn menu_ui(&self, ui: &mut Ui, view: &QueueView<'_>, rows: &Rows, actions: &mut Vec<QueueAction>) {
        let selected = self.selected_jobs(rows);
        let mut button = |ui: &mut Ui, text: String, about: &str, action: Option<QueueAction>| {
            let Some(action) = action else { return };
            if ui.button(text).on_hover_text(about).clicked() {
                actions.push(action);
                ui.close();
            }
        };
        let of = match selected.as_slice() {
            [one] => format!("job {}", one.id),
            more => format!("{} jobs", more.len()),
        };
        for verb in verbs::shared(&selected) {
            button(ui, format!("{} {of}", verb.name), verb.about, Some(verb.action));
        }
        let [job] = selected.as_slice() else { return };
        let up = shifted(view.entries, job.id, true);
        button(ui, format!("Move up job {}", job.id), "Before the one above (Alt+Up)", up);
        let down = shifted(view.entries, job.id, false);
        button(ui, format!("Move down job {}", job.id), "Behind the one below (Alt+Down)", down);
        ui.separator();
        let draft = &job.spec.draft;
        for (name, text) in [("Copy prompt", draft.prompt.clone()), ("Copy seed", draft.seed.to_string())] {
            if ui.button(name).clicked() {
                ui.ctx().copy_text(text);
                ui.close();
            }
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
