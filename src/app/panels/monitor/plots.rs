//! Rows of plots on a common time axis, with the stages in the background.

use eframe::egui::{self, Align2, Color32, FontId, Label, Rangef, RichText, Sense, Ui, Vec2, pos2, vec2};
use egui_plot::{Bar, BarChart, FilledArea, HLine, Line, LineStyle, Plot, PlotPoint, PlotUi, Span, VLine};

use super::series::{nearest, points};
use super::view::MonitorView;
use crate::app::theme;
use crate::core::{Secs, Stage};
use crate::monitor::{
    DeviceMetric, HostMetric, JobTrack, Metric, Sample, Slowdown, StageMap, StepStatistics, Thresholds,
    TimeRange, in_range,
};

/// Width of the labels and values to the left of the plots.
const NAMES: f32 = 120.0;
/// Minimum and maximum height of a row; two lines of values fit beside the smallest.
const ROW: Rangef = Rangef { min: 40.0, max: 90.0 };
/// Height of the controls above and below the rows.
const AROUND: f32 = 72.0;
/// Space between two rows.
const BETWEEN: f32 = 2.0;
/// Height of the strip that shows the causes of slowness.
const STRIP: f32 = 7.0;
const GIBIBYTE: f64 = 1073741824.0;
const MEBIBYTE: f64 = 1048576.0;

/// What the rows draw.
pub(super) struct PlotFrame<'a> {
    pub(super) view: MonitorView<'a>,
    pub(super) range: TimeRange,
    pub(super) selection: Option<TimeRange>,
    pub(super) cursor: Option<Secs>,
    /// Available area.
    pub(super) height: f32,
}

/// A pointer action.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Drag {
    None,
    Over(TimeRange),
    Clicked(Secs),
}

/// Position and action of the pointer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Touched {
    pub(super) cursor: Option<Secs>,
    pub(super) drag: Drag,
}

/// One plot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    Cpu,
    Memory,
    Disk,
    Steps,
    DeviceUse(usize),
    DeviceMemory(usize),
    DevicePower(usize),
}

impl Row {
    fn all(devices: usize) -> Vec<Self> {
        let of_device = |index| [Self::DeviceUse(index), Self::DeviceMemory(index), Self::DevicePower(index)];
        let devices = (0..devices).flat_map(of_device);
        [Self::Cpu, Self::Memory].into_iter().chain(devices).chain([Self::Disk, Self::Steps]).collect()
    }

    /// The metrics whose values are shown beside the plot.
    fn metrics(self) -> Vec<Metric> {
        match self {
            Self::Cpu => vec![HostMetric::Cpu.into()],
            Self::Memory => vec![HostMetric::ProcessMemory.into(), HostMetric::UsedMemory.into()],
            Self::Disk => vec![HostMetric::DiskRead.into(), HostMetric::DiskWrite.into()],
            Self::Steps => Vec::new(),
            Self::DeviceUse(index) => vec![Metric::Device(index, DeviceMetric::Use)],
            Self::DeviceMemory(index) => vec![Metric::Device(index, DeviceMetric::UsedMemory)],
            Self::DevicePower(index) => {
                vec![
                    Metric::Device(index, DeviceMetric::Power),
                    Metric::Device(index, DeviceMetric::Temperature),
                ]
            }
        }
    }
}

/// Draws all rows and the strip below them.
pub(super) fn ui(ui: &mut Ui, frame: &PlotFrame<'_>, slowdowns: &[Slowdown]) -> Touched {
    let mut touched = Touched { cursor: None, drag: Drag::None };
    if let Some(reason) = &frame.view.snapshot.machine.no_device {
        ui.add(Label::new(RichText::new(reason).weak().small()).truncate());
    }
    ui.spacing_mut().item_spacing.y = BETWEEN;
    let rows = Row::all(frame.view.snapshot.machine.devices.len());
    let height = ROW.clamp((frame.height - AROUND) / rows.len() as f32 - BETWEEN);
    for (index, row) in rows.into_iter().enumerate() {
        ui.horizontal(|ui| {
            names_ui(ui, frame, row, height);
            let now = row_ui(ui, frame, row, height, index == 0);
            touched.cursor = touched.cursor.or(now.cursor);
            if now.drag != Drag::None {
                touched.drag = now.drag;
            }
        });
    }
    strip_ui(ui, frame.range, slowdowns);
    cursor_ui(ui, frame);
    touched
}

