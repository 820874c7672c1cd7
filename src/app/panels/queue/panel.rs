//! The queue as a list: running, queued and failed jobs; other ended jobs are one line.

use std::collections::BTreeSet;

use eframe::egui::{Align, Layout, Rect, RichText, ScrollArea, Sense, Stroke, Ui, pos2, vec2};

use super::row::{self, row_ui};
use super::verbs;
use super::view::{QueueAction, QueueView};
use crate::app::theme;
use crate::jobs::{EndStatus, Job, JobId};
use crate::queue::QueueCommand;

/// Height of the line above the list.
const HEAD_HEIGHT: f32 = 26.0;

/// The view state of the queue panel.
#[derive(Default)]
pub(in crate::app) struct QueuePanel {
    selected: BTreeSet<JobId>,
    /// The start of a selection with Shift.
    anchor: Option<JobId>,
    /// Whether ended jobs are shown one by one.
    shows_ended: bool,
}

/// A job's row: its index, and the open jobs that it can be dragged between.
struct Row<'a> {
    index: usize,
    entry: &'a Job,
    open: &'a [&'a Job],
}

impl QueuePanel {
    /// Draws the queue; returns the user's actions.
    pub(in crate::app) fn ui(&mut self, ui: &mut Ui, view: &QueueView<'_>) -> Vec<QueueAction> {
        let mut actions = Vec::new();
        let open: Vec<_> = view.entries.iter().filter(|entry| entry.ended().is_none()).collect();
        let rows = self.rows(view, &open);
        self.selected.retain(|id| view.entries.iter().any(|entry| entry.id == *id));
        head_ui(ui, view, &open);
        if view.entries.is_empty() {
            ui.add_space(12.0);
            ui.weak("No jobs. Write a prompt and press Generate; more jobs wait here for their turn");
            return actions;
        }
        let heights: Vec<f32> = rows.iter().map(|entry| row::height(entry)).collect();
        let ended = Self::num_folded(view);
        ScrollArea::vertical().auto_shrink([false, false]).show_viewport(ui, |ui, shown| {
            let tail = if ended == 0 { 0.0 } else { theme::ROW_HEIGHT };
            ui.set_height(heights.iter().sum::<f32>() + tail);
            let (left, right) = (ui.max_rect().left(), ui.max_rect().right());
            let mut top = ui.max_rect().top();
            for (index, (entry, height)) in rows.iter().zip(&heights).enumerate() {
                let rect = Rect::from_min_max(pos2(left, top), pos2(right, top + height));
                top += height;
                let from = rect.top() - ui.max_rect().top();
                if from + height < shown.top() || from > shown.bottom() {
                    continue;
                }
                ui.push_id(entry.id, |ui| {
                    self.job_ui(ui, rect, &Row { index, entry, open: &open }, view, &mut actions);
                });
            }
            if ended > 0 {
                let rect = Rect::from_min_size(pos2(left, top), vec2(right - left, theme::ROW_HEIGHT));
                self.ended_ui(ui, rect, view, &mut actions);
            }
        });
        actions
    }

