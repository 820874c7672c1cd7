//! The side table: statistics of the selection, slow steps and recommendations.

use eframe::egui::{Grid, Label, RichText, Ui};

use super::differences;
use super::panel::{MonitorPanel, RangeChoice};
use super::rows::step_text;
use super::stages::stages_ui;
use super::view::{MonitorAction, MonitorView, NOTHING_MEASURED};
use crate::app::theme;
use crate::core::{Secs, Stage};
use crate::monitor::{
    DeviceMetric, HostMetric, JobTrack, Metric, MetricSummary, MonitorSnapshot, RangeTotals, StepStatistics,
    TimeRange, in_range,
};

/// Maximum number of listed steps.
const OUTLIERS: usize = 3;

pub(super) fn ui(
    ui: &mut Ui,
    panel: &mut MonitorPanel,
    view: MonitorView<'_>,
    actions: &mut Vec<MonitorAction>,
) {
    let snapshot = view.snapshot;
    let range = panel.measured(snapshot);
    ui.horizontal(|ui| {
        ui.strong(heading(panel, snapshot, range));
        if panel.is_reset() {
            if ui.small_button("Whole range").on_hover_text("Count all samples of the range again").clicked()
            {
                panel.count_all();
            }
        } else if panel.selection.is_none()
            && ui
                .small_button("Reset")
                .on_hover_text("Count minimum, average and maximum from now on")
                .clicked()
        {
            panel.reset(snapshot);
        }
    });
    let totals = RangeTotals::of(&snapshot.samples, range);
    ui.add(Label::new(RichText::new(totals_text(&totals, view)).weak()).wrap());
    if in_range(&snapshot.samples, range).is_empty() {
        ui.add(Label::new(RichText::new(NOTHING_MEASURED).weak()).wrap());
    }
    table_ui(ui, snapshot, range);
    let job = panel.job(snapshot);
    if let Some((earlier, job)) = view.overlay.zip(job) {
        differences::ui(ui, snapshot, job, earlier);
    }
    if let Some(job) = job {
        steps_ui(ui, snapshot, job);
        let clicked = stages_ui(ui, job, &panel.analysed().stages, view, actions);
        panel.selection = clicked.or(panel.selection);
    }
    // their buttons are in the list below the plots, which does not change while it is open
    for advice in panel.analysed().diagnosis.iter().flat_map(|found| &found.recommendations) {
        ui.separator();
        ui.add(Label::new(&advice.text).wrap());
    }
}

fn heading(panel: &MonitorPanel, snapshot: &MonitorSnapshot, range: TimeRange) -> String {
    if panel.is_reset() {
        return format!("Since reset, {}", range.seconds());
    }
    match panel.selection {
        Some(range) => title(snapshot, range),
        None if panel.range == RangeChoice::Job && snapshot.jobs.is_empty() => {
            "No job yet: the last minute".to_owned()
        }
        None if panel.is_zoomed() => format!("Zoomed, {}", range.seconds()),
        None => panel.range.text().to_owned(),
    }
}

/// What a selected part is: a step, a stage, or a length of time.
fn title(snapshot: &MonitorSnapshot, range: TimeRange) -> String {
    let middle = Secs(f64::midpoint(range.from.0, range.to.0));
    let job = snapshot.jobs.iter().rev().find(|job| job.stage_at(middle).is_some());
    let same = |a: Secs, b: Secs| (a.0 - b.0).abs() < 1e-3;
    let step = job.and_then(|job| job.step_at(middle));
    if let Some(step) = step.filter(|step| same(step.ended, range.to)) {
        let name = step.stage.name(job.is_some_and(JobTrack::has_two_experts));
        return format!("{name}, step {} of {}", step.step, step.of);
    }
    let span = job.and_then(|job| job.stage_at(middle));
    match span {
        Some(span) if same(span.began, range.from) => {
            span.stage.name(job.is_some_and(JobTrack::has_two_experts)).to_owned()
        }
        _ => format!("Selected {}", range.seconds()),
    }
}

/// For instance "54 s · 2.9 kJ (0.81 Wh) · 0.3 GiB read · CPU 96 % · peak 17.2 GiB".
pub(super) fn totals_text(totals: &RangeTotals, view: MonitorView<'_>) -> String {
    let mut words = vec![totals.seconds.to_string(), totals.energy.to_string()];
    words.extend(view.price.and_then(|price| price.text(totals.energy)));
    words.extend(totals.read.map(|read| format!("{read} read")));
    words.extend(totals.written.map(|written| format!("{written} written")));
    words.extend(totals.moved.map(|moved| format!("{moved} over PCIe")));
    words.extend(totals.mean_cpu.map(|percent| format!("CPU {percent:.0} %")));
    words.extend(totals.mean_device.map(|percent| format!("GPU {percent:.0} %")));
    words.extend(totals.peak_memory.map(|peak| format!("peak {peak}")));
    words.extend(totals.peak_device_memory.map(|peak| format!("peak VRAM {peak}")));
    words.join(" · ")
}

