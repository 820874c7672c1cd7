//! The grid of a sweep: the cells play in sync, each with what differs and what can be done with it.

use std::collections::BTreeSet;

use eframe::egui::{
    Align, Button, Checkbox, ComboBox, Image, Label, Layout, Rect, RichText, Role, Sense, TextEdit, Ui, Vec2,
    WidgetInfo, vec2,
};

use super::view::{SweepAction, SweepView};
use crate::app::background::sweeps::shown_cells;
use crate::app::theme;
use crate::app::widgets::duration::short_time;
use crate::core::counted;
use crate::jobs::{JobId, JobStatus};
use crate::library::MAX_RATING;
use crate::metrics::DifferenceMetric;
use crate::queue::GroupVerb;
use crate::sweep::{CellResult, Goal, SweepRecord, SweepTable};

/// Size of a cell's image in points.
const IMAGE: Vec2 = vec2(176.0, 132.0);
/// Width of a cell in points.
const CELL: f32 = 190.0;
/// How many videos can be compared.
const COMPARED: std::ops::RangeInclusive<usize> = 2..=4;

/// The view state of the grid.
#[derive(Default)]
pub(super) struct Grid {
    /// The cells that are chosen, to finish drafts or to compare videos.
    chosen: BTreeSet<JobId>,
    /// The metric of the difference to the reference cell.
    metric: GridMetric,
    /// The id of the job whose settings are saved, and the name that is typed.
    saving: Option<(String, String)>,
    rows: RowHeights,
}

/// The metric in which cells are compared with the reference cell.
struct GridMetric(DifferenceMetric);

impl Default for GridMetric {
    fn default() -> Self {
        Self(DifferenceMetric::Ssim)
    }
}

/// Heights of the rows as they were last drawn, so that a row out of view needs no layout.
#[derive(Default)]
struct RowHeights {
    /// The sweep and the number of columns that they are for.
    of: (String, usize),
    heights: Vec<f32>,
}

impl RowHeights {
    /// Forgets the heights if they are of another sweep or width.
    fn keep_for(&mut self, sweep: &str, columns: usize) {
        if (self.of.0.as_str(), self.of.1) != (sweep, columns) {
            *self = Self { of: (sweep.to_owned(), columns), heights: Vec::new() };
        }
    }

    /// Draws a row, or leaves its space free if it is out of view.
    fn row_ui(&mut self, ui: &mut Ui, row: usize, content: impl FnOnce(&mut Ui)) {
        let top = ui.cursor().min;
        if let Some(height) = self.heights.get(row) {
            let place = Rect::from_min_size(top, vec2(ui.available_width(), *height));
            if !ui.is_rect_visible(place) {
                ui.advance_cursor_after_rect(place);
                return;
            }
        }
        let height = ui.scope(content).response.rect.height();
        match self.heights.get_mut(row) {
            Some(known) => *known = height,
            None => self.heights.push(height),
        }
    }
}

