//! The card beside the pointer: when that was, which step ran, and the numbers of both jobs.

use eframe::egui::{self, Ui};

use super::plots::PlotFrame;
use super::rows::step_text;
use super::series::nearest;
use crate::core::{Bytes, Secs};
use crate::monitor::{HostMetric, JobTrack, Metric, Sample};

/// Draws the card at the pointer.
pub(super) fn ui(ui: &Ui, frame: &PlotFrame<'_>, at: Secs) {
    let (layer, anchor) = (ui.layer_id(), egui::PopupAnchor::Pointer);
    let id = egui::Id::unique("monitor cursor");
    egui::Tooltip::always_open(ui.ctx().clone(), layer, id, anchor).gap(16.0).show(|ui| {
        for (index, line) in lines(frame, at).into_iter().enumerate() {
            if index == 0 {
                ui.strong(line);
            } else {
                ui.label(line);
            }
        }
    });
}

fn lines(frame: &PlotFrame<'_>, at: Secs) -> Vec<String> {
    let snapshot = frame.view.snapshot;
    let job = snapshot.jobs.iter().rev().find(|job| job.stage_at(at).is_some());
    let mut lines = vec![when(job, frame.range.from, at)];
    if let Some(sample) = nearest(&snapshot.samples, at) {
        lines.push(numbers(sample));
        lines.extend(memory(sample, job, at));
    }
    if let Some(earlier) = frame.view.overlay
        && let Some(map) = &frame.earlier
        && let Some(sample) = nearest(&earlier.samples, map.inverse(at))
    {
        lines.push(format!("Job {}: {}", earlier.track.job, numbers(sample)));
    }
    lines
}

/// For instance "1 min 52 s · Denoise, low noise, step 3 of 4, 54 s".
fn when(job: Option<&JobTrack>, start: Secs, at: Secs) -> String {
    let since = Secs(at.0 - job.map_or(start.0, |job| job.began.0));
    let stage = job.and_then(|job| job.stage_at(at)).map(|span| format!(" · {}", span.stage));
    let step = job.and_then(|job| job.step_at(at));
    let step = step.map(|step| format!(", step {} of {}, {}", step.step, step.of, step_text(step.seconds)));
    format!("{since}{}{}", stage.unwrap_or_default(), step.unwrap_or_default())
}

fn numbers(sample: &Sample) -> String {
    let metrics = [HostMetric::Cpu, HostMetric::ProcessMemory, HostMetric::DiskRead].map(Metric::from);
    let words = |metric: Metric| Some(format!("{metric} {}", metric.format(sample.get(metric)?)));
    metrics.into_iter().filter_map(words).collect::<Vec<_>>().join(" · ")
}

/// The parts of the memory, with what the preflight expected of the stage.
fn memory(sample: &Sample, job: Option<&JobTrack>, at: Secs) -> Option<String> {
    let own = sample.host(HostMetric::ProcessMemory)?;
    let bytes = |value: f64| Bytes(value.max(0.0) as u64);
    let mut parts = Vec::new();
    if let Some(weights) = sample.host(HostMetric::Weights) {
        parts.push(format!("Weights {}", bytes(weights.min(own))));
        parts.push(format!("working {}", bytes(own - weights)));
    }
    if let Some(used) = sample.host(HostMetric::UsedMemory) {
        parts.push(format!("other processes {}", bytes(used - own)));
    }
    let expected = job.and_then(|job| job.forecast_of(job.stage_at(at)?.stage)?.memory);
    parts.extend(expected.map(|expected| format!("forecast {expected}")));
    (!parts.is_empty()).then(|| parts.join(" · "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Event, Stage, StageForecast};

    #[test]
    fn the_card_says_when_what_and_how_much() {
        let stage = Stage::DenoiseLow;
        let mut job = JobTrack::new("a", 42, Secs(10.0));
        job.stage_forecasts = vec![StageForecast {
            stage,
            operations: None,
            seconds: None,
            seconds_range: None,
            memory: Some(Bytes(3 << 20)),
        }];
        job.observe(Secs(10.0), &Event::StageStarted { stage });
        job.observe(Secs(20.0), &Event::Step { stage, step: 3, of: 4, seconds: Secs(9.0) });
        let text = when(Some(&job), Secs(0.0), Secs(15.0));
        assert_eq!(text, "5.0 s · Denoise, low noise, step 3 of 4, 9.0 s");
        let mebibytes = |count: u32| f64::from(count << 20);
        let sample = Sample::new(Secs(15.0))
            .with(HostMetric::ProcessMemory, mebibytes(5))
            .with(HostMetric::Weights, mebibytes(2))
            .with(HostMetric::UsedMemory, mebibytes(9));
        assert_eq!(
            memory(&sample, Some(&job), Secs(15.0)).unwrap(),
            "Weights 2.0 MiB · working 3.0 MiB · other processes 4.0 MiB · forecast 3.0 MiB"
        );
    }
}
