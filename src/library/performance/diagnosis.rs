//! Finds the bottleneck of one job from its measurements, and suggests fixes.

use serde::Serialize;

use super::remedy::Remedy;
use crate::core::{Bytes, Fix, Secs, Stage};
use crate::library::Bottleneck;
use crate::monitor::{
    DeviceMetric, HostMetric, Level, Metric, MetricSummary, Sample, SlowCause, Thresholds, TimeRange,
    Timeline, in_range, slowdowns,
};

/// Minimum fraction of the time for a cause to be reported.
const NOTABLE: f64 = 0.2;
/// Bytes per second over the PCI Express bus that indicate a transfer of weights.
const MOVING: f64 = 4e9;
/// Device utilisation in percent below which it is waiting for a transfer.
const DEVICE_WAITS: f64 = 50.0;
/// Suggested VAE tile size in pixels.
const SMALL_TILE: u32 = 256;

/// A recommendation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recommendation {
    /// What was measured and what to do, in one or two sentences.
    pub text: String,
    /// What does it.
    pub remedy: Remedy,
}

/// The bottleneck of a job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diagnosis {
    /// The largest bottleneck.
    pub bottleneck: Bottleneck,
    /// Its fraction of the time, from 0 to 1.
    pub part: f64,
    /// Recommendations, most useful first.
    pub recommendations: Vec<Recommendation>,
}

impl Diagnosis {
    /// The diagnosis of a job; `None` if it has no finished stage.
    pub fn of(timeline: &Timeline) -> Option<Self> {
        let lost = Lost::of(timeline);
        let mut spent = spent(timeline);
        let total: f64 = spent.iter().map(|(_, seconds)| seconds).sum();
        if total <= 0.0 {
            return None;
        }
        // time that steps waited for memory or transfers is not compute time
        for (bottleneck, seconds) in
            [(Bottleneck::Memory, lost.memory), (Bottleneck::Transfer, lost.transfer)]
        {
            if seconds >= NOTABLE * total {
                let compute = spent.iter_mut().find(|(of, _)| *of == Bottleneck::Compute);
                if let Some((_, left)) = compute {
                    *left = (*left - seconds).max(0.0);
                }
                spent.push((bottleneck, seconds));
            }
        }
        let &(bottleneck, seconds) = spent.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
        let part = (seconds / total).min(1.0);
        let mut recommendations = memory_advice(timeline);
        recommendations.extend(lost.advice(total));
        recommendations.push(Recommendation {
            text: format!(
                "{:.0} % of the time went into {}. {}",
                part * 100.0,
                bottleneck.words(),
                bottleneck.advice()
            ),
            remedy: Remedy::of(bottleneck),
        });
        Some(Self { bottleneck, part, recommendations })
    }
}

/// Seconds lost to a cause, see [`SlowCause`].
#[derive(Debug, Default)]
struct Lost {
    memory: f64,
    transfer: f64,
    others: f64,
    threads: f64,
    heat: f64,
}

impl Lost {
    fn of(timeline: &Timeline) -> Self {
        let mut lost = Self::default();
        for slowdown in slowdowns(&timeline.track, &timeline.samples) {
            let seconds = slowdown.range.seconds().0;
            match slowdown.cause {
                SlowCause::Swap | SlowCause::PageFaults => lost.memory += seconds,
                SlowCause::OtherProcess => lost.others += seconds,
                SlowCause::FewThreads => lost.threads += seconds,
                SlowCause::Throttled(_) => lost.heat += seconds,
                // reading weights is part of loading, which is counted per stage
                SlowCause::Disk => {}
            }
        }
        let mut before = Secs(0.0);
        for sample in &timeline.samples {
            if (0..sample.num_devices()).any(|index| waits_for_weights(sample, index)) {
                lost.transfer += sample.at.0 - before.0;
            }
            before = sample.at;
        }
        lost
    }

