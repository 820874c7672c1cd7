//! The queue as people use it: what is urgent overtakes, what is paused goes on where it was, nothing is denoised twice,
//! several programs share one data folder.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common;
use crate::desk::{Desk, start, work};
use wandeck::core::{DeviceId, Draft, Event, Faults, Fix, Kind, Stage, StepCount};
use wandeck::jobs::{Fallback, JobId, JobSpec, JobState, Priority};
use wandeck::queue::QueueCommand;
use wandeck::queue::{Acknowledgement, Queue};
use wandeck::store::HeldLock;

/// The bytes that a job makes when nothing happens to it.
fn undisturbed(seed: u64) -> Vec<u8> {
    let desk = Desk::new("");
    let id = desk.submit(desk.work(seed, "a.mp4"));
    let events = desk.until_end(id);
    fs::read(output(&events)).unwrap()
}

fn output(events: &[(JobId, Event)]) -> PathBuf {
    let Some((_, Event::Finished { outcome })) = events.last() else {
        unreachable!("not finished: {events:?}")
    };
    outcome.output.clone()
}

fn stages(events: &[(JobId, Event)], job: JobId) -> Vec<Stage> {
    let begun = |(id, event): &(JobId, Event)| match event {
        Event::StageStarted { stage } if *id == job => Some(*stage),
        _ => None,
    };
    events.iter().filter_map(begun).collect()
}

#[test]
fn an_urgent_job_overtakes_after_a_step_and_the_other_goes_on_where_it_was() {
    let desk = Desk::new("slow@step=100 x4");
    let slow = desk.submit(desk.work(1, "slow.mp4"));
    desk.until_step(slow, 2);
    let urgent = desk.submit(JobSpec { priority: Priority::Urgent, ..desk.work(2, "urgent.mp4") });
    let events = desk.until_end(slow);
    let ends: Vec<_> = events.iter().filter(|(_, event)| event.is_terminal()).map(|(id, _)| *id).collect();
    assert_eq!(ends, [urgent, slow]);
    let left = events.iter().filter(|(_, event)| matches!(event, Event::Interrupted { .. })).count();
    assert_eq!(left, 1);
    assert_eq!(fs::read(output(&events)).unwrap(), undisturbed(1));
    let num_steps = events.iter().filter(|(id, event)| {
        *id == slow
            && matches!(event, Event::Step { stage, .. }
        if *stage != Stage::Decode)
    });
    assert!(num_steps.count() <= 4, "no step is done twice");
}

#[test]
fn a_paused_job_waits_with_or_without_its_memory() {
    let desk = Desk::new("slow@step=50 x12");
    let job = desk.submit(desk.work(1, "a.mp4"));
    desk.until_step(job, 1);
    desk.worker.command(QueueCommand::Pause { id: job, keep_memory: true }).unwrap();
    // with its memory: nothing happens any more
    while desk.worker.events().recv_timeout(Duration::from_millis(500)).is_ok() {}
    let status = |desk: &Desk| desk.worker.snapshot().jobs[0].state.clone();
    assert!(matches!(status(&desk), JobState::Running { .. }));
    desk.worker.command(QueueCommand::Resume(job)).unwrap();
    desk.until_step(job, 2);
    desk.worker.command(QueueCommand::Pause { id: job, keep_memory: false }).unwrap();
    desk.until(|_, event| matches!(event, Event::Interrupted { .. }));
    while desk.worker.events().recv_timeout(Duration::from_millis(300)).is_ok() {}
    desk.worker.command(QueueCommand::Resume(job)).unwrap();
    assert_eq!(fs::read(output(&desk.until_end(job))).unwrap(), undisturbed(1));
}

