//! Rows of plots on a common time axis, with the stages in the background.

use eframe::egui::{
    self, Align2, FontId, Label, Rangef, RichText, Role, Sense, Ui, Vec2, WidgetInfo, pos2, vec2,
};
use egui_plot::{Plot, PlotPoint, PlotUi};

use super::cursor;
use super::drawing::Drawing;
use super::rows::{self, Row, step_text};
use super::series::nearest;
use super::side::short;
use super::time_axis::{LABELS, TimeAxis, labels_ui};
use super::view::MonitorView;
use crate::app::theme;
use crate::core::{Bytes, Secs};
use crate::monitor::{JobTrack, Metric, Slowdown, StageMap, StepStatistics, TimeRange, in_range};

/// Width of the names and numbers left of the plots.
const NAMES: f32 = 148.0;
/// Heights of one row: a line of text fits beside the lowest.
const ROW: Rangef = Rangef { min: 23.0, max: 110.0 };
/// Height from which on a second line fits.
const TWO_LINES: f32 = 36.0;
/// Height of a line of text.
const LINE: f32 = 16.0;
/// Height of the names of the stages above the rows.
const STAGES: f32 = 14.0;
/// Height of the strip and of the sentence below the rows.
const BELOW: f32 = 45.0;
/// Room between two rows.
const BETWEEN: f32 = 2.0;
/// Height of the strip that shows the causes of slowness, with its name.
const STRIP: f32 = 14.0;
/// Height of the coloured bar in it.
const BAR: f32 = 7.0;

/// What the rows draw.
pub(super) struct PlotFrame<'a> {
    pub(super) view: MonitorView<'a>,
    /// The job that the numbers are about.
    pub(super) job: Option<&'a JobTrack>,
    /// Maps times of the job that is laid over to times of `job`.
    pub(super) earlier: Option<StageMap>,
    pub(super) range: TimeRange,
    pub(super) selection: Option<TimeRange>,
    pub(super) cursor: Option<Secs>,
    /// Where the drag that goes on began.
    pub(super) drag_from: Option<Secs>,
    /// Available area.
    pub(super) height: f32,
}

/// A pointer action.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Drag {
    None,
    Over(TimeRange),
    Clicked(Secs),
    /// Show the part around this time, so many times as long.
    Zoomed(Secs, f64),
    /// Show the part that is so much later.
    Moved(Secs),
    /// Show the stage at this time alone, or all again.
    Focused(Secs),
}

/// Position and action of the pointer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Touched {
    pub(super) cursor: Option<Secs>,
    /// Where the drag that goes on began.
    pub(super) drag_from: Option<Secs>,
    pub(super) drag: Drag,
}

/// Draws all rows and the strip below them.
pub(super) fn ui(ui: &mut Ui, frame: &PlotFrame<'_>, slowdowns: &[Slowdown]) -> Touched {
    let mut touched = Touched { cursor: None, drag_from: None, drag: Drag::None };
    ui.spacing_mut().item_spacing.y = BETWEEN;
    let rows = Row::shown(frame.view.snapshot.machine.devices.len(), frame.view.rows);
    let height =
        ROW.clamp((frame.height - BELOW - STAGES - LABELS - BETWEEN) / rows.len().max(1) as f32 - BETWEEN);
    stages_ui(ui, frame);
    for row in rows {
        ui.horizontal(|ui| {
            names_ui(ui, frame, row, height);
            let now = row_ui(ui, frame, row, height);
            touched.cursor = touched.cursor.or(now.cursor);
            touched.drag_from = touched.drag_from.or(now.drag_from);
            if now.drag != Drag::None {
                touched.drag = now.drag;
            }
        });
    }
    labels_ui(ui, NAMES, frame.range, frame.job);
    strip_ui(ui, frame, slowdowns);
    if let Some(at) = touched.cursor {
        cursor::ui(ui, frame, at);
    }
    touched
}