    fn advice(&self, total: f64) -> Vec<Recommendation> {
        let cases = [
            (
                self.memory,
                Remedy::ShowModels,
                "Memory was short: weights were read from disk again. End other programs, or use a model converted to int8, which needs a quarter of the memory of fp32",
            ),
            (
                self.others,
                Remedy::PauseQueue,
                "Other programs used the processor. End them, or let the job run when they do not",
            ),
            (
                self.threads,
                Remedy::AllCores,
                "Cores had nothing to do while the job computed. Set hardware.threads to 0, which uses all of them",
            ),
            (
                self.heat,
                Remedy::PauseQueue,
                "The device lowered its clocks. Better cooling or a higher power limit would make it faster",
            ),
        ];
        let notable = cases.into_iter().filter(|(seconds, ..)| *seconds >= NOTABLE * total);
        let recommend = |(seconds, remedy, text): (f64, Remedy, &str)| Recommendation {
            text: format!("{text} ({:.0} % of the time)", (100.0 * seconds / total).min(100.0)),
            remedy,
        };
        notable.map(recommend).collect()
    }
}

fn waits_for_weights(sample: &Sample, index: usize) -> bool {
    let get = |metric| sample.get(Metric::Device(index, metric));
    get(DeviceMetric::PcieReceive).is_some_and(|rate| rate >= MOVING)
        && get(DeviceMetric::Use).is_some_and(|percent| percent < DEVICE_WAITS)
}

/// Time of a job by bottleneck.
fn spent(timeline: &Timeline) -> Vec<(Bottleneck, f64)> {
    let steps: f64 =
        timeline.track.steps.iter().filter(|step| denoises(step.stage)).map(|step| step.seconds.0).sum();
    let mut spent = [
        (Bottleneck::Compute, steps),
        (Bottleneck::Loading, -steps),
        (Bottleneck::Decode, 0.0),
        (Bottleneck::Cpu, 0.0),
    ];
    for span in &timeline.track.stages {
        let place = match span.stage {
            // a denoise stage consists of loading its network and its steps
            Stage::Preflight | Stage::Prepare | Stage::Text | Stage::DenoiseHigh | Stage::DenoiseLow => 1,
            Stage::Image | Stage::Decode => 2,
            Stage::PostProcess => 3,
        };
        spent[place].1 += span.ended.map_or(0.0, |ended| ended.0 - span.began.0);
    }
    spent.into_iter().map(|(of, seconds)| (of, seconds.max(0.0))).collect()
}

fn denoises(stage: Stage) -> bool {
    matches!(stage, Stage::DenoiseHigh | Stage::DenoiseLow)
}

/// A memory whose use is judged.
struct UsedMemory {
    name: String,
    metric: Metric,
    size: Bytes,
    thresholds: Thresholds,
    /// What needs less of it if not the decode was the peak, as a sentence and as a change.
    advice: &'static str,
    fix: Fix,
}

/// Recommendations for a job that used nearly all memory.
fn memory_advice(timeline: &Timeline) -> Vec<Recommendation> {
    let machine = &timeline.machine;
    let device = |(index, device): (usize, &crate::monitor::DeviceInfo)| UsedMemory {
        name: format!("memory of {}", device.name),
        metric: Metric::Device(index, DeviceMetric::UsedMemory),
        size: device.memory,
        thresholds: Thresholds::DEVICE_MEMORY,
        advice: "Weights that are streamed need less",
        fix: Fix::StreamWeights,
    };
    let host = UsedMemory {
        name: "memory of the machine".to_owned(),
        metric: HostMetric::UsedMemory.into(),
        size: machine.memory,
        thresholds: Thresholds::MEMORY,
        advice: "Weights that are read in place need less",
        fix: Fix::WeightsInPlace,
    };
    let memories = machine.devices.iter().enumerate().map(device).chain([host]);
    memories.filter_map(|memory| over(timeline, memory)).collect()
}