    /// The jobs with their own row: open jobs in order, then failed ones, newest first; with `all`, every ended job.
    fn rows<'a>(&self, view: &QueueView<'a>, open: &[&'a Job]) -> Vec<&'a Job> {
        let ended = view.entries.iter().rev().filter(|entry| entry.ended().is_some());
        let shown = ended.filter(|entry| self.shows_ended || is_failed(entry));
        open.iter().copied().chain(shown).collect()
    }

    /// Number of ended jobs summarised by the last line.
    fn num_folded(view: &QueueView<'_>) -> usize {
        view.entries.iter().filter(|entry| entry.ended().is_some() && !is_failed(entry)).count()
    }

    fn job_ui(
        &mut self,
        ui: &mut Ui,
        rect: Rect,
        row: &Row<'_>,
        view: &QueueView<'_>,
        actions: &mut Vec<QueueAction>,
    ) {
        let &Row { index, entry, open } = row;
        let id = entry.id;
        let response = row_ui(ui, rect, entry, self.selected.contains(&id), view, actions);
        if response.clicked() {
            self.select(ui, id, view);
        }
        if response.secondary_clicked() && !self.selected.contains(&id) {
            self.selected = BTreeSet::from([id]);
        }
        let above = index.checked_sub(1).and_then(|above| Place::of(open, id, above, true)?.before);
        response.context_menu(|ui| menu_ui(ui, entry, above, actions));
        if entry.ended().is_none() && entry.worker().is_none() {
            response.dnd_set_drag_payload(id);
        }
        actions.extend(drop_ui(ui, rect, open, index).map(QueueAction::Command));
    }

    fn select(&mut self, ui: &Ui, id: JobId, view: &QueueView<'_>) {
        let modifiers = ui.input(|input| input.modifiers);
        let place = |id| view.entries.iter().position(|entry| entry.id == id);
        if modifiers.shift
            && let (Some(from), Some(to)) = (self.anchor.and_then(place), place(id))
        {
            let range = from.min(to)..=from.max(to);
            self.selected = view.entries[range].iter().map(|entry| entry.id).collect();
            return;
        }
        self.anchor = Some(id);
        if modifiers.command {
            if !self.selected.remove(&id) {
                self.selected.insert(id);
            }
        } else {
            self.selected = BTreeSet::from([id]);
        }
    }

    fn ended_ui(&mut self, ui: &mut Ui, rect: Rect, view: &QueueView<'_>, actions: &mut Vec<QueueAction>) {
        let count = |status| {
            let is = |entry: &&Job| entry.ended().is_some_and(|ended| ended.status == status);
            view.entries.iter().filter(is).count()
        };
        let (done, cancelled) = (count(EndStatus::Done), count(EndStatus::Cancelled));
        let text = match cancelled {
            0 => format!("Done {done}"),
            _ => format!("Done {done} · cancelled {cancelled}"),
        };
        ui.scope_builder(
            eframe::egui::UiBuilder::new().max_rect(rect).layout(Layout::left_to_right(Align::Center)),
            |ui| {
                ui.weak(text);
                if ui.small_button("Show in gallery").clicked() {
                    actions.push(QueueAction::ShowGallery);
                }
                let fold = if self.shows_ended { "Hide" } else { "Show here" };
                if ui.small_button(fold).on_hover_text("Ended jobs one by one").clicked() {
                    self.shows_ended = !self.shows_ended;
                }
                if ui.small_button("Clear ended").clicked() {
                    actions.push(QueueAction::Command(QueueCommand::ClearEnded));
                }
            },
        );
    }
}

fn is_failed(entry: &Job) -> bool {
    entry.ended().is_some_and(|ended| ended.status == EndStatus::Failed)
}

/// The number of jobs by state.
fn head_ui(ui: &mut Ui, view: &QueueView<'_>, open: &[&Job]) {
    ui.allocate_ui_with_layout(
        vec2(ui.available_width(), HEAD_HEIGHT),
        Layout::left_to_right(Align::Center),
        |ui| {
            let text = match open.len() {
                0 => "The queue is empty".to_owned(),
                1 => "1 job".to_owned(),
                count => format!("{count} jobs"),
            };
            ui.label(RichText::new(text).weak());
            if let Some(left) = view.live.first().and_then(|(_, live)| live.progress.remaining()) {
                ui.weak(format!("· {left} left for the running job"));
            }
        },
    );
}

fn menu_ui(ui: &mut Ui, entry: &Job, above: Option<JobId>, actions: &mut Vec<QueueAction>) {
    for verb in verbs::all(entry) {
        let text = format!("{} job {}", verb.name, entry.id);
        if ui.button(text).on_hover_text(verb.about).clicked() {
            actions.push(verb.action);
            ui.close();
        }
    }
    if let Some(above) = above
        && entry.worker().is_none()
    {
        let text = format!("Move up job {}", entry.id);
        if ui.button(text).on_hover_text("Before the one above").clicked() {
            actions.push(QueueAction::Command(QueueCommand::Move { id: entry.id, before: Some(above) }));
            ui.close();
        }
    }
    ui.separator();
    let draft = &entry.spec.draft;
    if ui.button("Copy prompt").clicked() {
        ui.ctx().copy_text(draft.prompt.clone());
        ui.close();
    }
    if ui.button("Copy seed").clicked() {
        ui.ctx().copy_text(draft.seed.to_string());
        ui.close();
    }
}

/// Handles a row dropped here: before or after this one, as the line shows.
fn drop_ui(ui: &Ui, row: Rect, open: &[&Job], index: usize) -> Option<QueueCommand> {
    let response = ui.interact(row, ui.scope_id().with("drop"), Sense::hover());
    let dragged = *response.dnd_hover_payload::<JobId>()?;
    let pointer = ui.input(|input| input.pointer.interact_pos())?;
    let place = Place::of(open, dragged, index, pointer.y < row.center().y)?;
    let y = if place.index > index { row.bottom() } else { row.top() };
    ui.painter().hline(row.x_range(), y, Stroke::new(2.0, theme::tokens(ui).accent));
    response.dnd_release_payload::<JobId>().map(|_| QueueCommand::Move { id: dragged, before: place.before })
}

/// Where a dragged job would be inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// Index of the row that it is inserted before.
    index: usize,
    before: Option<JobId>,
}

impl Place {
    /// The insertion point for the upper or lower half of a row; `None` if the job would not stay there or is there
    /// already.
    fn of(open: &[&Job], dragged: JobId, row: usize, is_upper: bool) -> Option<Self> {
        let from = open.iter().position(|entry| entry.id == dragged)?;
        let over = open.get(row)?;
        // priorities override the order, and running jobs have no place in it
        if over.spec.priority != open.get(from)?.spec.priority {
            return None;
        }
        let index = if is_upper && over.worker().is_none() { row } else { row + 1 };
        let before = open.get(index).map(|entry| entry.id);
        (index != from && index != from + 1).then_some(Self { index, before })
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
