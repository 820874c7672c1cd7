//! Export of stages, steps and samples as a trace file in Chrome's JSON format, which Perfetto opens.
//!
//! The format is the "Trace Event Format": complete events (`X`) for stages and steps, counters (`C`) for
//! measurements, metadata (`M`) for names; times in microseconds.

use std::fs;

use serde_json::{Value, json};

use super::csv::measured;
use super::metric::Metric;
use super::range::TimeRange;
use super::sample::{Machine, Sample};
use super::track::{JobTrack, ProfileFile};
use crate::core::Secs;

/// Process ID of all events in the trace.
const PROCESS: u32 = 1;
/// Process ID of the events of ONNX Runtime's profile.
const PROFILED: u32 = 2;
/// Largest profile that is merged, bytes.
const MAX_PROFILE: u64 = 256 << 20;
/// Track of the first job's stages; the next track has its steps, and each job has two tracks.
const FIRST_TRACK: usize = 1;

/// The text of a trace file with `jobs` and `samples`, which share one clock.
pub fn trace<S: AsRef<Sample>>(machine: &Machine, jobs: &[JobTrack], samples: &[S]) -> String {
    let mut events = vec![named("process_name", 0, "Wandeck")];
    let last = samples.last().map_or(0.0, |sample| sample.as_ref().at.0);
    for (index, job) in jobs.iter().enumerate() {
        let stages = FIRST_TRACK + 2 * index;
        let steps = stages + 1;
        events.push(named("thread_name", stages, &format!("Job {}, stages", job.job)));
        events.push(named("thread_name", steps, &format!("Job {}, steps", job.job)));
        events.extend(job.stages.iter().map(|span| {
            let ended = span.ended.or(job.ended).unwrap_or_else(|| Secs(last.max(span.began.0)));
            let range = TimeRange { from: span.began, to: ended };
            complete(stages, &span.stage.to_string(), range, &json!({ "job": job.job }))
        }));
        let mut before = job.began;
        events.extend(job.steps.iter().map(|span| {
            // the end of a step is recorded slightly late; spans of one track must not overlap
            let began = Secs((span.ended.0 - span.seconds.0).max(before.0).min(span.ended.0));
            before = span.ended;
            let arguments = json!({ "step": span.step, "of": span.of, "stage": span.stage });
            let name = format!("Step {} of {}", span.step, span.of);
            complete(steps, &name, TimeRange { from: began, to: span.ended }, &arguments)
        }));
    }
    if jobs.iter().any(|job| !job.profiles.is_empty()) {
        events.push(name_event(PROFILED, "process_name", 0, "ONNX Runtime"));
        events.extend(jobs.iter().flat_map(|job| &job.profiles).flat_map(profile_events));
    }
    for metric in measured(samples) {
        events.extend(samples.iter().filter_map(|sample| counter(metric, sample.as_ref())));
    }
    let devices: Vec<_> = machine.devices.iter().map(|device| device.name.as_str()).collect();
    let document = json!({
        "displayTimeUnit": "ms",
        "otherData": {
            "program": concat!("Wandeck ", env!("CARGO_PKG_VERSION")),
            "cores": machine.cores,
            "memory_bytes": machine.memory,
            "devices": devices,
        },
        "traceEvents": events,
    });
    document.to_string()
}

fn named(what: &str, track: usize, name: &str) -> Value {
    name_event(PROCESS, what, track, name)
}

fn name_event(process: u32, what: &str, track: usize, name: &str) -> Value {
    json!({ "ph": "M", "name": what, "pid": process, "tid": track, "args": { "name": name } })
}

/// The events of ONNX Runtime's profile on the clock of the trace; none if the file cannot be read.
fn profile_events(file: &ProfileFile) -> Vec<Value> {
    let read = || -> std::io::Result<Vec<Value>> {
        if fs::metadata(&file.path)?.len() > MAX_PROFILE {
            return Err(std::io::Error::other("the file is too large"));
        }
        Ok(serde_json::from_slice(&fs::read(&file.path)?)?)
    };
    let events = read().unwrap_or_else(|error| {
        tracing::warn!("The profile {} is left out: {error}", file.path.display());
        Vec::new()
    });
    let offset = microseconds(file.began);
    let moved = |mut event: Value| {
        let at = event.get("ts")?.as_i64()?;
        let fields = event.as_object_mut()?;
        fields.insert("pid".to_owned(), json!(PROFILED));
        fields.insert("ts".to_owned(), json!(at + offset));
        let arguments = fields.entry("args").or_insert_with(|| json!({})).as_object_mut()?;
        arguments.insert("network".to_owned(), json!(file.network));
        Some(event)
    };
    // metadata events of the profile have no time
    events.into_iter().filter(|event| event["ph"] == "X").filter_map(moved).collect()
}

fn complete(track: usize, name: &str, range: TimeRange, arguments: &Value) -> Value {
    json!({
        "ph": "X",
        "cat": "job",
        "name": name,
        "pid": PROCESS,
        "tid": track,
        "ts": microseconds(range.from),
        "dur": microseconds(Secs(range.seconds().0.max(0.0))),
        "args": arguments,
    })
}

fn counter(metric: Metric, sample: &Sample) -> Option<Value> {
    let value = sample.get(metric)?;
    let name = metric.to_string();
    Some(json!({
        "ph": "C",
        "name": name,
        "pid": PROCESS,
        "tid": 0,
        "ts": microseconds(sample.at),
        "args": { "value": value },
    }))
}

fn microseconds(at: Secs) -> i64 {
    (at.0 * 1e6).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Event, Stage};
    use crate::monitor::HostMetric;

    #[test]
    fn a_trace_has_stages_steps_and_counters() {
        let stage = Stage::DenoiseHigh;
        let mut job = JobTrack::new("a", 7, Secs(0.5));
        job.observe(Secs(0.5), &Event::StageStarted { stage });
        job.observe(Secs(2.0), &Event::Step { stage, step: 1, of: 2, seconds: Secs(1.25) });
        job.end(Secs(3.0));
        let samples = [Sample::new(Secs(1.0)).with(HostMetric::Cpu, 97.0), Sample::new(Secs(2.0))];
        let text = trace(&Machine::default(), &[job], &samples);
        let document: Value = serde_json::from_str(&text).unwrap();
        let events = document["traceEvents"].as_array().unwrap();
        let of = |kind: &str| events.iter().filter(|event| event["ph"] == kind).collect::<Vec<_>>();
        let spans: Vec<_> = of("X")
            .iter()
            .map(|event| {
                (
                    event["name"].as_str().unwrap(),
                    event["ts"].as_i64().unwrap(),
                    event["dur"].as_i64().unwrap(),
                )
            })
            .collect();
        assert_eq!(spans, [("Denoise, high noise", 500_000, 2_500_000), ("Step 1 of 2", 750_000, 1_250_000)]);
        assert_eq!(of("C").len(), 1, "an unmeasured value is not zero");
        assert_eq!(of("C")[0]["args"]["value"], 97.0);
        assert_eq!(of("M").len(), 3);
    }
}
