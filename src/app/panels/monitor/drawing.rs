//! Draws the parts of one row.

use std::sync::Arc;

use eframe::egui::{Color32, Stroke};
use egui_plot::{
    Axis, Bar, BarChart, BoxElem, BoxPlot, BoxSpread, FilledArea, HLine, Line, LineStyle, PlotUi, Points,
    Span, VLine,
};

use super::plots::PlotFrame;
use super::rows::{MemoryScale, Row, rate_top};
use super::series::{highest, points};
use crate::app::theme::Tokens;
use crate::core::{Secs, Stage};
use crate::monitor::{
    DeviceMetric, HostMetric, JobTrack, Metric, Sample, StepSpan, StepStatistics, Thresholds, TimeRange,
    in_range,
};

/// The upper end of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Top {
    /// Value at the upper edge.
    pub(super) upper: f64,
    /// The machine's limit in bytes, if it is above the edge.
    pub(super) limit: Option<f64>,
}

impl From<f64> for Top {
    fn from(upper: f64) -> Self {
        Self { upper, limit: None }
    }
}

/// Metrics of a row of memory, all on the host or all on one device.
struct MemoryMetrics {
    weights: Metric,
    own: Metric,
    used: Metric,
    /// Memory of the machine or device, bytes.
    total: f64,
    thresholds: Thresholds,
}

/// Draws into one row.
pub(super) struct Drawing<'a> {
    pub(super) frame: &'a PlotFrame<'a>,
    pub(super) tokens: &'static Tokens,
    /// Width in points; more values than two for each are not drawn.
    pub(super) columns: usize,
}

impl<'a> Drawing<'a> {
    /// Draws `row` and returns its upper end.
    pub(super) fn row(&self, plot: &mut PlotUi<'_>, row: Row) -> Top {
        match row {
            Row::Cpu => self.cpu(plot),
            Row::Memory => self.host_memory(plot),
            Row::Swap => self.amount(plot, HostMetric::Swap.into(), f64::from(64 << 20)),
            Row::Disk => self.rates(plot, [HostMetric::DiskRead.into(), HostMetric::DiskWrite.into()]),
            Row::PageFaults => self.amount(plot, HostMetric::MajorFaults.into(), 10.0),
            Row::Steps => self.steps(plot),
            Row::DeviceUse(index) => self.percent(plot, Metric::Device(index, DeviceMetric::Use)),
            Row::DeviceMemory(index) => self.device_memory(plot, index),
            Row::DevicePower(index) => self.amount(plot, Metric::Device(index, DeviceMetric::Power), 1.0),
            Row::DeviceTemperature(index) => {
                self.amount(plot, Metric::Device(index, DeviceMetric::Temperature), 90.0)
            }
            Row::DeviceClocks(index) => self.rates_from(
                plot,
                [DeviceMetric::Clock, DeviceMetric::MemoryClock].map(|metric| Metric::Device(index, metric)),
                1.0,
            ),
            Row::DevicePcie(index) => self.rates(
                plot,
                [DeviceMetric::PcieReceive, DeviceMetric::PcieSend]
                    .map(|metric| Metric::Device(index, metric)),
            ),
        }
    }

    /// One line on a scale that reaches `least` at least.
    fn amount(&self, plot: &mut PlotUi<'_>, metric: Metric, least: f64) -> Top {
        self.line(plot, metric, self.tokens.plot_disk);
        rate_top(&[self.points(metric)], least).into()
    }

