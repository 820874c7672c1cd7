//! The stages of the job in numbers: time, energy, load, memory, and speed against the machine's measured peak.

use eframe::egui::{Button, Grid, RichText, Ui};

use super::side::short;
use super::view::{MonitorAction, MonitorView, PeakView};
use crate::core::{Bytes, Stage};
use crate::monitor::{JobTrack, RangeTotals, Sample, StageRate, TimeRange, stage_rates};

/// Stages that are listed at most; a job with more was retried.
const MOST: usize = 10;

/// One run of a stage.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StageTotals {
    stage: Stage,
    range: TimeRange,
    totals: RangeTotals,
    /// Operations per second, if the preflight knows its work.
    flops: Option<f64>,
}

impl StageTotals {
    /// The stages of `job` that have ended, in order; the last ones if there are many.
    pub(super) fn of<S: AsRef<Sample>>(job: &JobTrack, samples: &[S]) -> Vec<Self> {
        let rates = stage_rates(job);
        let ended = job.stages.iter().filter_map(|span| Some((span.stage, span.began, span.ended?)));
        let mut stages: Vec<_> = ended
            .map(|(stage, from, to)| {
                let range = TimeRange { from, to };
                let flops = rates.iter().find(|rate| rate.stage == stage).map(|rate| rate.flops);
                Self { stage, range, totals: RangeTotals::of(samples, range), flops }
            })
            .collect();
        stages.drain(..stages.len().saturating_sub(MOST));
        stages
    }

    fn cells(&self, has_energy: bool) -> Vec<String> {
        let RangeTotals { energy, mean_cpu, mean_device, peak_memory, peak_device_memory, .. } = self.totals;
        let percent = |value: Option<f64>| value.map(|value| format!("{value:.0} %"));
        // a stage on a device is about the device
        let on_device = mean_device.is_some_and(|percent| percent >= 1.0);
        let (load, memory) =
            if on_device { (mean_device, peak_device_memory) } else { (mean_cpu, peak_memory) };
        let words = |bytes: Option<Bytes>| bytes.map(|bytes| bytes.to_string());
        let joules = energy.joules().map(|joules| format!("{:.1} kJ", joules / 1e3));
        let mut cells = vec![Some(self.totals.seconds.to_string())];
        cells.extend(has_energy.then_some(joules));
        cells.extend([percent(load), words(memory), self.flops.map(StageRate::text)]);
        cells.into_iter().map(|cell| cell.unwrap_or_else(|| "–".to_owned())).collect()
    }
}

/// Draws the table; the part of a stage that was clicked.
pub(super) fn stages_ui(
    ui: &mut Ui,
    job: &JobTrack,
    stages: &[StageTotals],
    view: MonitorView<'_>,
    actions: &mut Vec<MonitorAction>,
) -> Option<TimeRange> {
    if stages.is_empty() {
        return None;
    }
    let mut selected = None;
    let has_energy = stages.iter().any(|stage| stage.totals.energy.joules().is_some());
    let peak = if let PeakView::Known(peak) = view.peak { Some(peak.flops) } else { None };
    Grid::new("monitor stages").num_columns(7).striped(true).spacing([10.0, 3.0]).show(ui, |ui| {
        ui.label("");
        let heads = ["time", "energy", "load", "memory", "speed"];
        for head in heads.into_iter().filter(|head| has_energy || *head != "energy") {
            ui.weak(head);
        }
        if peak.is_some() {
            ui.weak("of peak");
        }
        ui.end_row();
        for (index, stage) in stages.iter().enumerate() {
            let name = RichText::new(short(stage.stage, job.has_two_experts())).small();
            let name = ui.push_id(index, |ui| ui.link(name)).inner;
            if name.on_hover_text("Select this stage").clicked() {
                selected = Some(stage.range);
            }
            for cell in stage.cells(has_energy) {
                ui.label(RichText::new(cell).small());
            }
            if let Some((peak, flops)) = peak.zip(stage.flops) {
                ui.label(RichText::new(format!("{:.0} %", 100.0 * flops / peak)).small());
            }
            ui.end_row();
        }
    });
    peak_ui(ui, view, actions);
    selected
}

/// The machine's peak speed, and the button that measures it, which needs the machine for itself.
fn peak_ui(ui: &mut Ui, view: MonitorView<'_>, actions: &mut Vec<MonitorAction>) {
    let text = match view.peak {
        PeakView::Measuring => {
            ui.weak("Measuring the peak speed…");
            return;
        }
        PeakView::Known(peak) => {
            ui.weak(format!("Peak of this machine: {}", StageRate::text(peak.flops)));
            "Measure again"
        }
        PeakView::Unknown => "Measure the peak speed",
    };
    let runs = view.snapshot.jobs.last().is_some_and(|job| job.ended.is_none());
    let response = ui.add_enabled(!runs, Button::new(text)).on_disabled_hover_text("A job is running");
    if response.on_hover_text("A matrix product on all cores, about 3 s").clicked() {
        actions.push(MonitorAction::MeasurePeak);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Event, Secs};
    use crate::monitor::HostMetric;

    #[test]
    fn each_run_of_a_stage_has_its_own_numbers() {
        let mut job = JobTrack::new("a", 1, Secs(0.0));
        for (at, stage) in [(0.0, Stage::Text), (10.0, Stage::Decode), (20.0, Stage::Decode)] {
            job.observe(Secs(at), &Event::StageStarted { stage });
        }
        let samples: Vec<_> = (1..=29)
            .map(|at| Sample::new(Secs(f64::from(at))).with(HostMetric::Cpu, f64::from(at)))
            .collect();
        let found = StageTotals::of(&job, &samples);
        let found: Vec<_> = found.iter().map(|stage| (stage.stage, stage.cells(false))).collect();
        let cells = |cpu: &str| ["10 s", cpu, "–", "–"].map(str::to_owned).to_vec();
        assert_eq!(found, [(Stage::Text, cells("6 %")), (Stage::Decode, cells("15 %"))], "the last one runs");
    }
}