#[test]
fn a_paused_queue_stays_paused_after_a_restart_and_resumes_where_it_was() {
    let mut desk = Desk::new("slow@step=50 x12");
    let (job, paused) = (desk.submit(desk.work(1, "a.mp4")), desk.submit(desk.work(2, "b.mp4")));
    desk.worker.command(QueueCommand::Pause { id: paused, keep_memory: false }).unwrap();
    desk.until_step(job, 1);
    desk.worker.command(QueueCommand::PauseAll).unwrap();
    desk.until(|id, event| id == job && matches!(event, Event::Interrupted { .. }));
    while desk.worker.events().recv_timeout(Duration::from_millis(300)).is_ok() {}
    desk.worker = start(desk.dir.path(), "");
    assert!(desk.worker.is_idle(), "no job may start");
    assert!(desk.worker.events().recv_timeout(Duration::from_millis(300)).is_err());
    let mut other = Queue::open(desk.dir.path(), "another test", &Faults::default()).unwrap();
    let state = |queue: &Queue, id| queue.get(id).unwrap().state.clone();
    assert!(other.is_paused());
    assert_eq!((state(&other, job), state(&other, paused)), (JobState::Queued, JobState::Paused));
    assert!(!other.pause_all().unwrap(), "it is already paused");
    assert!(other.resume_all().unwrap());
    assert_eq!(fs::read(output(&desk.until_end(job))).unwrap(), undisturbed(1));
    other.refresh().unwrap();
    assert_eq!(state(&other, paused), JobState::Paused, "the user paused this one");
}

#[test]
fn a_job_goes_on_with_the_next_program() {
    let mut desk = Desk::new("slow@step:3=60000");
    let job = desk.submit(desk.work(1, "a.mp4"));
    desk.until_step(job, 2);
    desk.worker = start(desk.dir.path(), "");
    let events = desk.until_end(job);
    assert!(
        events.iter().any(|(_, event)| matches!(event, Event::Note { message } if message.starts_with("Resuming after step"))),
        "{events:?}"
    );
    assert_eq!(fs::read(output(&events)).unwrap(), undisturbed(1));
}

#[test]
fn a_failed_decode_is_repeated_without_denoising_again() {
    let desk = Desk::new("out-of-memory@decode:3");
    let job = desk.submit(desk.work(1, "a.mp4"));
    let events = desk.until_end(job);
    let stages = stages(&events, job);
    let count = |stage| stages.iter().filter(|begun| **begun == stage).count();
    assert_eq!((count(Stage::DenoiseHigh), count(Stage::DenoiseLow), count(Stage::Decode)), (1, 1, 2));
    let Some((_, Event::Finished { outcome })) = events.last() else { unreachable!("{events:?}") };
    assert_eq!(outcome.retries, 1);
    assert!(outcome.warnings.iter().any(|events| events.contains("Out of memory")), "{:?}", outcome.warnings);
    assert!(wandeck::media::read_metadata(&outcome.output).unwrap().unwrap().contains("Out of memory"));
}

#[test]
fn a_finished_job_is_decoded_again_from_its_latents() {
    let desk = Desk::new("");
    let job = desk.submit(desk.work(1, "a.mp4"));
    let first = output(&desk.until_end(job));
    desk.worker.command(QueueCommand::Retry(job)).unwrap();
    let events = desk.until(|_, event| event.is_terminal());
    let again = events.last().unwrap().0;
    assert!(!stages(&events, again).contains(&Stage::DenoiseHigh));
    let second = output(&events);
    assert_ne!(first, second, "nothing is overwritten");
    assert_eq!(fs::read(first).unwrap(), fs::read(second).unwrap());
}

#[test]
fn a_full_disk_ends_the_job_and_loses_nothing() {
    let desk = Desk::new("disk-full@output");
    let job = desk.submit(desk.work(1, "a.mp4"));
    let events = desk.until_end(job);
    assert!(matches!(&events.last().unwrap().1, Event::Failed { error } if error.kind == Kind::Io));
    assert!(!desk.dir.path().join("a.mp4").exists());
    desk.worker.command(QueueCommand::Retry(job)).unwrap();
    let events = desk.until(|_, event| event.is_terminal());
    assert!(
        !stages(&events, events.last().unwrap().0).contains(&Stage::DenoiseHigh),
        "the latents were kept"
    );
    assert_eq!(fs::read(output(&events)).unwrap(), undisturbed(1));
}