fn over(timeline: &Timeline, memory: UsedMemory) -> Option<Recommendation> {
    let UsedMemory { name, metric, size, thresholds, advice, fix } = memory;
    let peak = MetricSummary::of(&timeline.samples, metric)?.max;
    let percent = 100.0 * peak / size.0 as f64;
    if size.0 == 0 || thresholds.level(percent) < Level::Over {
        return None;
    }
    let decode = timeline.track.stages.iter().find(|span| span.stage == Stage::Decode).and_then(|span| {
        let range = TimeRange::between(span.began, span.ended?);
        Some(MetricSummary::of(in_range(&timeline.samples, range), metric)?.max >= peak)
    });
    let (advice, fix) = if decode == Some(true) {
        ("Smaller VAE tiles need less", Fix::VaeTile(SMALL_TILE))
    } else {
        (advice, fix)
    };
    Some(Recommendation {
        text: format!(
            "{percent:.0} % of the {name} was in use, more than {:.0} %. {advice}",
            thresholds.maximum
        ),
        remedy: Remedy::Fix(fix),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Event;
    use crate::monitor::{DeviceInfo, JobTrack, Machine};

    /// 2 s of text, 6 s of denoising with 5 s of steps, 2 s of decoding.
    fn timeline(sample: impl Fn(f64) -> Sample) -> Timeline {
        let mut track = JobTrack::new("a", 1, Secs(0.0));
        let stage = Stage::DenoiseHigh;
        track.observe(Secs(0.0), &Event::StageStarted { stage: Stage::Text });
        track.observe(Secs(2.0), &Event::StageStarted { stage });
        track.observe(Secs(8.0), &Event::Step { stage, step: 1, of: 1, seconds: Secs(5.0) });
        track.observe(Secs(8.0), &Event::StageStarted { stage: Stage::Decode });
        track.end(Secs(10.0));
        let machine = Machine { cores: 4, memory: Bytes(1000), ..Machine::default() };
        let samples = (1..=10).map(|at| sample(f64::from(at))).collect();
        Timeline { track, machine, samples, ..Timeline::default() }
    }

    fn busy(at: f64) -> Sample {
        Sample::new(Secs(at))
            .with(HostMetric::Cpu, 97.0)
            .with(HostMetric::ProcessCpu, 96.0)
            .with(HostMetric::UsedMemory, 300.0)
    }

    #[test]
    fn a_compute_bound_job_gets_advice() {
        let diagnosis = Diagnosis::of(&timeline(busy)).unwrap();
        assert_eq!((diagnosis.bottleneck, diagnosis.part), (Bottleneck::Compute, 0.5));
        assert_eq!(diagnosis.recommendations.len(), 1);
        assert!(
            diagnosis.recommendations[0].text.starts_with("50 % of the time went into denoising steps. ")
        );
    }

    #[test]
    fn page_faults_in_the_steps_are_a_matter_of_memory() {
        let short = |at| busy(at).with(HostMetric::MajorFaults, 900.0);
        let diagnosis = Diagnosis::of(&timeline(short)).unwrap();
        assert_eq!(diagnosis.bottleneck, Bottleneck::Memory);
        assert_eq!(diagnosis.recommendations[0].remedy, Remedy::ShowModels);
        assert!(diagnosis.recommendations[0].text.starts_with("Memory was short"), "{diagnosis:?}");
    }

    #[test]
    fn a_device_that_waits_for_the_bus_is_a_matter_of_transfer() {
        let moving = |at| {
            busy(at)
                .with(Metric::Device(0, DeviceMetric::PcieReceive), 9e9)
                .with(Metric::Device(0, DeviceMetric::Use), 20.0)
        };
        assert_eq!(Diagnosis::of(&timeline(moving)).unwrap().bottleneck, Bottleneck::Transfer);
    }

    #[test]
    fn memory_over_its_limit_offers_the_fix_of_its_stage() {
        let full = |from: f64| {
            move |at| busy(at).with(HostMetric::UsedMemory, if at >= from { 950.0 } else { 300.0 })
        };
        let first = |from| Diagnosis::of(&timeline(full(from))).unwrap().recommendations.remove(0);
        assert_eq!(first(9.0).remedy, Remedy::Fix(Fix::VaeTile(SMALL_TILE)));
        assert!(first(9.0).text.starts_with("95 % of the memory of the machine was in use, more than 90 %."));
        let early = |at: f64| busy(at).with(HostMetric::UsedMemory, if at == 4.0 { 950.0 } else { 300.0 });
        let early = Diagnosis::of(&timeline(early)).unwrap();
        assert_eq!(early.recommendations[0].remedy, Remedy::Fix(Fix::WeightsInPlace));
        let mut device = timeline(|at| busy(at).with(Metric::Device(0, DeviceMetric::UsedMemory), 94.0));
        device.machine.devices =
            vec![DeviceInfo { name: "Test".into(), memory: Bytes(100), ..DeviceInfo::default() }];
        assert_eq!(Diagnosis::of(&device).unwrap().recommendations.len(), 1, "94 % is still allowed");
    }

    #[test]
    fn nothing_is_said_of_a_job_without_stages() {
        assert_eq!(Diagnosis::of(&Timeline::default()), None);
    }
}
