//! `wandeck queue list`: the queue as a table.

use std::path::Path;

use super::report::{note, out};
use crate::core::{DeviceChoices, Draft, Result, Secs, counted};
use crate::jobs::{Job, JobState, Priority};
use crate::library::{History, expected};
use crate::queue::Queue;

/// Ended jobs that are listed.
const MAX_ENDED: usize = 10;
/// Earlier runs of a model that its estimate is made from.
const MAX_RUNS: usize = 20;
/// Characters of a prompt in the table.
const PROMPT: usize = 48;

/// Prints open jobs in the order in which they run, then the last ended jobs, newest first.
pub(super) fn print(queue: &Queue, data_dir: &Path) {
    let jobs = queue.jobs();
    if jobs.is_empty() {
        return note("The queue is empty");
    }
    let history = History::path_in(data_dir).exists().then(|| History::open_to_read(data_dir).ok()).flatten();
    let history = history.as_ref().map(|(history, _)| history);
    for text in table(&jobs, |job| queue.status(job).to_string(), |job| time(job, history)) {
        out(&text);
    }
}

/// The rows below their header.
fn table(jobs: &[&Job], status: impl Fn(&Job) -> String, time: impl Fn(&Job) -> Option<Secs>) -> Vec<String> {
    let (ended, mut shown): (Vec<&Job>, Vec<&Job>) = jobs.iter().partition(|job| job.ended().is_some());
    // a running job has left the order
    shown.sort_by_key(|job| !matches!(job.state, JobState::Running { .. }));
    let mut ended: Vec<_> = ended.into_iter().filter_map(|job| Some((job.ended()?.ended, job))).collect();
    ended.sort_by_key(|(at, job)| std::cmp::Reverse((*at, job.id)));
    let num_left_out = ended.len().saturating_sub(MAX_ENDED);
    shown.extend(ended.into_iter().take(MAX_ENDED).map(|(_, job)| job));
    let width = shown.iter().map(|job| job.spec.draft.model.chars().count()).max().unwrap_or_default().max(5);
    // without a pinned job the column would say nothing
    let has_pinned = shown.iter().any(|job| job.spec.draft.devices != DeviceChoices::default());
    let devices = shown.iter().map(|job| device(job).chars().count()).max().unwrap_or_default().max(6);
    let line = |cells: [&str; 11]| {
        let [id, status, priority, model, device, size, frames, steps, seed, time, text] = cells;
        let device = if has_pinned { format!("{device:<devices$}  ") } else { String::new() };
        format!(
            "{id:>4}  {status:<11}  {priority:<8}  {model:<width$}  {device}{size:<9}  {frames:>6}  {steps:>5}  {seed:>20}  \
             {time:>13}  {text}"
        )
    };
    let header = [
        "Job",
        "State",
        "Priority",
        "Model",
        "Device",
        "Size",
        "Frames",
        "Steps",
        "Seed",
        "Time",
        "Prompt or result",
    ];
    let row = |job: &&Job| {
        let Draft { model, size, frames, steps, seed, .. } = &job.spec.draft;
        let seconds = time(job);
        let seconds = match (seconds, job.ended()) {
            (Some(seconds), None) => format!("about {seconds}"),
            (Some(seconds), Some(_)) => seconds.to_string(),
            (None, _) => "-".to_owned(),
        };
        line([
            &job.id.to_string(),
            &status(job),
            priority(job.spec.priority),
            model,
            &device(job),
            &size.to_string(),
            &frames.to_string(),
            &steps.to_string(),
            &seed.to_string(),
            &seconds,
            &text(job),
        ])
    };
    let mut lines = vec![line(header)];
    lines.extend(shown.iter().map(row));
    if num_left_out > 0 {
        let jobs = counted(num_left_out as u64, "older ended job");
        lines.push(format!("{jobs} not shown, \"wandeck tasks\" lists them"));
    }
    lines
}

/// The devices that a job is pinned to.
fn device(job: &Job) -> String {
    let DeviceChoices { device, cfg_parallel } = &job.spec.draft.devices;
    let device = device.as_ref().map_or_else(|| "auto".to_owned(), ToString::to_string);
    match cfg_parallel {
        Some(second) => format!("{device} + {second}"),
        None => device,
    }
}

fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Urgent => "urgent",
        Priority::Normal => "normal",
        Priority::Low => "low",
    }
}

/// How long an ended job took, or an estimate for an open one from earlier runs of its model.
fn time(job: &Job, history: Option<&History>) -> Option<Secs> {
    if let Some(entry) = job.ended() {
        return entry.generation_time_s;
    }
    let runs: Result<Vec<_>> = history?.runs_of_model(&job.spec.model_name(), MAX_RUNS);
    Some(expected(&job.spec.draft, &runs.ok()?)?.seconds)
}

/// The prompt of an open job; the output or the error of an ended one.
fn text(job: &Job) -> String {
    match job.ended().map(|entry| (&entry.output, &entry.error)) {
        Some((Some(output), _)) => output.display().to_string(),
        Some((None, Some(error))) => error.message.clone(),
        _ => job.spec.draft.prompt.chars().take(PROMPT).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::draft;
    use crate::core::{DeviceChoice, Utc};
    use crate::jobs::{HistoryEntry, JobId, JobSpec};

    fn job(id: u64, state: JobState) -> Job {
        let draft = Draft { seed: 70 + id, ..draft() };
        let spec = JobSpec::new(draft, "models/toy".into(), format!("{id}.mp4").into());
        Job { state, ..Job::new(JobId(id), id.to_string(), spec) }
    }

    fn ended(id: u64) -> JobState {
        let entry = HistoryEntry {
            ended: Utc(id as i64),
            output: Some(format!("{id}.mp4").into()),
            ..HistoryEntry::default()
        };
        JobState::Ended { entry: Box::new(entry) }
    }

    #[test]
    fn open_jobs_come_first_and_ended_ones_are_limited() {
        let mut jobs: Vec<_> = (1..=12).map(|id| job(id, ended(id))).collect();
        jobs.push(job(13, JobState::Queued));
        jobs.push(job(14, JobState::Running { worker: "me".into() }));
        jobs[12].spec.draft.devices.device = Some(DeviceChoice::Ordinal(1));
        jobs[13].spec.draft.devices.cfg_parallel = Some(DeviceChoice::Ordinal(0));
        let jobs: Vec<&Job> = jobs.iter().collect();
        let lines = table(&jobs, |job| format!("state {}", job.id), |_| Some(Secs(3.0)));
        let ids: Vec<_> = lines.iter().filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(ids, ["Job", "14", "13", "12", "11", "10", "9", "8", "7", "6", "5", "4", "3", "2"]);
        assert!(
            lines[2].contains("  1         64x64") && lines[1].contains("  auto + 0  64x64"),
            "{lines:?}"
        );
        assert!(lines[3].contains("  auto      64x64"), "{}", lines[3]);
        assert!(lines[2].contains(" 83 ") && lines[2].contains("about 3.0 s"), "seed and time: {}", lines[2]);
        assert!(lines[3].ends_with("12.mp4") && !lines[3].contains("about"), "{}", lines[3]);
        assert!(lines[13].starts_with("2 older ended jobs not shown"), "{}", lines[13]);
    }
}
