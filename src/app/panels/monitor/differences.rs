//! What took another time or amount than in the job that is laid over; what is the same is left out.

use eframe::egui::{Grid, Ui};

use super::rows::step_text;
use super::side::short;
use crate::core::{Bytes, Secs};
use crate::monitor::{
    JobTrack, MonitorSnapshot, RangeTotals, StepStatistics, TimeRange, Timeline, stage_lengths,
};

/// What differs by less than this part is the same.
const SAME: f64 = 0.05;

/// One line of the table.
#[derive(Clone, Debug, PartialEq)]
struct Difference {
    name: String,
    text: String,
    ratio: f64,
}

pub(super) fn ui(ui: &mut Ui, snapshot: &MonitorSnapshot, job: &JobTrack, earlier: &Timeline) {
    ui.separator();
    ui.weak(format!("Against job {}", earlier.track.job));
    let found = differences(snapshot, job, earlier);
    if found.is_empty() {
        ui.label("No difference of 5 % or more");
        return;
    }
    Grid::new("monitor differences").num_columns(3).spacing([10.0, 3.0]).show(ui, |ui| {
        for difference in found {
            ui.label(difference.name);
            ui.label(difference.text);
            ui.label(format!("{:.2} x", difference.ratio));
            ui.end_row();
        }
    });
}

fn differences(snapshot: &MonitorSnapshot, job: &JobTrack, earlier: &Timeline) -> Vec<Difference> {
    let seconds = |value: f64| step_text(Secs(value));
    let bytes = |value: f64| Bytes(value as u64).to_string();
    let percent = |value: f64| format!("{value:.0} %");
    let kilojoules = |value: f64| format!("{:.1} kJ", value / 1e3);
    let mut found: Vec<_> = stage_lengths(job, &earlier.track)
        .into_iter()
        .filter_map(|(stage, now, before)| {
            difference(short(stage, job.has_two_experts()), Some(now.0), Some(before.0), &seconds)
        })
        .collect();
    let end = job.ended.unwrap_or(snapshot.now);
    let now = RangeTotals::of(&snapshot.samples, TimeRange { from: job.began, to: end });
    let whole = TimeRange { from: Secs(0.0), to: earlier.duration() };
    let before = RangeTotals::of(&earlier.samples, whole);
    let median = |job: &JobTrack, samples: &[&crate::monitor::Sample]| {
        StepStatistics::of(job, samples).map(|steps| steps.median.0)
    };
    let amount = |bytes: Option<Bytes>| bytes.map(|bytes| bytes.0 as f64);
    found.extend(difference("step", median(job, &[]), median(&earlier.track, &[]), &seconds));
    found.extend(difference("peak memory", amount(now.peak_memory), amount(before.peak_memory), &bytes));
    found.extend(difference(
        "peak VRAM",
        amount(now.peak_device_memory),
        amount(before.peak_device_memory),
        &bytes,
    ));
    found.extend(difference("CPU", now.mean_cpu, before.mean_cpu, &percent));
    found.extend(difference("disk read", amount(now.read), amount(before.read), &bytes));
    found.extend(difference("energy", now.energy.joules(), before.energy.joules(), &kilojoules));
    found
}

fn difference(
    name: &str,
    now: Option<f64>,
    before: Option<f64>,
    format: &dyn Fn(f64) -> String,
) -> Option<Difference> {
    let (now, before) = (now?, before?);
    let ratio = now / before.max(f64::EPSILON);
    // nothing now and nothing before is no difference
    let differs = (now > 0.0 || before > 0.0) && (ratio - 1.0).abs() >= SAME;
    differs.then(|| Difference {
        name: name.to_owned(),
        text: format!("{}, was {}", format(now), format(before)),
        ratio,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nearly_the_same_is_left_out() {
        let of = |now, before| difference("a", now, before, &|value| format!("{value}"));
        assert_eq!(of(Some(1.04), Some(1.0)), None);
        assert_eq!((of(None, Some(1.0)), of(Some(0.0), Some(0.0))), (None, None));
        let slower = of(Some(3.0), Some(2.0)).unwrap();
        assert_eq!((slower.text.as_str(), slower.ratio), ("3, was 2", 1.5));
    }
}