/// The row's name, and its numbers under the pointer or at the end of the range.
fn names_ui(ui: &mut Ui, frame: &PlotFrame<'_>, row: Row, height: f32) {
    let samples = &frame.view.snapshot.samples;
    let sample = match frame.cursor {
        Some(at) => nearest(samples, at),
        None => in_range(samples, frame.range).last().map(AsRef::as_ref),
    };
    let lines = if height < TWO_LINES { 1 } else { 2 };
    let layout = egui::Layout::top_down(egui::Align::Min);
    ui.allocate_ui_with_layout(vec2(NAMES, height), layout, |ui| {
        ui.set_min_size(vec2(NAMES, height));
        ui.spacing_mut().item_spacing.y = 0.0;
        ui.add_space((0.5 * (height - LINE * lines as f32)).max(0.0));
        if row == Row::Steps {
            steps_name_ui(ui, frame, lines);
            return;
        }
        let known = |metric: &Metric| sample.and_then(|sample| sample.get(*metric));
        for (index, metric) in row.metrics().into_iter().take(lines).enumerate() {
            let value = known(&metric);
            if value.is_none() && index > 0 {
                continue;
            }
            let text = RichText::new(rows::label(row, metric, value));
            ui.add(Label::new(if index == 0 { text } else { text.weak().small() }).truncate());
        }
    });
}

fn steps_name_ui(ui: &mut Ui, frame: &PlotFrame<'_>, lines: usize) {
    let steps = frame.job.and_then(|job| StepStatistics::of(job, &frame.view.snapshot.samples));
    let Some(steps) = steps else {
        ui.add(Label::new("Steps: none yet").truncate());
        return;
    };
    ui.add(Label::new(format!("Step {}", step_text(steps.median))).truncate())
        .on_hover_text("The median of all steps");
    if lines > 1 {
        let range = format!("{} to {}", step_text(steps.min), step_text(steps.max));
        ui.add(Label::new(RichText::new(range).weak().small()).truncate());
    }
}

fn row_ui(ui: &mut Ui, frame: &PlotFrame<'_>, row: Row, height: f32) -> Touched {
    let group = egui::Id::unique("monitor rows");
    let columns = ui.available_width().max(1.0) as usize;
    let tokens = theme::tokens(ui);
    let bounds = (frame.range.from.0, frame.range.to.0);
    let plot = Plot::new(("monitor row", format!("{row:?}")))
        .height(height)
        .show_axes(false)
        .show_grid(false)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_double_click_reset(false)
        .link_cursor(group, [true, false])
        .show_crosshair(true)
        .show_x(false)
        .show_y(false)
        .label_formatter(|_| None)
        .set_margin_fraction(Vec2::ZERO)
        .sense(Sense::click_and_drag());
    let shown = plot.show(ui, |plot| {
        let drawing = Drawing { frame, tokens, columns };
        drawing.bands(plot);
        let top = drawing.row(plot, row);
        drawing.marks(plot);
        plot.set_plot_bounds_x(bounds.0..=bounds.1);
        plot.set_plot_bounds_y(0.0..=top.upper.max(f64::EPSILON));
        (touched_by(plot, frame.drag_from), top)
    });
    let (touched, top) = shown.inner;
    if let Some(limit) = top.limit {
        // the machine's limit is above the row: it is said where its line would be
        let area = shown.response.rect;
        let font = FontId::proportional(10.0);
        let text = format!("{} of {}", Bytes(top.upper as u64), Bytes(limit as u64));
        let at = pos2(area.right() - 4.0, area.top() + 1.0);
        ui.painter().text(at, Align2::RIGHT_TOP, text, font, ui.visuals().weak_text_color());
    }
    touched
}

fn touched_by(plot: &PlotUi<'_>, drag_from: Option<Secs>) -> Touched {
    let response = plot.response();
    let at = plot.pointer_coordinate().map(|point: PlotPoint| Secs(point.x));
    let origin = plot.ctx().input(|input| input.pointer.press_origin());
    let origin = origin.map(|position| Secs(plot.plot_from_screen(position).x));
    // the frame of the release has no origin any more, but the last place of the pointer
    let from = origin.or(drag_from);
    let is_dragged = response.dragged() || response.drag_stopped();
    let drag = match (at, from) {
        (Some(at), Some(from)) if is_dragged => Drag::Over(TimeRange::between(from, at)),
        (Some(at), _) if response.double_clicked() => Drag::Focused(at),
        (Some(at), _) if response.clicked() => Drag::Clicked(at),
        (Some(at), _) if response.hovered() => wheel(plot, at),
        _ => Drag::None,
    };
    let drag_from = from.filter(|_| response.dragged());
    Touched { cursor: at.filter(|_| response.hovered()), drag_from, drag }
}

/// What the wheel does: with Ctrl it zooms, sideways it moves.
fn wheel(plot: &PlotUi<'_>, at: Secs) -> Drag {
    let (zoom, aside) = plot.ctx().input(|input| (input.zoom_delta(), input.smooth_scroll_delta().x));
    let (left, right) = (plot.plot_bounds().min()[0], plot.plot_bounds().max()[0]);
    let width = f64::from(plot.response().rect.width().max(1.0));
    if (zoom - 1.0).abs() > 1e-3 {
        Drag::Zoomed(at, 1.0 / f64::from(zoom))
    } else if aside.abs() > 0.5 {
        Drag::Moved(Secs(-f64::from(aside) * (right - left) / width))
    } else {
        Drag::None
    }
}