#[test]
fn a_job_that_takes_too_long_is_stopped_and_goes_on_when_retried() {
    let desk = Desk::new("slow@step:4=60000");
    let job = desk.submit(JobSpec { timeout_s: Some(3), ..desk.work(1, "a.mp4") });
    let events = desk.until_end(job);
    let Some((_, Event::Failed { error })) = events.last() else { unreachable!("{events:?}") };
    assert_eq!(
        (error.kind, error.to_string().as_str()),
        (Kind::Timeout, "Stopped at the job's time limit of 3.0 s")
    );
    assert_eq!(error.fixes()[0], Fix::TimeLimit(None));
    // as `queue retry --timeout 0` does
    let mut queue = Queue::open(desk.dir.path(), "a test", &Faults::default()).unwrap();
    let again = queue.retry(job, &[Fix::TimeLimit(None)]).unwrap();
    assert_eq!(queue.get(again).unwrap().spec.timeout_s, None);
    let events = desk.until(|_, event| event.is_terminal());
    let steps = events.iter().filter(|(_, event)| {
        matches!(event, Event::Step { stage: Stage::DenoiseHigh | Stage::DenoiseLow, .. })
    });
    assert!(steps.count() < 6, "it goes on from its resume point");
    assert_eq!(fs::read(output(&events)).unwrap(), undisturbed(1));
}

#[test]
fn waiting_for_the_device_is_not_the_jobs_time() {
    let desk = Desk::new("");
    let folder = desk.dir.path().join("queue");
    let other = HeldLock::attempt(&folder.join("device.lock"), "another program").unwrap().unwrap();
    let job = desk.submit(JobSpec { timeout_s: Some(6), ..desk.work(1, "a.mp4") });
    desk.until(|_, event| matches!(event, Event::Note { message } if message.contains("another program")));
    assert!(desk.worker.events().recv_timeout(Duration::from_secs(7)).is_err(), "it waits");
    drop(other);
    output(&desk.until_end(job));
}

#[test]
fn jobs_of_two_runners_take_turns_on_the_device_that_both_need() {
    // long enough for the other runner to come to the device while it is taken
    let desk = Desk::with_two_runners("slow@step:1=3000");
    let jobs = [1, 2].map(|seed| desk.submit(desk.work(seed, &format!("{seed}.mp4"))));
    let mut ended = 0;
    let events = desk.until(|_, event| {
        ended += u32::from(event.is_terminal());
        ended == 2
    });
    let waits = |event: &Event| matches!(event, Event::Note { message } if message.contains("on the CPU"));
    assert_eq!(events.iter().filter(|(_, event)| waits(event)).count(), 1, "both ran at once: {events:?}");
    let position = |job: JobId, wanted: &dyn Fn(&Event) -> bool| {
        events.iter().position(|(id, event)| *id == job && wanted(event)).unwrap()
    };
    let span = |job: JobId| {
        let start = position(job, &|event| matches!(event, Event::Started { .. }));
        let last = |event: &Event| matches!(event, Event::StageFinished { stage: Stage::PostProcess, .. });
        (start, position(job, &last))
    };
    let mut spans = jobs.map(span);
    spans.sort_unstable();
    assert!(spans[0].1 < spans[1].0, "the second began before the first was done: {spans:?}");
    for (job, seed) in jobs.into_iter().zip([1, 2]) {
        let finished = events.iter().find_map(|(id, event)| match event {
            Event::Finished { outcome } if *id == job => Some(outcome),
            _ => None,
        });
        let outcome = finished.unwrap();
        assert_eq!(outcome.device, Some(DeviceId::CPU));
        assert!(fs::read(&outcome.output).unwrap() == undisturbed(seed), "job {job} made other bytes");
    }
}