/// The row's label, and its values at the pointer or now.
fn names_ui(ui: &mut Ui, frame: &PlotFrame<'_>, row: Row, height: f32) {
    let samples = &frame.view.snapshot.samples;
    let sample = match frame.cursor {
        Some(at) => nearest(samples, at),
        None => in_range(samples, frame.range).last().map(AsRef::as_ref),
    };
    let layout = egui::Layout::top_down(egui::Align::Min);
    ui.allocate_ui_with_layout(vec2(NAMES, height), layout, |ui| {
        ui.set_min_size(vec2(NAMES, height));
        if row == Row::Steps {
            let job = frame.view.snapshot.jobs.last();
            let steps = job.and_then(|job| StepStatistics::of(job, samples));
            ui.label("Seconds per step");
            ui.weak(
                steps.map_or_else(|| "no step yet".to_owned(), |steps| format!("median {}", steps.median)),
            );
            return;
        }
        for metric in row.metrics() {
            let value = sample.and_then(|sample| sample.get(metric));
            let value = value.map_or_else(|| "not measured".to_owned(), |value| metric.format(value));
            ui.add(Label::new(format!("{metric} {value}")).truncate());
        }
    });
}

fn row_ui(ui: &mut Ui, frame: &PlotFrame<'_>, row: Row, height: f32, first: bool) -> Touched {
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
    plot.show(ui, |plot| {
        let drawing = Drawing { frame, tokens, columns };
        drawing.bands(plot, first);
        let top = match row {
            Row::Cpu => drawing.cpu(plot),
            Row::Memory => drawing.memory(plot),
            Row::Disk => drawing.disk(plot),
            Row::Steps => drawing.steps(plot),
            Row::DeviceUse(index) => drawing.percent(plot, Metric::Device(index, DeviceMetric::Use)),
            Row::DeviceMemory(index) => drawing.device_memory(plot, index),
            Row::DevicePower(index) => drawing.device_power(plot, index),
        };
        drawing.marks(plot);
        plot.set_plot_bounds_x(bounds.0..=bounds.1);
        plot.set_plot_bounds_y(0.0..=top.max(f64::EPSILON));
        touched_by(plot)
    })
    .inner
}

fn touched_by(plot: &PlotUi<'_>) -> Touched {
    let response = plot.response();
    let at = plot.pointer_coordinate().map(|point: PlotPoint| Secs(point.x));
    let origin = plot.ctx().input(|input| input.pointer.press_origin());
    let origin = origin.map(|position| Secs(plot.plot_from_screen(position).x));
    let drag = match (at, origin) {
        (Some(at), Some(from)) if response.dragged() => Drag::Over(TimeRange::between(from, at)),
        (Some(at), _) if response.clicked() => Drag::Clicked(at),
        _ => Drag::None,
    };
    Touched { cursor: at.filter(|_| response.hovered()), drag }
}

/// Draws the plot elements of one row.
struct Drawing<'a> {
    frame: &'a PlotFrame<'a>,
    tokens: &'static theme::Tokens,
    columns: usize,
}