    fn samples(&self) -> &'a [Arc<Sample>] {
        let TimeRange { from, to } = self.frame.range;
        // one more on each side, so that lines reach the edges
        let wider = TimeRange { from: Secs(from.0 - 2.0), to: Secs(to.0 + 2.0) };
        in_range(&self.frame.view.snapshot.samples, wider)
    }

    fn points(&self, metric: Metric) -> Vec<[f64; 2]> {
        points(self.samples(), metric, self.columns, 1.0, &|at| at.0)
    }

    /// Numbers of the earlier job at the same place of the same stage.
    fn earlier(&self, metric: Metric) -> Vec<[f64; 2]> {
        let (Some(earlier), Some(map)) = (self.frame.view.overlay, &self.frame.earlier) else {
            return Vec::new();
        };
        points(&earlier.samples, metric, self.columns, 1.0, &|at| map.map(at).0)
    }

    fn line(&self, plot: &mut PlotUi<'_>, metric: Metric, colour: Color32) {
        plot.line(Line::new(metric.to_string(), self.points(metric)).color(colour).width(1.5));
        self.earlier_line(plot, metric);
    }

    fn earlier_line(&self, plot: &mut PlotUi<'_>, metric: Metric) {
        let earlier = self.earlier(metric);
        if !earlier.is_empty() {
            let line = Line::new(format!("{metric}, earlier job"), earlier).color(self.tokens.plot_earlier);
            plot.line(line.width(1.0).style(LineStyle::dashed_dense()));
        }
    }

    /// Stages behind the curves; steps are ticks.
    pub(super) fn bands(&self, plot: &mut PlotUi<'_>) {
        let range = self.frame.range;
        for job in self.frame.view.snapshot.jobs.iter() {
            for span in &job.stages {
                let ended = span.ended.unwrap_or(range.to);
                if ended < range.from || span.began > range.to {
                    continue;
                }
                let fill = self.tokens.stage_colour(span.stage).gamma_multiply(0.22);
                let border = Stroke::new(0.5, self.tokens.stage_colour(span.stage).gamma_multiply(0.5));
                plot.span(Span::new("", span.began.0..=ended.0).fill(fill).border(border));
            }
            for step in job.steps.iter().filter(|step| range.contains(step.ended)) {
                let colour = self.tokens.stage_colour(step.stage).gamma_multiply(0.5);
                plot.vline(VLine::new("", step.ended.0).color(colour).width(0.5).allow_hover(false));
            }
        }
    }

    /// The selected part.
    pub(super) fn marks(&self, plot: &mut PlotUi<'_>) {
        if let Some(selection) = self.frame.selection {
            let fill = self.tokens.accent.gamma_multiply(0.25);
            plot.span(Span::new("", selection.from.0..=selection.to.0).fill(fill));
        }
    }

    /// Values above the acceptable and above the maximum as bands; `whole` is 100 %.
    fn thresholds(&self, plot: &mut PlotUi<'_>, thresholds: Thresholds, whole: f64) {
        let at = |percent: f64| whole * percent / 100.0;
        let bands = [
            (thresholds.acceptable, thresholds.maximum, self.tokens.warning),
            (thresholds.maximum, 100.0, self.tokens.error),
        ];
        for (from, to, colour) in bands {
            let fill = colour.gamma_multiply(0.16);
            plot.span(Span::new("", at(from)..=at(to)).axis(Axis::Y).fill(fill).border_width(0.0));
        }
        let line = HLine::new("", at(thresholds.maximum)).color(self.tokens.error.gamma_multiply(0.7));
        plot.hline(line.width(1.0).style(LineStyle::dashed_dense()).allow_hover(false));
    }

    fn percent(&self, plot: &mut PlotUi<'_>, metric: Metric) -> Top {
        self.line(plot, metric, self.tokens.plot_line);
        105.0.into()
    }

    /// All cores together, over the span between the least and the most busy core.
    fn cpu(&self, plot: &mut PlotUi<'_>) -> Top {
        self.thresholds(plot, Thresholds::CPU, 100.0);
        let samples = self.samples();
        let chunk = samples.len().div_ceil(self.columns).max(1);
        let (mut at, mut low, mut high) = (Vec::new(), Vec::new(), Vec::new());
        for sample in samples.iter().step_by(chunk).filter(|sample| !sample.cores().is_empty()) {
            at.push(sample.at.0);
            low.push(f64::from(sample.cores().iter().copied().fold(100.0, f32::min)));
            high.push(f64::from(sample.cores().iter().copied().fold(0.0, f32::max)));
        }
        let fill = self.tokens.plot_line.gamma_multiply(0.18);
        area(plot, &at, [&low, &high], fill);
        self.percent(plot, HostMetric::Cpu.into())
    }

    fn host_memory(&self, plot: &mut PlotUi<'_>) -> Top {
        let metrics = MemoryMetrics {
            weights: HostMetric::Weights.into(),
            own: HostMetric::ProcessMemory.into(),
            used: HostMetric::UsedMemory.into(),
            total: self.frame.view.snapshot.machine.memory.0 as f64,
            thresholds: Thresholds::MEMORY,
        };
        self.memory(plot, &metrics)
    }

    fn device_memory(&self, plot: &mut PlotUi<'_>, index: usize) -> Top {
        let device = self.frame.view.snapshot.machine.devices.get(index);
        let metrics = MemoryMetrics {
            weights: Metric::Device(index, DeviceMetric::Weights),
            own: Metric::Device(index, DeviceMetric::ProcessMemory),
            used: Metric::Device(index, DeviceMetric::UsedMemory),
            total: device.map_or(0.0, |device| device.memory.0 as f64),
            thresholds: Thresholds::DEVICE_MEMORY,
        };
        self.memory(plot, &metrics)
    }

    /// Weights, working memory and other processes above each other, with the limit and the forecast.
    fn memory(&self, plot: &mut PlotUi<'_>, metrics: &MemoryMetrics) -> Top {
        let [weights, own, used] =
            [metrics.weights, metrics.own, metrics.used].map(|metric| self.points(metric));
        let is_host = metrics.used == HostMetric::UsedMemory.into();
        // a device that the program does not use has no part in the job
        let forecasts = if is_host || highest(&own) > 0.0 { self.forecasts(is_host) } else { Vec::new() };
        let scale = MemoryScale {
            own: highest(&own),
            used: highest(&used),
            forecast: forecasts.iter().map(|line| highest(line)).fold(0.0, f64::max),
            total: metrics.total,
        };
        let upper = scale.top();
        let at = |points: &[[f64; 2]]| points.iter().map(|point| point[0]).collect::<Vec<_>>();
        let values = |points: &[[f64; 2]]| points.iter().map(|point| point[1].min(upper)).collect::<Vec<_>>();
        let colour = self.tokens.plot_memory;
        for (points, strength) in [(&used, 0.22), (&own, 0.45), (&weights, 0.7)] {
            let zero = vec![0.0; points.len()];
            area(plot, &at(points), [&zero, &values(points)], colour.gamma_multiply(strength));
        }
        plot.line(Line::new("own", own).color(colour).width(1.5));
        self.earlier_line(plot, metrics.own);
        for line in forecasts {
            let line = Line::new("forecast", line).color(self.tokens.warning).width(1.5);
            plot.line(line.style(LineStyle::dotted_dense()));
        }
        if metrics.total > 0.0 {
            self.thresholds(plot, metrics.thresholds, metrics.total);
        }
        Top { upper, limit: (upper < metrics.total).then_some(metrics.total) }
    }

    /// What the preflight expected of each stage of the jobs that the host computes, or else a device, as a line over
    /// that stage.
    fn forecasts(&self, is_host: bool) -> Vec<Vec<[f64; 2]>> {
        let end = self.frame.range.to;
        let of_job = |job: &JobTrack| {
            let stage = |span: &crate::monitor::StageSpan| {
                let memory = job.forecast_of(span.stage)?.memory?.0 as f64;
                Some([[span.began.0, memory], [span.ended.unwrap_or(end).0, memory]])
            };
            let by_stage: Vec<_> = job.stages.iter().filter_map(stage).flatten().collect();
            if !by_stage.is_empty() {
                return Some(by_stage);
            }
            let memory = job.forecast?.0 as f64;
            Some(vec![[job.began.0, memory], [job.ended.unwrap_or(end).0, memory]])
        };
        let range = self.frame.range;
        let is_seen =
            |job: &&JobTrack| job.began <= range.to && job.ended.is_none_or(|ended| ended >= range.from);
        let seen = self.frame.view.snapshot.jobs.iter().filter(is_seen);
        seen.filter(|job| job.is_forecast_on_device() != is_host).filter_map(of_job).collect()
    }

    fn rates(&self, plot: &mut PlotUi<'_>, metrics: [Metric; 2]) -> Top {
        self.rates_from(plot, metrics, f64::from(1 << 20))
    }

    /// Two lines on a scale that reaches `least` at least.
    fn rates_from(&self, plot: &mut PlotUi<'_>, [first, second]: [Metric; 2], least: f64) -> Top {
        self.line(plot, first, self.tokens.plot_disk);
        self.line(plot, second, self.tokens.plot_line);
        rate_top(&[self.points(first), self.points(second)], least).into()
    }

    /// A bar for each step and a line over them, a box of all, and what earlier runs took behind them.
    fn steps(&self, plot: &mut PlotUi<'_>) -> Top {
        let Some(job) = self.frame.job else { return 1.0.into() };
        let Some(steps) = StepStatistics::of(job, &self.frame.view.snapshot.samples) else {
            return 1.0.into();
        };
        let column = self.frame.range.seconds().0 / self.columns as f64;
        let expected = self.expected(plot, job);
        let own: Vec<_> = job.steps.iter().filter(|step| is_denoising(step.stage)).collect();
        let bars = own.iter().map(|step| self.bar(step, &steps, 6.0 * column)).collect();
        plot.bar_chart(BarChart::new("steps", bars).allow_hover(false));
        let line: Vec<_> = own.iter().map(|step| [step.ended.0, step.seconds.0]).collect();
        plot.line(Line::new("step", line).color(self.tokens.strong.gamma_multiply(0.5)).width(1.0));
        let outliers: Vec<_> = own
            .iter()
            .filter(|step| steps.outliers.iter().any(|outlier| outlier.ended == step.ended))
            .map(|step| [step.ended.0, step.seconds.0])
            .collect();
        plot.points(Points::new("outliers", outliers).radius(3.5).color(self.tokens.warning));
        let spread = BoxSpread::new(
            steps.min.0,
            steps.lower_quartile.0,
            steps.median.0,
            steps.upper_quartile.0,
            steps.max.0,
        );
        let at = own.last().map_or(0.0, |step| step.ended.0) + 12.0 * column;
        let stroke = Stroke::new(1.0, self.tokens.strong.gamma_multiply(0.7));
        let element = BoxElem::new(at, spread).box_width(8.0 * column).whisker_width(5.0 * column);
        let element = element.stroke(stroke).fill(self.tokens.good.gamma_multiply(0.35));
        plot.box_plot(BoxPlot::new("all steps", vec![element]).allow_hover(false));
        (1.15 * steps.max.0.max(expected)).into()
    }

    /// The shortest to the longest step of earlier runs, over each stage; returns the highest.
    fn expected(&self, plot: &mut PlotUi<'_>, job: &JobTrack) -> f64 {
        let mut top: f64 = 0.0;
        for span in job.stages.iter().filter(|span| is_denoising(span.stage)) {
            let steps = job.steps.iter().find(|step| step.stage == span.stage).map(|step| f64::from(step.of));
            let range = job.forecast_of(span.stage).and_then(|forecast| forecast.seconds_range);
            let (Some(steps), Some([low, high])) = (steps, range) else { continue };
            let at = [span.began.0, span.ended.unwrap_or(self.frame.range.to).0];
            let (low, high) = (low.0 / steps.max(1.0), high.0 / steps.max(1.0));
            // one earlier run still makes a band that can be seen
            let (low, high) = (low.min(0.97 * high), high.max(1.03 * low));
            area(plot, &at, [&[low, low], &[high, high]], self.tokens.good.gamma_multiply(0.3));
            top = top.max(high);
        }
        top
    }

    fn bar(&self, step: &StepSpan, steps: &StepStatistics, width: f64) -> Bar {
        let outlier = steps.outliers.iter().any(|outlier| outlier.ended == step.ended);
        let fill = if outlier { self.tokens.warning } else { self.tokens.stage_colour(step.stage) };
        Bar::new(step.ended.0, step.seconds.0).width(width).fill(fill)
    }
}

fn is_denoising(stage: Stage) -> bool {
    matches!(stage, Stage::DenoiseHigh | Stage::DenoiseLow)
}

/// Fills the area between two lines.
fn area(plot: &mut PlotUi<'_>, at: &[f64], [low, high]: [&[f64]; 2], fill: Color32) {
    if at.len() >= 2 {
        plot.add(FilledArea::new("", at, low, high).fill_color(fill).allow_hover(false));
    }
}
