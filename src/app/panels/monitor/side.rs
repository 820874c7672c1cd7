//! The side table: statistics of the selection, slow steps and recommendations.

use eframe::egui::{Grid, Label, RichText, Ui};

use super::panel::MonitorPanel;
use super::plots::short;
use super::view::{MonitorAction, MonitorView};
use crate::app::theme;
use crate::core::{Secs, Stage};
use crate::monitor::{
    DeviceMetric, HostMetric, JobTrack, Metric, MetricSummary, MonitorSnapshot, RangeTotals, StepStatistics,
    TimeRange, in_range, stage_lengths,
};

/// Maximum number of listed steps.
const OUTLIERS: usize = 3;

pub(super) fn ui(ui: &mut Ui, panel: &MonitorPanel, view: MonitorView<'_>, actions: &mut Vec<MonitorAction>) {
    let snapshot = view.snapshot;
    let range = panel.selected(snapshot);
    let title =
        if panel.selection.is_some() { title(snapshot, range) } else { panel.range.text().to_owned() };
    ui.strong(title);
    ui.weak(totals(&RangeTotals::of(&snapshot.samples, range)));
    table_ui(ui, snapshot, range);
    if let Some((earlier, job)) = view.overlay.zip(snapshot.jobs.last()) {
        differences_ui(ui, job, &earlier.track);
    }
    let steps = snapshot.jobs.last().and_then(|job| StepStatistics::of(job, &snapshot.samples));
    for outlier in steps.iter().flat_map(|steps| &steps.outliers).take(OUTLIERS) {
        ui.colored_label(theme::tokens(ui).warning, outlier.to_string());
    }
    let advice = panel.analysed().diagnosis.as_ref().and_then(|found| found.recommendations.first());
    if let Some(advice) = advice {
        ui.separator();
        ui.add(Label::new(&advice.text).wrap());
        if let Some(fix) = &advice.fix
            && ui.button(fix.to_string()).on_hover_text("Changes this in the form").clicked()
        {
            actions.push(MonitorAction::Apply(fix.clone()));
        }
    }
}

/// The title of the selection: a step, a stage, or a duration.
fn title(snapshot: &MonitorSnapshot, range: TimeRange) -> String {
    let middle = Secs(f64::midpoint(range.from.0, range.to.0));
    let job = snapshot.jobs.iter().rev().find(|job| job.stage_at(middle).is_some());
    let same = |a: Secs, b: Secs| (a.0 - b.0).abs() < 1e-3;
    let step = job.and_then(|job| job.step_at(middle));
    if let Some(step) = step.filter(|step| same(step.ended, range.to)) {
        return format!("{}, step {} of {}", step.stage, step.step, step.of);
    }
    let span = job.and_then(|job| job.stage_at(middle));
    match span {
        Some(span) if same(span.began, range.from) => span.stage.to_string(),
        _ => format!("Selected {}", range.seconds()),
    }
}

/// For instance "54 s · 2.9 kJ · 0.3 GiB read".
fn totals(totals: &RangeTotals) -> String {
    let mut words = vec![totals.seconds.to_string()];
    words.extend(totals.joules.map(|joules| format!("{:.1} kJ", joules / 1e3)));
    words.extend(totals.read.map(|read| format!("{read} read")));
    words.extend(totals.written.map(|written| format!("{written} written")));
    words.join(" · ")
}

fn table_ui(ui: &mut Ui, snapshot: &MonitorSnapshot, range: TimeRange) {
    let part = in_range(&snapshot.samples, range);
    let host = [HostMetric::Cpu, HostMetric::ProcessMemory, HostMetric::DiskRead, HostMetric::MajorFaults];
    let devices = (0..snapshot.machine.devices.len()).flat_map(|index| {
        [DeviceMetric::Use, DeviceMetric::UsedMemory, DeviceMetric::Power]
            .map(|metric| Metric::Device(index, metric))
    });
    Grid::new("monitor table").num_columns(5).spacing([10.0, 4.0]).striped(true).show(ui, |ui| {
        for name in ["", "now", "avg", "p95", "max"] {
            ui.weak(name);
        }
        ui.end_row();
        for metric in host.map(Metric::from).into_iter().chain(devices) {
            let Some(summary) = MetricSummary::of(part, metric) else { continue };
            row_ui(ui, &metric.to_string(), summary, &|value| metric.format(value));
        }
        let steps = snapshot.jobs.iter().flat_map(|job| &job.steps);
        let denoises = |stage| matches!(stage, Stage::DenoiseHigh | Stage::DenoiseLow);
        let steps = steps.filter(|step| denoises(step.stage) && range.contains(step.ended));
        if let Some(summary) = MetricSummary::of_values(steps.map(|step| step.seconds.0).collect()) {
            row_ui(ui, "Step", summary, &|value| Secs(value).to_string());
        }
    });
}

fn row_ui(ui: &mut Ui, name: &str, summary: MetricSummary, format: &dyn Fn(f64) -> String) {
    ui.label(name);
    for value in [summary.now, summary.avg, summary.p95, summary.max] {
        ui.label(RichText::new(format(value)).small());
    }
    ui.end_row();
}

/// Stages whose duration differs from the compared job.
fn differences_ui(ui: &mut Ui, job: &JobTrack, earlier: &JobTrack) {
    ui.separator();
    ui.weak(format!("Against job {}", earlier.job));
    Grid::new("monitor differences").num_columns(3).show(ui, |ui| {
        for (stage, now, before) in stage_lengths(job, earlier) {
            // differences below 5 % are not listed
            let ratio = now.0 / before.0.max(f64::EPSILON);
            if (ratio - 1.0).abs() < 0.05 {
                continue;
            }
            ui.label(short(stage));
            ui.label(format!("{now}, was {before}"));
            ui.label(format!("{ratio:.2} x"));
            ui.end_row();
        }
    });
}