impl<'a> Drawing<'a> {
    fn samples(&self) -> &'a [std::sync::Arc<Sample>] {
        let TimeRange { from, to } = self.frame.range;
        // one more sample on each side, so that lines reach the edges
        let wider = TimeRange { from: Secs(from.0 - 2.0), to: Secs(to.0 + 2.0) };
        in_range(&self.frame.view.snapshot.samples, wider)
    }

    fn points(&self, metric: Metric, scale: f64) -> Vec<[f64; 2]> {
        points(self.samples(), metric, self.columns, scale, &|at| at.0)
    }

    /// Values of the compared job at the same position of the same stage.
    fn earlier(&self, metric: Metric, scale: f64) -> Vec<[f64; 2]> {
        let (Some(earlier), Some(job)) = (self.frame.view.overlay, self.frame.view.snapshot.jobs.last())
        else {
            return Vec::new();
        };
        let map = StageMap::between(&earlier.track, job);
        points(&earlier.samples, metric, self.columns, scale, &|at| map.map(at).0)
    }

    fn line(&self, plot: &mut PlotUi<'_>, metric: Metric, scale: f64, colour: Color32) {
        plot.line(Line::new(metric.to_string(), self.points(metric, scale)).color(colour).width(1.5));
        let earlier = self.earlier(metric, scale);
        if !earlier.is_empty() {
            let name = format!("{metric}, earlier job");
            let style = LineStyle::dashed_dense();
            plot.line(Line::new(name, earlier).color(self.tokens.plot_earlier).width(1.0).style(style));
        }
    }

    /// Stages behind the curves; the first row names them.
    fn bands(&self, plot: &mut PlotUi<'_>, named: bool) {
        let range = self.frame.range;
        for job in self.frame.view.snapshot.jobs.iter() {
            for span in &job.stages {
                let ended = span.ended.unwrap_or(range.to);
                if ended < range.from || span.began > range.to {
                    continue;
                }
                let fill = self.tokens.stage_colour(span.stage).gamma_multiply(0.22);
                let name = if named { short(span.stage) } else { "" };
                plot.span(Span::new(name, span.began.0..=ended.0).fill(fill).label_align(Align2::LEFT_TOP));
            }
            let ticks = job.steps.iter().filter(|step| range.contains(step.ended));
            for step in ticks {
                let colour = self.tokens.stage_colour(step.stage).gamma_multiply(0.5);
                plot.vline(VLine::new("", step.ended.0).color(colour).width(0.5));
            }
        }
    }

    fn marks(&self, plot: &mut PlotUi<'_>) {
        if let Some(selection) = self.frame.selection {
            let fill = self.tokens.accent.gamma_multiply(0.25);
            plot.span(Span::new("", selection.from.0..=selection.to.0).fill(fill));
        }
    }

    fn limit(&self, plot: &mut PlotUi<'_>, at: f64) {
        let line = HLine::new("", at).color(self.tokens.error.gamma_multiply(0.7)).width(1.0);
        plot.hline(line.style(LineStyle::dashed_dense()).allow_hover(false));
    }

    fn percent(&self, plot: &mut PlotUi<'_>, metric: Metric) -> f64 {
        self.line(plot, metric, 1.0, self.tokens.plot_line);
        105.0
    }

    fn cpu(&self, plot: &mut PlotUi<'_>) -> f64 {
        self.limit(plot, Thresholds::CPU.maximum);
        self.percent(plot, HostMetric::Cpu.into())
    }

    /// Memory of this process and of all processes, with the limit and the estimate.
    fn memory(&self, plot: &mut PlotUi<'_>) -> f64 {
        let snapshot = self.frame.view.snapshot;
        let total = snapshot.machine.memory.0 as f64 / GIBIBYTE;
        self.stacked(plot, [HostMetric::ProcessMemory.into(), HostMetric::UsedMemory.into()]);
        self.limit(plot, total * Thresholds::MEMORY.maximum / 100.0);
        let earlier = self.earlier(HostMetric::ProcessMemory.into(), 1.0 / GIBIBYTE);
        plot.line(
            Line::new("earlier job", earlier)
                .color(self.tokens.plot_earlier)
                .style(LineStyle::dashed_dense()),
        );
        for job in snapshot.jobs.iter() {
            let Some(forecast) = job.forecast else { continue };
            let height = forecast.0 as f64 / GIBIBYTE;
            let ended = job.ended.unwrap_or(self.frame.range.to);
            let line = Line::new("forecast", vec![[job.began.0, height], [ended.0, height]]);
            plot.line(line.color(self.tokens.warning).style(LineStyle::dotted_dense()));
        }
        total
    }

    fn device_memory(&self, plot: &mut PlotUi<'_>, index: usize) -> f64 {
        let metrics = [DeviceMetric::ProcessMemory, DeviceMetric::UsedMemory];
        self.stacked(plot, metrics.map(|metric| Metric::Device(index, metric)));
        let device = self.frame.view.snapshot.machine.devices.get(index);
        let total = device.map_or(1.0, |device| device.memory.0 as f64 / GIBIBYTE);
        self.limit(plot, total * Thresholds::DEVICE_MEMORY.maximum / 100.0);
        total
    }

    fn device_power(&self, plot: &mut PlotUi<'_>, index: usize) -> f64 {
        let power = Metric::Device(index, DeviceMetric::Power);
        self.line(plot, power, 1.0, self.tokens.plot_disk);
        1.1 * highest(&self.points(power, 1.0)).max(1.0)
    }

    /// Areas: this process from zero, other processes above it.
    fn stacked(&self, plot: &mut PlotUi<'_>, [own, used]: [Metric; 2]) {
        let own = self.points(own, 1.0 / GIBIBYTE);
        let used = self.points(used, 1.0 / GIBIBYTE);
        for (name, points, strength) in [("used", &used, 0.35), ("own", &own, 0.8)] {
            if points.len() < 2 {
                continue;
            }
            let xs: Vec<_> = points.iter().map(|point| point[0]).collect();
            let ys: Vec<_> = points.iter().map(|point| point[1]).collect();
            let fill = self.tokens.plot_memory.gamma_multiply(strength);
            plot.add(
                FilledArea::new(name, &xs, &vec![0.0; xs.len()], &ys).fill_color(fill).allow_hover(false),
            );
        }
    }

    fn disk(&self, plot: &mut PlotUi<'_>) -> f64 {
        let read = HostMetric::DiskRead.into();
        self.line(plot, read, 1.0 / MEBIBYTE, self.tokens.plot_disk);
        let write = HostMetric::DiskWrite.into();
        self.line(plot, write, 1.0 / MEBIBYTE, self.tokens.plot_line);
        let top = [read, write].map(|metric| highest(&self.points(metric, 1.0 / MEBIBYTE)));
        1.1 * top[0].max(top[1]).max(1.0)
    }

    /// A bar at the end of each step, and a band from the first to the third quartile of all steps.
    fn steps(&self, plot: &mut PlotUi<'_>) -> f64 {
        let Some(job) = self.frame.view.snapshot.jobs.last() else { return 1.0 };
        let Some(steps) = StepStatistics::of(job, &self.frame.view.snapshot.samples) else { return 1.0 };
        let usual = steps.lower_quartile.0..=steps.upper_quartile.0;
        let fill = self.tokens.good.gamma_multiply(0.18);
        plot.span(Span::new("", usual).axis(egui_plot::Axis::Y).fill(fill));
        let width = (self.frame.range.seconds().0 / self.columns as f64) * 6.0;
        plot.bar_chart(BarChart::new("steps", self.bars(job, &steps, width)).allow_hover(false));
        1.15 * steps.max.0
    }

    fn bars(&self, job: &JobTrack, steps: &StepStatistics, width: f64) -> Vec<Bar> {
        let denoises = |stage| matches!(stage, Stage::DenoiseHigh | Stage::DenoiseLow);
        let bar = |step: &crate::monitor::StepSpan| {
            let outlier = steps.outliers.iter().any(|outlier| outlier.ended == step.ended);
            let fill = if outlier { self.tokens.warning } else { self.tokens.stage_colour(step.stage) };
            Bar::new(step.ended.0, step.seconds.0).width(width).fill(fill)
        };
        job.steps.iter().filter(|step| denoises(step.stage)).map(bar).collect()
    }
}

