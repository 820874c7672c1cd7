//! `wandeck queue`: lists and changes the queue, and runs it without a window.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::select;

use super::args::{Common, QueueArgs, QueueVerb};
use super::plan;
use super::queue_list;
use super::report::{self, Output, ProgressPrinter, out, print_done, print_json};
use super::signals::{STOPPING, stops};
use super::{ExitCode, Places, service};
use crate::core::{Error, Event, Faults, Kind, Result, counted};
use crate::jobs::{JobId, JobSpec, JobState, Priority, QueueDocument, QueueReplyDocument, QueueRunDocument};
use crate::queue::{Acknowledgement, Queue, Scope};
use crate::store::log_to_file;
use crate::worker::Worker;

/// What is said where a paused queue explains why nothing runs.
const QUEUE_PAUSED: &str = "The queue is paused, \"wandeck queue resume-all\" resumes it";

pub(super) fn run(args: &QueueArgs, common: &Common) -> Result<ExitCode> {
    let places = Places::new(common)?;
    if let QueueVerb::Run { events } = args.verb {
        return work_on_all(&places, if events { Output::Events } else { Output::Text }, common.json);
    }
    let (who, faults) = ("wandeck queue", Faults::from_env()?);
    let mut queue = match args.verb {
        QueueVerb::List => Queue::open_to_read(&places.data_dir, who, &faults)?,
        _ => Queue::open(&places.data_dir, who, &faults)?,
    };
    for note in queue.take_notes() {
        report::note(&note);
    }
    let reply = match &args.verb {
        QueueVerb::List => {
            list(&queue, &places.data_dir, common.json);
            return Ok(ExitCode::Done);
        }
        QueueVerb::Add { generate, priority } => {
            let spec = plan::queueable(generate, &places, None)?;
            let id = queue.add(JobSpec { priority: *priority, ..spec }, false)?;
            Reply { job: Some(id), message: format!("Job {id} is queued") }
        }
        QueueVerb::Cancel { job } => acknowledged(*job, queue.cancel(JobId(*job))?, "cancelled"),
        QueueVerb::Pause { job, keep_memory } => {
            acknowledged(*job, queue.pause(JobId(*job), *keep_memory)?, "paused")
        }
        QueueVerb::Resume { job } => {
            queue.resume(JobId(*job))?;
            Reply::about(*job, "will resume at its turn")
        }
        QueueVerb::PauseAll => Reply::of_queue(queue.pause_all()?, "paused"),
        QueueVerb::ResumeAll => Reply::of_queue(queue.resume_all()?, "resumed"),
        QueueVerb::Move { job, before } => {
            for id in std::iter::once(job).chain(before) {
                check_not_ended(&queue, JobId(*id))?;
            }
            queue.move_before(JobId(*job), before.map(JobId))?;
            let place =
                before.map_or_else(|| "is now last".to_owned(), |id| format!("is now before job {id}"));
            Reply::about(*job, &place)
        }
        QueueVerb::Priority { job, priority } => {
            queue.set_priority(JobId(*job), *priority)?;
            Reply::about(*job, &format!("is now {}", word(*priority)))
        }
        QueueVerb::Duplicate { job } => {
            let id = queue.duplicate(JobId(*job))?;
            Reply { job: Some(id), message: format!("Job {id} is queued, a copy of job {job}") }
        }
        QueueVerb::Edit { job, generate } => {
            let before = queue.get(JobId(*job))?.spec.clone();
            queue.edit(JobId(*job), plan::queueable(generate, &places, Some(before))?)?;
            Reply::about(*job, "was changed")
        }
        QueueVerb::Retry { job, changes } => {
            let id = queue.retry(JobId(*job), &changes.all())?;
            Reply { job: Some(id), message: format!("Job {id} is queued, a retry of job {job}") }
        }
        QueueVerb::Clear => {
            let count = queue.clear_ended()?;
            Reply {
                job: None,
                message: format!(
                    "Removed {} from the list (stays in history)",
                    counted(count as u64, "ended job")
                ),
            }
        }
        QueueVerb::Run { .. } => return Ok(ExitCode::Done),
    };
    if common.json {
        let Reply { job, message } = reply;
        print_done(QueueReplyDocument { job, message });
    } else {
        out(&reply.message);
    }
    Ok(ExitCode::Done)
}

/// The result of a command, as a sentence and for `--json`.
struct Reply {
    job: Option<JobId>,
    message: String,
}

impl Reply {
    fn about(job: u64, what: &str) -> Self {
        Self { job: Some(JobId(job)), message: format!("Job {job} {what}") }
    }