impl Grid {
    /// Draws the grid; adds the user's actions.
    pub(super) fn ui(&mut self, ui: &mut Ui, view: &SweepView<'_>, actions: &mut Vec<SweepAction>) {
        let Some((record, table)) = view.open else {
            ui.weak("The cells of a sweep appear here when it has started.");
            return;
        };
        self.verbs_ui(ui, record, table, actions);
        let cells = shown_cells(record, table);
        let columns = ((ui.available_width() / (CELL + 8.0)) as usize).clamp(1, 12);
        let mut rows = std::mem::take(&mut self.rows);
        rows.keep_for(&record.id, columns);
        for (index, row) in cells.chunks(columns).enumerate() {
            rows.row_ui(ui, index, |ui| {
                let mut cell_ui = |cell: &&CellResult, ui: &mut Ui| {
                    self.cell_of_row_ui(ui, view, record, cell, actions);
                };
                ui.horizontal_top(|ui| row.iter().for_each(|cell| cell_ui(cell, ui)));
                ui.separator();
            });
        }
        self.rows = rows;
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
            let drafts: Vec<_> =
                table.cells.iter().filter(|cell| cell.is_draft).filter_map(|cell| cell.job).collect();
            if record.sweep.draft_steps.is_some() {
                self.finish_ui(ui, &drafts, actions);
            }
            self.compare_ui(ui, record, table, actions);
            for (name, verb, is_possible) in [
                ("Pause sweep", GroupVerb::Pause, true),
                // a draft goes on when it is chosen
                ("Resume sweep", GroupVerb::Resume, drafts.is_empty()),
                ("Cancel sweep", GroupVerb::Cancel, true),
                ("Retry failed cells", GroupVerb::Retry, true),
            ] {
                if ui.add_enabled(is_possible, Button::new(name).small()).clicked() {
                    actions.push(SweepAction::Group(verb));
                }
            }
            let export = ui.add_enabled(done > 0, Button::new("Export sweep").small());
            if export.on_hover_text("A page with all videos in sync, a contact sheet and a table").clicked() {
                actions.push(SweepAction::Export);
            }
            if record.reference.is_some() {
                self.metric_ui(ui);
            }
            // the last one, as it comes and goes
            let hidden = counted(record.dropped.len() as u64, "hidden cell");
            if !record.dropped.is_empty() && ui.small_button(format!("Show {hidden}")).clicked() {
                actions.push(SweepAction::ShowDropped);
            }
        });
        ui.separator();
    }

    /// The metric of the difference to the reference cell.
    fn metric_ui(&mut self, ui: &mut Ui) {
        let GridMetric(metric) = &mut self.metric;
        ui.weak("Difference to reference");
        let list = ComboBox::from_id_salt("metric of the grid").width(110.0).selected_text(metric.label());
        let shown = list.show_ui(ui, |ui| {
            for other in DifferenceMetric::ALL {
                ui.selectable_value(metric, other, other.label()).on_hover_text(other.meaning());
            }
        });
        let response = shown.response.on_hover_text(metric.meaning());
        let name = "Difference to reference in the grid";
        response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, name));
    }

    /// How far a cell is from the reference cell.
    fn difference_ui(&self, ui: &mut Ui, view: &SweepView<'_>, record: &SweepRecord, cell: &CellResult) {
        let Some(reference) = &record.reference else { return };
        if *reference == cell.place {
            ui.strong("reference");
            return;
        }
        let GridMetric(metric) = self.metric;
        let name = metric.label();
        let measured =
            cell.uid.as_deref().filter(|_| cell.output.is_some()).map(|uid| (view.difference)(uid));
        let (text, about) = match measured {
            None => (String::new(), metric.meaning().to_owned()),
            Some(None) => (format!("{name} is being measured"), metric.meaning().to_owned()),
            Some(Some(Err(error))) => (format!("{name} is not known"), format!("{error:#}")),
            Some(Some(Ok(measured))) => {
                let value = measured.of(metric);
                let not_known = || {
                    let why = "The videos have other sizes, or are too small for this metric";
                    (format!("{name} is not known"), why.to_owned())
                };
                let known = |value| (format!("{name} {}", metric.text(value)), metric.meaning().to_owned());
                value.map_or_else(not_known, known)
            }
        };
        ui.label(text).on_hover_text(about);
    }

    /// The button that finishes the chosen ones of `drafts`.
    fn finish_ui(&mut self, ui: &mut Ui, drafts: &[JobId], actions: &mut Vec<SweepAction>) {
        let chosen: Vec<_> = drafts.iter().copied().filter(|job| self.chosen.contains(job)).collect();
        let finish = Button::new(format!("Finish {}", counted(chosen.len() as u64, "draft")));
        let finish = ui.add_enabled(!chosen.is_empty(), finish);
        let finish = finish.on_hover_text("Resumes the chosen drafts and cancels the others");
        if finish.on_disabled_hover_text("Choose drafts in the grid first").clicked() {
            actions.push(SweepAction::Finish(chosen));
            self.chosen.clear();
        }
    }

    /// The button that compares the videos of the chosen cells, in the order of the grid.
    fn compare_ui(
        &self,
        ui: &mut Ui,
        record: &SweepRecord,
        table: &SweepTable,
        actions: &mut Vec<SweepAction>,
    ) {
        let cells = shown_cells(record, table).into_iter();
        let chosen = cells.filter(|cell| cell.job.is_some_and(|job| self.chosen.contains(&job)));
        let videos: Vec<_> = chosen.filter_map(|cell| cell.output.clone()).collect();
        let compare = ui.add_enabled(COMPARED.contains(&videos.len()), Button::new("Compare chosen").small());
        let compare =
            compare.on_hover_text("Opens the videos of the chosen cells in the comparison, in sync");
        if compare.on_disabled_hover_text("Choose two to four finished cells in the grid first").clicked() {
            actions.push(SweepAction::Compare(videos));
        }
    }

    /// The mark of a cell that can be finished or compared.
    fn choice_ui(&mut self, ui: &mut Ui, cell: &CellResult) {
        let Some(job) = cell.job else { return };
        let mut is_chosen = self.chosen.contains(&job);
        let choice = Checkbox::new(&mut is_chosen, format!("Choose {}", cell.label));
        let choice = ui.add_enabled(cell.is_draft || cell.output.is_some(), choice);
        if !choice.on_disabled_hover_text("Possible when it is done, or a draft").changed() {
            return;
        }
        if is_chosen {
            self.chosen.insert(job);
        } else {
            self.chosen.remove(&job);
        }
    }

    fn cell_ui(
        &mut self,
        ui: &mut Ui,
        view: &SweepView<'_>,
        record: &SweepRecord,
        cell: &CellResult,
        actions: &mut Vec<SweepAction>,
    ) {
        if let Some((texture, size)) = (view.frame)(cell) {
            let scale = (IMAGE / size.max(Vec2::splat(1.0))).min_elem();
            let what = if cell.output.is_some() { "Video" } else { "Preview" };
            ui.add(Image::new((texture, size * scale)).alt_text(format!("{what} of {}", cell.label)));
        } else {
            let (rect, _) = ui.allocate_exact_size(IMAGE, Sense::hover());
            ui.painter().rect_filled(rect, 2.0, theme::tokens(ui).line);
        }
        ui.add(Label::new(RichText::new(&cell.label).strong()).wrap());
        let time = cell.seconds.map(|seconds| format!(" · {}", short_time(seconds))).unwrap_or_default();
        ui.weak(format!("{}{time}", cell.status_word()));
        self.difference_ui(ui, view, record, cell);
        if let Some(error) = &cell.error {
            ui.add(Label::new(RichText::new(error).small().color(theme::tokens(ui).error)).wrap());
        }
        self.choice_ui(ui, cell);
        ui.horizontal_wrapped(|ui| verbs_of_cell_ui(ui, view, record, cell, actions));
        self.preset_ui(ui, cell, actions);
    }

    fn preset_ui(&mut self, ui: &mut Ui, cell: &CellResult, actions: &mut Vec<SweepAction>) {
        let (Some(draft), Some(uid)) = (&cell.draft, &cell.uid) else { return };
        match self.saving.as_mut().filter(|(of, _)| of == uid) {
            None => {
                if ui.small_button(format!("Save {} as preset", cell.label)).clicked() {
                    self.saving = Some((uid.clone(), cell.label.clone()));
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
    // all are always there with the same text in one row, so that none moves when a cell is done or marked
    ui.spacing_mut().button_padding.x = 5.0;
    ui.spacing_mut().item_spacing.x = 2.0;
    let mut button = |button: Button<'_>, is_possible: bool, about: &str| {
        ui.add_enabled(is_possible, button.small()).on_hover_text(about).clicked()
    };
    let video = cell.job.zip(cell.output.as_ref());
    if button(Button::new("Open"), video.is_some(), "Show the video in the player")
        && let Some((job, path)) = video
    {
        actions.push(SweepAction::Show(job, path.clone()));
    }
    if button(Button::new("Use"), cell.draft.is_some(), "Take its settings into the form")
        && let Some(draft) = &cell.draft
    {
        actions.push(SweepAction::Reuse(Box::new(draft.clone())));
    }
    let stars = cell.uid.as_ref().map_or(0, |uid| (view.stars)(uid));
    let is_rated = record.sweep.search.is_some_and(|search| search.goal == Goal::BestRated);
    // a search by ratings needs all of them
    let offered = if is_rated { 1..=MAX_RATING } else { MAX_RATING..=MAX_RATING };
    for rating in offered {
        let name = if is_rated { rating.to_string() } else { "Star".to_owned() };
        let is_given = if is_rated { stars >= rating } else { stars > 0 };
        let about = if is_rated {
            format!("Rate {}, or clear this rating", counted(u64::from(rating), "star"))
        } else {
            "Rate five stars, or clear the rating".to_owned()
        };
        let is_same = if is_rated { stars == rating } else { stars > 0 };
        let can_rate = if is_rated { cell.output.is_some() } else { cell.uid.is_some() };
        if button(Button::new(name).selected(is_given), can_rate, &about)
            && let Some(uid) = &cell.uid
        {
            actions.push(SweepAction::Star(uid.clone(), if is_same { 0 } else { rating }));
        }
    }
    let is_pinned = record.pinned.contains(&cell.place);
    let about = if is_pinned { "Show it in its place again" } else { "Show it first" };
    if button(Button::new("Pin").selected(is_pinned), true, about) {
        actions.push(SweepAction::Pin(cell.place.clone()));
    }
    if button(Button::new("Hide"), true, "Hide this cell; the video is kept") {
        actions.push(SweepAction::Drop(cell.place.clone()));
    }
    let is_reference = record.reference.as_ref() == Some(&cell.place);
    let about = if is_reference {
        "Compare the others with it no more"
    } else {
        "Show how far the others are from it"
    };
    if button(Button::new("Reference").selected(is_reference), cell.output.is_some(), about) {
        actions.push(SweepAction::Reference(cell.place.clone()));
    }
}
