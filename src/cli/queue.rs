//! `wandeck queue`: what waits, runs and ended; every order of the window, and the engine without a window.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::select;
use serde_json::json;

use super::args::Common;
use super::args_queue::{QueueArgs, QueueVerb};
use super::generate::{interrupts, work};
use super::report::{self, Output, ProgressPrinter, out};
use super::{ExitCode, Places, service};
use crate::core::{Error, Event, Faults, Kind, Result};
use crate::jobs::EndStatus;
use crate::jobs::{JobEntry, JobId, JobSpec, JobState, PendingAction, Priority};
use crate::queue::{Acknowledgement, Queue, Scope};
use crate::worker::Worker;

/// Characters of a prompt in the list.
const SHOWN: usize = 48;

pub(super) fn run(args: &QueueArgs, common: &Common) -> Result<ExitCode> {
    let places = Places::new(common)?;
    if let QueueVerb::Run { events } = args.verb {
        return work_on_all(&places, if events { Output::Events } else { Output::Text }, common.json);
    }
    let mut queue = Queue::open(&places.data_dir, "wandeck queue", &Faults::from_env()?)?;
    for note in queue.take_notes() {
        report::note(&note);
    }
    let told = match &args.verb {
        QueueVerb::List => {
            list(&queue, common.json);
            return Ok(ExitCode::Done);
        }
        QueueVerb::Add { generate, priority } => {
            let id = queue.add(JobSpec { priority: *priority, ..work(generate, &places)? }, false)?;
            Told { job: Some(id), text: format!("Job {id} waits") }
        }
        QueueVerb::Cancel { job } => asked(*job, queue.cancel(JobId(*job))?, "cancelled"),
        QueueVerb::Pause { job, keep_memory: true } => asked(*job, queue.pause(JobId(*job))?, "paused"),
        QueueVerb::Pause { job, .. } => asked(*job, queue.hold(JobId(*job))?, "paused"),
        QueueVerb::Resume { job } => {
            queue.resume(JobId(*job))?;
            Told::about(*job, "goes on at its turn")
        }
        QueueVerb::Move { job, before } => {
            queue.place(JobId(*job), before.map(JobId))?;
            Told::about(*job, "has another place")
        }
        QueueVerb::Priority { job, priority } => {
            queue.prioritise(JobId(*job), *priority)?;
            Told::about(*job, "has another priority")
        }
        QueueVerb::Duplicate { job } => {
            let id = queue.duplicate(JobId(*job))?;
            Told { job: Some(id), text: format!("Job {id} waits, like job {job}") }
        }
        QueueVerb::Edit { job, generate } => {
            let priority = queue.get(JobId(*job))?.job.work.priority;
            queue.edit(JobId(*job), JobSpec { priority, ..work(generate, &places)? })?;
            Told::about(*job, "was changed")
        }
        QueueVerb::Retry { job, changes } => {
            let id = queue.retry(JobId(*job), &changes.all())?;
            Told { job: Some(id), text: format!("Job {id} waits, job {job} again") }
        }
        QueueVerb::Clear => {
            let count = queue.clear()?;
            Told {
                job: None,
                text: format!("{count} ended jobs were removed from the list (they stay in history)"),
            }
        }
        QueueVerb::Run { .. } => return Ok(ExitCode::Done),
    };
    if common.json {
        out(&json!({"status": "done", "job": told.job, "message": told.text}).to_string());
    } else {
        out(&told.text);
    }
    Ok(ExitCode::Done)
}

struct Told {
    job: Option<JobId>,
    text: String,
}

impl Told {
    fn about(job: u64, what: &str) -> Self {
        Self { job: Some(JobId(job)), text: format!("Job {job} {what}") }
    }
}

fn asked(job: u64, asked: Acknowledgement, done: &str) -> Told {
    match asked {
        Acknowledgement::Done => Told::about(job, &format!("is {done}")),
        Acknowledgement::Told => {
            Told::about(job, &format!("runs in another program, which was told: it will be {done}"))
        }
    }
}

fn list(queue: &Queue, as_json: bool) {
    let entries = queue.entries();
    if as_json {
        out(&json!({"jobs": entries}).to_string());
        return;
    }
    if entries.is_empty() {
        report::note("The queue is empty");
    }
    for entry in entries {
        let draft = &entry.job.work.draft;
        let (size, frames, steps) = (draft.size, draft.frames, draft.steps);
        let prompt: String = draft.prompt.chars().take(SHOWN).collect();
        let lane = match entry.job.work.priority {
            Priority::Urgent => " urgent",
            Priority::Normal => "",
            Priority::Low => " low",
        };
        out(&format!(
            "{:>5} {:<10}{lane} {} {size} x {frames}, {steps} steps  {prompt}{}",
            entry.job.id,
            if queue.is_broken_off(entry) { "broken off" } else { standing(entry) },
            draft.model,
            ending(entry),
        ));
    }
}

fn standing(entry: &JobEntry) -> &'static str {
    match (&entry.status, entry.wish) {
        (JobState::Waiting, _) => "waiting",
        (JobState::Held, _) | (JobState::Running { .. }, Some(PendingAction::Pause)) => "paused",
        (JobState::Running { .. }, _) => "running",
        (JobState::Ended { task }, _) => match task.status {
            EndStatus::Done => "done",
            EndStatus::Failed => "failed",
            EndStatus::Cancelled => "cancelled",
        },
    }
}

fn ending(entry: &JobEntry) -> String {
    let Some(task) = entry.ended() else { return String::new() };
    match (&task.output, &task.error) {
        (Some(output), _) => format!("  {}", output.display()),
        (None, Some(error)) => format!("  {}", error.message),
        (None, None) => String::new(),
    }
}

/// Works until nothing waits that may run.
fn work_on_all(places: &Places, output: Output, as_json: bool) -> Result<ExitCode> {
    let interrupts = interrupts()?;
    let service = service("wandeck queue run", Scope::Everything)?.settled(&places.settings);
    let worker = Worker::start(places.data_dir.clone(), service, Arc::new(|| {}))?;
    let (mut reporter, mut job) = (ProgressPrinter::new(output), None);
    let (mut done, mut failed) = (0, 0);
    loop {
        select! {
            recv(interrupts) -> _ => {
                reporter.note("Stopping; the job goes on where it was, next time");
                return Ok(ExitCode::Cancelled);
            }
            recv(worker.events()) -> event => {
                let (id, event) = event.map_err(|error| {
                    Error::new(Kind::Bug, "The engine thread has ended").because(error)
                })?;
                if job != Some(id) {
                    job = Some(id);
                    reporter.note(&format!("Job {id}"));
                }
                reporter.event(&event);
                match &event {
                    Event::Finished { outcome } => {
                        done += 1;
                        reporter.note(&format!("{} in {}", outcome.output.display(), outcome.generation_time_s));
                    }
                    Event::Failed { error } => {
                        failed += 1;
                        reporter.note(&format!("Error: {error:#}"));
                    }
                    _ => {}
                }
                if event.is_terminal() {
                    reporter = ProgressPrinter::new(output);
                }
            }
            default(LOOK) => {}
        }
        worker.snapshot().told.iter().for_each(|told| reporter.note(told));
        if worker.is_idle() {
            break;
        }
    }
    if as_json {
        out(&json!({"status": "done", "finished": done, "failed": failed}).to_string());
    } else {
        report::note(&format!("{done} done, {failed} failed; nothing waits"));
    }
    Ok(if failed > 0 { ExitCode::Failed } else { ExitCode::Done })
}

/// How often it is looked whether anything is left to do.
const LOOK: Duration = Duration::from_millis(20);
