//! One row of the table: a job, the title of a lane, or the line of the ended jobs.

use eframe::egui::{
    Align, CornerRadius, CursorIcon, Layout, Rect, Response, RichText, Role, Sense, Ui, UiBuilder,
    WidgetInfo, pos2, vec2,
};

use super::cells::Cells;
use super::columns::{Column, Places};
use super::failure::{failure, failure_ui};
use super::rows::{Heights, Rows};
use super::view::QueueAction;
use crate::app::theme;
use crate::core::counted;
use crate::jobs::{EndStatus, Priority};
use crate::queue::QueueCommand;

/// Height of a thumbnail.
const THUMBNAIL_HEIGHT: f32 = 32.0;
/// Space above and below the cells.
const MARGIN: f32 = 6.0;
/// Height of what is below the cells of a failed job: two lines, and two lines of buttons.
const FAILURE_HEIGHT: f32 = 84.0;

/// Heights of the rows with these columns.
pub(super) fn heights(places: &Places) -> Heights {
    // a narrow table has times and verbs below the state
    let job = if places.has(Column::Verbs) { 46.0 } else { 72.0 };
    Heights { job, failed: job + FAILURE_HEIGHT, ended: 2.0 * theme::ROW_HEIGHT }
}

/// Draws a job into `rect`; the response is that of the whole row.
pub(super) fn job_ui(
    ui: &mut Ui,
    rect: Rect,
    cells: &Cells<'_>,
    is_selected: bool,
    actions: &mut Vec<QueueAction>,
) -> Response {
    let job = cells.job;
    let tokens = theme::tokens(ui);
    let response = ui.interact(rect, ui.scope_id().with("row"), Sense::click_and_drag());
    let words = format!("Job {}, {}, {}", job.id, cells.standing(), job.spec.draft.prompt);
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_selected, words.clone()));
    if is_selected {
        ui.painter().rect_filled(rect, CornerRadius::same(4), ui.visuals().selection.bg_fill);
    } else if response.hovered() {
        ui.painter().rect_filled(rect, CornerRadius::same(4), tokens.card);
    }
    ui.painter().hline(rect.x_range(), rect.bottom(), (1.0, tokens.line));
    let height = heights(cells.places).job;
    let line = Rect::from_min_size(rect.min, vec2(rect.width(), height)).shrink2(vec2(5.0, MARGIN));
    for (column, cell) in cells.places.cells(line) {
        if column == Column::Thumbnail {
            let size = vec2(cell.width(), THUMBNAIL_HEIGHT);
            cells.thumbnail_ui(ui, Rect::from_min_size(cell.min, size));
            continue;
        }
        let align = if column == Column::Stage && !cells.places.has(Column::Verbs) {
            Align::Max
        } else {
            column.align()
        };
        let builder = UiBuilder::new().id_salt(column).max_rect(cell).layout(Layout::top_down(align));
        ui.scope_builder(builder, |ui| {
            ui.set_clip_rect(ui.clip_rect().intersect(cell.expand(2.0)));
            ui.spacing_mut().item_spacing.y = 2.0;
            cells.cell_ui(ui, column, actions);
        });
    }
    if let Some(failure) = failure(job) {
        let left = cells.places.text_left(line);
        let below = Rect::from_min_max(pos2(left, rect.top() + height - 2.0), rect.max - vec2(6.0, MARGIN));
        let builder =
            UiBuilder::new().id_salt("failure").max_rect(below).layout(Layout::top_down(Align::Min));
        ui.scope_builder(builder, |ui| {
            ui.set_clip_rect(ui.clip_rect().intersect(below.expand(2.0)));
            ui.spacing_mut().item_spacing.y = 3.0;
            failure_ui(ui, job, failure, cells.view, actions);
        });
    }
    response.on_hover_cursor(CursorIcon::Default)
}

/// Draws the title of the jobs of one priority.
pub(super) fn lane_ui(ui: &mut Ui, rect: Rect, priority: Priority, count: usize) {
    let name = match priority {
        Priority::Urgent => "Urgent",
        Priority::Normal => "Normal",
        Priority::Low => "Low priority",
    };
    let builder = UiBuilder::new().max_rect(rect.shrink2(vec2(4.0, 0.0)));
    ui.scope_builder(builder.layout(Layout::left_to_right(Align::Center)), |ui| {
        let jobs = counted(count as u64, "job");
        ui.weak(RichText::new(format!("{name} · {jobs}")).small());
    });
    ui.painter().hline(rect.x_range(), rect.bottom(), (1.0, theme::tokens(ui).line));
}

/// Draws the line that stands for the ended jobs; `shows_ended` says whether they have rows of their own.
pub(super) fn ended_ui(
    ui: &mut Ui,
    rect: Rect,
    rows: &Rows,
    shows_ended: &mut bool,
    actions: &mut Vec<QueueAction>,
) {
    let count = |status| rows.ended.get(&status).copied().unwrap_or_default();
    let text = match (count(EndStatus::Done), count(EndStatus::Cancelled)) {
        (done, 0) => format!("Done {done}"),
        (done, cancelled) => format!("Done {done} · cancelled {cancelled}"),
    };
    let builder =
        UiBuilder::new().max_rect(rect.shrink2(vec2(4.0, 4.0))).layout(Layout::top_down(Align::Min));
    let draw = |ui: &mut Ui| {
        ui.weak(text);
        if ui.small_button("Show in gallery").clicked() {
            actions.push(QueueAction::ShowGallery);
        }
        let fold = if *shows_ended { "Hide" } else { "Show here" };
        if ui.small_button(fold).on_hover_text("Ended jobs one by one").clicked() {
            *shows_ended = !*shows_ended;
        }
        if ui.small_button("Clear ended").clicked() {
            actions.push(QueueAction::Command(QueueCommand::ClearEnded));
        }
    };
    ui.scope_builder(builder, |ui| ui.horizontal_wrapped(draw));
}