    fn of_queue(has_changed: bool, what: &str) -> Self {
        let already = if has_changed { "" } else { "already " };
        Self { job: None, message: format!("The queue is {already}{what}") }
    }
}

fn acknowledged(job: u64, acknowledgement: Acknowledgement, done: &str) -> Reply {
    match acknowledgement {
        Acknowledgement::Done => Reply::about(job, &format!("is {done}")),
        Acknowledgement::Requested => {
            Reply::about(job, &format!("is running in another program and will be {done} there"))
        }
    }
}

fn list(queue: &Queue, data_dir: &Path, as_json: bool) {
    if as_json {
        let jobs = queue.jobs().into_iter().map(|job| (job, queue.status(job)));
        return print_json(&QueueDocument::new(queue.is_paused(), jobs));
    }
    if queue.is_paused() {
        report::note(QUEUE_PAUSED);
    }
    queue_list::print(queue, data_dir);
}

fn word(priority: Priority) -> &'static str {
    match priority {
        Priority::Urgent => "urgent",
        Priority::Normal => "of normal priority",
        Priority::Low => "of low priority",
    }
}

/// Runs jobs until none is queued.
fn work_on_all(places: &Places, output: Output, as_json: bool) -> Result<ExitCode> {
    let stops = stops()?;
    log_to_file(&places.data_dir);
    let service = service("wandeck queue run", Scope::Everything)?.settled(&places.settings);
    let worker = Worker::start(places.data_dir.clone(), service, Arc::new(|| {}))?;
    let (mut reporter, mut job) = (ProgressPrinter::new(output), None);
    let (mut done, mut failed) = (0, 0);
    loop {
        select! {
            recv(stops) -> _ => {
                reporter.note(STOPPING);
                for (id, event) in worker.shut_down() {
                    reporter.event(id, &event);
                }
                reporter.note("The running job will resume from its last step next time");
                return Ok(ExitCode::Cancelled);
            }
            recv(worker.events()) -> event => {
                let (id, event) = event.map_err(|error| {
                    Error::new(Kind::Bug, "The worker has stopped unexpectedly").because(error)
                })?;
                if job != Some(id) {
                    job = Some(id);
                    reporter.note(&format!("Job {id}"));
                }
                reporter.event(id, &event);
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
            }
            default(POLL) => {
                worker.check()?;
                reporter.tick();
            }
        }
        worker.snapshot().messages.iter().for_each(|message| reporter.note(message));
        if worker.is_idle() {
            break;
        }
    }
    let (is_disk_full, is_device_lost) = (worker.is_disk_full(), worker.is_device_lost());
    let snapshot = worker.snapshot();
    let paused = snapshot.jobs.iter().filter(|job| matches!(job.state, JobState::Paused)).count();
    if as_json {
        print_done(QueueRunDocument { finished: done, failed, paused, queue_paused: snapshot.is_paused });
    } else {
        let queued = snapshot.jobs.iter().filter(|job| job.state == JobState::Queued).count() as u64;
        let left = match snapshot.is_paused {
            true => QUEUE_PAUSED.to_owned(),
            false if is_disk_full => format!("{} in the queue", counted(queued, "job")),
            false => left_words(paused),
        };
        report::note(&format!("{done} done, {failed} failed; {left}"));
    }
    if is_disk_full {
        report::note("The disk is full. Free some space and run this again: the jobs resume");
    }
    if is_device_lost {
        report::note("This program lost the CUDA device; start it again: the jobs resume");
    }
    Ok(if failed > 0 || is_disk_full || is_device_lost { ExitCode::Failed } else { ExitCode::Done })
}

/// What is left in the queue: nothing, or paused jobs.
fn left_words(paused: usize) -> String {
    match paused {
        0 => "the queue is empty".to_owned(),
        1 => "1 job is paused, \"wandeck queue resume JOB\" resumes it".to_owned(),
        _ => format!("{paused} jobs are paused, \"wandeck queue resume JOB\" resumes one"),
    }
}

/// Fails if the job has ended, because it has no place in the queue then.
fn check_not_ended(queue: &Queue, id: JobId) -> Result<()> {
    if queue.get(id)?.ended().is_none() {
        return Ok(());
    }
    Err(Error::new(Kind::Input, format!("Job {id} has ended and has no place in the queue"))
        .field("job")
        .remedy(format!("Queue it again with \"wandeck queue retry {id}\"")))
}

/// How often the end of the queue is checked.
const POLL: Duration = Duration::from_millis(20);