#[test]
fn a_model_that_was_allowed_takes_over_from_one_that_cannot_be_used() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let fallback = |id: &str| Fallback { model: id.to_owned(), folder: models.join(id) };
    let desk = Desk::new("");
    let broken = |name: &str, fallbacks: Vec<Fallback>| {
        let work = desk.work(1, name);
        let draft = Draft { model: "not-here".to_owned(), ..work.draft.clone() };
        JobSpec { draft, model: desk.dir.path().join("not-here"), fallbacks, ..work }
    };
    let refused = desk.submit(broken("a.mp4", Vec::new()));
    let events = desk.until_end(refused);
    assert!(
        matches!(&events.last().unwrap().1, Event::Failed { error } if error.kind == Kind::MissingModel),
        "{events:?}"
    );
    // the first that is allowed takes no words without a image
    let allowed = vec![fallback("toy-i2v-A14B"), fallback("toy-t2v-A14B")];
    let events = desk.until_end(desk.submit(broken("b.mp4", allowed)));
    let Some((_, Event::Finished { outcome })) = events.last() else { unreachable!("{events:?}") };
    assert_eq!((outcome.retries, outcome.request.model.as_str()), (1, "toy-t2v-A14B"));
    assert!(
        outcome.warnings.iter().any(|events| events.contains("use the model toy-t2v-A14B")),
        "{outcome:?}"
    );
}

#[test]
fn a_panic_is_an_error_of_one_job() {
    let desk = Desk::new("panic@step:2");
    let broken = desk.submit(desk.work(1, "a.mp4"));
    let next = desk.submit(desk.work(1, "b.mp4"));
    assert!(
        matches!(&desk.until_end(broken).last().unwrap().1, Event::Failed { error } if error.kind == Kind::Bug)
    );
    output(&desk.until_end(next));
}

#[test]
fn another_program_steers_the_job_that_runs_here() {
    let desk = Desk::new("slow@step=200 x30");
    let job = desk.submit(desk.work(1, "a.mp4"));
    let waiting = desk.submit(desk.work(2, "b.mp4"));
    desk.until_step(job, 1);
    let mut other = Queue::open(desk.dir.path(), "another test", &Faults::default()).unwrap();
    assert_eq!(other.jobs().len(), 2);
    assert_eq!(other.cancel(waiting).unwrap(), Acknowledgement::Done);
    assert_eq!(other.cancel(job).unwrap(), Acknowledgement::Requested);
    assert!(matches!(desk.until_end(job).last().unwrap().1, Event::Cancelled));
    let added = other.add(desk.work(3, "c.mp4"), false).unwrap();
    output(&desk.until_end(added));
    let error = other.cancel(JobId(99)).unwrap_err();
    assert!(format!("{error:#}").contains("no job 99"), "{error:#}");
}

#[test]
fn a_job_that_waits_can_be_moved_changed_and_doubled() {
    let dir = common::fresh_data_dir();
    let mut queue = Queue::open(dir.path(), "a test", &Faults::default()).unwrap();
    let ids: Vec<_> = (1..=3)
        .map(|seed| queue.add(work(seed, &dir.path().join(format!("{seed}.mp4"))), false).unwrap())
        .collect();
    queue.move_before(ids[2], Some(ids[0])).unwrap();
    queue.set_priority(ids[1], Priority::Low).unwrap();
    let double = queue.duplicate(ids[0]).unwrap();
    let mut changed = queue.get(ids[0]).unwrap().spec.clone();
    Fix::Steps(StepCount(9)).apply(&mut changed.draft);
    queue.edit(ids[0], changed).unwrap();
    queue.pause(ids[2], false).unwrap();
    // what another program reads is the same
    let read = Queue::open(dir.path(), "another test", &Faults::default()).unwrap();
    let order: Vec<_> = read.jobs().iter().map(|entry| entry.id).collect();
    assert_eq!(order, [ids[2], ids[0], double, ids[1]]);
    assert_eq!(read.get(ids[0]).unwrap().spec.draft.steps, 9);
    assert_eq!(read.get(double).unwrap().spec.draft.steps, 6);
    assert_eq!(read.get(ids[2]).unwrap().state, JobState::Paused);
    assert!(queue.retry(double, &[]).is_err(), "what has not ended cannot be tried again");
}