/// The names of the stages above their bands, where they fit.
fn stages_ui(ui: &mut Ui, frame: &PlotFrame<'_>) {
    let (area, _) = ui.allocate_exact_size(vec2(ui.available_width(), STAGES), Sense::hover());
    let axis = TimeAxis::new(ui, area, NAMES, frame.range);
    let font = FontId::proportional(11.0);
    for job in frame.view.snapshot.jobs.iter() {
        for span in &job.stages {
            let (from, to) = (axis.x(span.began), axis.x(span.ended.unwrap_or(frame.range.to)));
            let colour = ui.visuals().text_color();
            let text = ui.painter().layout_no_wrap(
                short(span.stage, job.has_two_experts()).to_owned(),
                font.clone(),
                colour,
            );
            if text.size().x + 4.0 <= to - from {
                ui.painter().galley(pos2(from + 2.0, area.top() - 2.0), text, colour);
            }
            let line = egui::Rect::from_min_max(pos2(from, area.bottom() - 2.0), pos2(to, area.bottom()));
            ui.painter().rect_filled(line, 0.0, theme::stage_colour(ui, span.stage));
        }
    }
}

/// Causes of slowness as colours on the time axis, with the name of the strip beside it; the sentence below says the
/// same about the whole job.
fn strip_ui(ui: &mut Ui, frame: &PlotFrame<'_>, slowdowns: &[Slowdown]) {
    let (area, response) = ui.allocate_exact_size(vec2(ui.available_width(), STRIP), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Why slow"));
    let tokens = theme::tokens(ui);
    let axis = TimeAxis::new(ui, area, NAMES, frame.range);
    let name = if frame.job.is_some() { "Why slow" } else { "Why slow: no job" };
    let at = pos2(area.left(), area.center().y);
    ui.painter().text(at, Align2::LEFT_CENTER, name, FontId::proportional(11.0), ui.visuals().text_color());
    let middle = area.center().y;
    let bar = |from: f32, to: f32| {
        egui::Rect::from_min_max(pos2(from, middle - 0.5 * BAR), pos2(to, middle + 0.5 * BAR))
    };
    ui.painter().rect_filled(bar(axis.left, axis.right), 1.0, tokens.line);
    let ran = frame.job.map(|job| (job.began, job.ended.unwrap_or(frame.range.to)));
    let free = ran.map(|(began, ended)| (axis.x(began), axis.x(ended)));
    if let Some((from, to)) = free.filter(|(from, to)| to > from) {
        ui.painter().rect_filled(bar(from, to), 1.0, tokens.good.gamma_multiply(0.6));
    }
    for slowdown in slowdowns {
        let (from, to) = (axis.x(slowdown.range.from), axis.x(slowdown.range.to));
        if to > from {
            ui.painter().rect_filled(bar(from, to), 1.0, tokens.warning);
        }
    }
    if let Some(pointer) = response.hover_pos().filter(|pointer| pointer.x >= axis.left) {
        response.on_hover_text(strip_text(axis.at(pointer.x), ran, slowdowns));
    }
}

/// What the strip shows at a time.
fn strip_text(at: Secs, ran: Option<(Secs, Secs)>, slowdowns: &[Slowdown]) -> String {
    if ran.is_none_or(|(began, ended)| at < began || at > ended) {
        return "No job ran here".to_owned();
    }
    let here = slowdowns.iter().find(|slowdown| slowdown.range.contains(at));
    here.map_or_else(
        || "Nothing slows the job here".to_owned(),
        |slowdown| format!("Slowed by {}", slowdown.cause),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::SlowCause;

    #[test]
    fn the_strip_says_what_its_colours_mean() {
        let range = TimeRange { from: Secs(2.0), to: Secs(3.0) };
        let slowdowns = [Slowdown { cause: SlowCause::Disk, range }];
        let text = |at| strip_text(Secs(at), Some((Secs(1.0), Secs(4.0))), &slowdowns);
        assert_eq!(text(2.5), "Slowed by reading weights from disk");
        assert_eq!(text(3.5), "Nothing slows the job here");
        assert_eq!(text(4.5), "No job ran here");
        assert_eq!(strip_text(Secs(2.5), None, &slowdowns), "No job ran here");
    }
}