fn table_ui(ui: &mut Ui, snapshot: &MonitorSnapshot, range: TimeRange) {
    let part = in_range(&snapshot.samples, range);
    let host = [
        HostMetric::Cpu,
        HostMetric::ProcessMemory,
        HostMetric::Swap,
        HostMetric::SwapTraffic,
        HostMetric::DiskRead,
        HostMetric::MajorFaults,
        HostMetric::CpuPower,
    ];
    let devices = (0..snapshot.machine.devices.len()).flat_map(|index| {
        [
            DeviceMetric::Use,
            DeviceMetric::TensorUse,
            DeviceMetric::UsedMemory,
            DeviceMetric::BandwidthUse,
            DeviceMetric::Power,
            DeviceMetric::Temperature,
            DeviceMetric::Clock,
            DeviceMetric::PcieReceive,
            DeviceMetric::PcieSend,
        ]
        .map(|metric| Metric::Device(index, metric))
    });
    Grid::new("monitor table").num_columns(6).striped(true).spacing([8.0, 3.0]).show(ui, |ui| {
        ui.label("");
        for name in ["now", "min", "avg", "p95", "max"] {
            ui.weak(name);
        }
        ui.end_row();
        for metric in host.into_iter().map(Metric::from).chain(devices) {
            let Some(summary) = MetricSummary::of(part, metric) else { continue };
            if is_only_worth_a_row_if_used(metric) && summary.max <= 0.0 {
                continue;
            }
            row_ui(ui, &metric.to_string(), summary, &|value| metric.format(value));
        }
        let steps = snapshot.jobs.iter().flat_map(|job| &job.steps);
        let denoises = |stage| matches!(stage, Stage::DenoiseHigh | Stage::DenoiseLow);
        let steps = steps.filter(|step| denoises(step.stage) && range.contains(step.ended));
        if let Some(summary) = MetricSummary::of_values(steps.map(|step| step.seconds.0).collect()) {
            row_ui(ui, "Step", summary, &|value| step_text(Secs(value)));
        }
    });
}

/// Whether a metric says nothing while it is 0.
fn is_only_worth_a_row_if_used(metric: Metric) -> bool {
    matches!(metric, Metric::Host(HostMetric::Swap | HostMetric::SwapTraffic))
}

fn row_ui(ui: &mut Ui, name: &str, summary: MetricSummary, format: &dyn Fn(f64) -> String) {
    ui.label(RichText::new(name).small());
    for value in [summary.now, summary.min, summary.avg, summary.p95, summary.max] {
        ui.label(RichText::new(format(value)).small());
    }
    ui.end_row();
}

/// The spread of the steps against earlier runs, and the steps that stand out.
fn steps_ui(ui: &mut Ui, snapshot: &MonitorSnapshot, job: &JobTrack) {
    let Some(steps) = StepStatistics::of(job, &snapshot.samples) else { return };
    if let Some([low, high]) = expected_step(job) {
        ui.add(
            Label::new(format!(
                "Step {}; earlier runs {} to {}",
                step_text(steps.median),
                step_text(low),
                step_text(high)
            ))
            .wrap(),
        );
    }
    for outlier in steps.outliers.iter().take(OUTLIERS) {
        ui.colored_label(theme::tokens(ui).warning, outlier.to_string());
    }
}

/// The shortest and the longest step that earlier runs lead one to expect, of the stage that ran last.
fn expected_step(job: &JobTrack) -> Option<[Secs; 2]> {
    let step =
        job.steps.iter().rev().find(|step| matches!(step.stage, Stage::DenoiseHigh | Stage::DenoiseLow))?;
    let range = job.forecast_of(step.stage)?.seconds_range?;
    Some(range.map(|seconds| Secs(seconds.0 / f64::from(step.of.max(1)))))
}

/// A stage's name where there is little room, in a job with one or two experts.
pub(super) fn short(stage: Stage, has_two_experts: bool) -> &'static str {
    match stage {
        Stage::Preflight => "preflight",
        Stage::Prepare => "prepare",
        Stage::Text => "text",
        Stage::Image => "image",
        Stage::DenoiseHigh if !has_two_experts => "denoise",
        Stage::DenoiseHigh => "high noise",
        Stage::DenoiseLow => "low noise",
        Stage::Decode => "decode",
        Stage::PostProcess => "write",
    }
}