fn highest(points: &[[f64; 2]]) -> f64 {
    points.iter().map(|point| point[1]).fold(0.0, f64::max)
}

/// The short name of a stage.
pub(super) fn short(stage: Stage) -> &'static str {
    match stage {
        Stage::Preflight => "preflight",
        Stage::Prepare => "load",
        Stage::Text => "text",
        Stage::Image => "image",
        Stage::DenoiseHigh => "high noise",
        Stage::DenoiseLow => "low noise",
        Stage::Decode => "decode",
        Stage::PostProcess => "write",
    }
}

/// Causes of slowness as colours on the time axis; the sentence below says the same.
fn strip_ui(ui: &mut Ui, range: TimeRange, slowdowns: &[Slowdown]) {
    let (area, _) = ui.allocate_exact_size(vec2(ui.available_width(), STRIP), Sense::hover());
    let tokens = theme::tokens(ui);
    let left = area.left() + NAMES + ui.spacing().item_spacing.x;
    let at = |seconds: Secs| {
        let part = (seconds.0 - range.from.0) / range.seconds().0.max(f64::EPSILON);
        left + (area.right() - left) * part.clamp(0.0, 1.0) as f32
    };
    let bar = |from: f32, to: f32| egui::Rect::from_min_max(pos2(from, area.top()), pos2(to, area.bottom()));
    ui.painter().rect_filled(bar(left, area.right()), 1.0, tokens.good.gamma_multiply(0.6));
    for slowdown in slowdowns {
        let (from, to) = (at(slowdown.range.from), at(slowdown.range.to));
        if to > from {
            ui.painter().rect_filled(bar(from, to), 1.0, tokens.warning);
        }
    }
    let (font, colour) = (FontId::proportional(10.0), ui.visuals().weak_text_color());
    ui.painter().text(area.left_center(), Align2::LEFT_CENTER, "held up", font, colour);
}

/// One line with the stage and time at the pointer; always present, so that nothing moves.
fn cursor_ui(ui: &mut Ui, frame: &PlotFrame<'_>) {
    let text = frame.cursor.map_or_else(
        || "Drag over a part or click a stage for its numbers".to_owned(),
        |at| {
            let snapshot = frame.view.snapshot;
            let job = snapshot.jobs.iter().rev().find(|job| job.stage_at(at).is_some());
            let since = Secs(at.0 - job.map_or(frame.range.from.0, |job| job.began.0));
            let stage = job.and_then(|job| job.stage_at(at)).map(|span| format!(" · {}", span.stage));
            let step = job
                .and_then(|job| job.step_at(at))
                .map(|step| format!(", step {} of {}", step.step, step.of));
            format!("{since}{}{}", stage.unwrap_or_default(), step.unwrap_or_default())
        },
    );
    ui.add(Label::new(RichText::new(text).weak()).truncate());
}
