//! Groups of jobs: shared work is done once, to the same bytes; drafts are finished exactly; verbs for a whole group.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use wandeck::core::{Draft, Event, Faults, Guidance, Stage};
use wandeck::jobs::{EndStatus, JobGroup, JobId, JobSpec, JobState, Priority};
use wandeck::queue::{GroupVerb, Queue, QueueCommand, Scope};
use wandeck::worker::{Worker, WorkerOptions};

use crate::common;
use crate::desk::{self, Desk, spec};

/// A draft whose high-noise expert has steps: shift 12 is the official one of T2V-A14B.
fn draft() -> Draft {
    Draft { shift: 12.0, ..desk::draft(7) }
}

fn group(cell: u32) -> JobGroup {
    JobGroup {
        id: "g".to_owned(),
        name: "guidance".to_owned(),
        cell: vec![cell],
        is_timed: false,
        boundaries: Vec::new(),
    }
}

fn high_steps(events: &[(JobId, Event)]) -> usize {
    let is_high = |event: &Event| matches!(event, Event::Step { stage: Stage::DenoiseHigh, .. });
    events.iter().filter(|(_, event)| is_high(event)).count()
}

#[test]
fn cells_that_differ_in_the_low_noise_expert_share_the_high_noise_steps() {
    let lows = [1.0, 2.0, 4.0].map(Guidance);
    let cell = |desk: &Desk, low: Guidance, group: Option<JobGroup>| {
        let name = format!("{}-{}.mp4", low.0, group.is_some());
        let draft = Draft { guidance: 2.0, guidance_low: Some(low.0), ..draft() };
        JobSpec { group, ..spec(draft, &desk.dir.path().join(name)) }
    };
    let desk = Desk::new("");
    let cells = lows.into_iter().zip(0..).map(|(low, at)| cell(&desk, low, Some(group(at)))).collect();
    let shared = desk.until_done(desk.submit_all(cells));
    let alone: Vec<_> = lows.into_iter().map(|low| cell(&desk, low, None)).collect();
    let plain = desk.until_done(desk.submit_all(alone));
    let once = high_steps(&plain) / lows.len();
    assert!(once >= 3, "the high-noise expert has steps: {once}");
    assert_eq!(high_steps(&shared), once, "the other cells start from the switch");
    for low in lows {
        let bytes = |shares: bool| fs::read(desk.dir.path().join(format!("{}-{shares}.mp4", low.0))).unwrap();
        assert_eq!(bytes(true), bytes(false), "guidance {}", low.0);
    }
    // the history keeps the place of each
    let history = desk.queue();
    let entries = history.history().unwrap().of_group("g").unwrap();
    let cells: Vec<_> = entries.iter().map(|entry| entry.group.clone().unwrap().cell[0]).collect();
    assert_eq!(cells, [0, 1, 2]);
}

#[test]
fn cells_with_other_boundaries_share_the_steps_that_they_have_in_common() {
    // in an order in which the first is neither the earliest nor the latest switch
    let boundaries = [Some(0.95), Some(0.97), Some(0.9)];
    let cell = |desk: &Desk, at: usize, is_shared: bool| {
        let boundaries = boundaries.to_vec();
        let group = is_shared.then(|| JobGroup { boundaries: boundaries.clone(), ..group(at as u32) });
        let draft = Draft { guidance: 2.0, guidance_low: Some(3.0), boundary: boundaries[at], ..draft() };
        JobSpec { group, ..spec(draft, &desk.dir.path().join(format!("{at}-{is_shared}.mp4"))) }
    };
    let desk = Desk::new("");
    let alone: Vec<_> = (0..boundaries.len())
        .map(|at| high_steps(&desk.until_done(desk.submit_all(vec![cell(&desk, at, false)]))))
        .collect();
    assert!(0 < alone[1] && alone[1] < alone[0] && alone[0] < alone[2], "other switches: {alone:?}");
    let cells = (0..boundaries.len()).map(|at| cell(&desk, at, true)).collect();
    let shared = desk.until_done(desk.submit_all(cells));
    assert_eq!(high_steps(&shared), alone[2], "each of the high-noise expert's steps is computed once");
    for (at, boundary) in boundaries.iter().enumerate() {
        let bytes = |shares: bool| fs::read(desk.dir.path().join(format!("{at}-{shares}.mp4"))).unwrap();
        assert_eq!(bytes(true), bytes(false), "boundary {boundary:?}");
    }
}

#[test]
fn a_draft_pauses_after_its_steps_and_is_finished_to_the_same_bytes() {
    let desk = Desk::new("");
    let drafts: Vec<_> = (0..2)
        .map(|seed| {
            let path = desk.dir.path().join(format!("draft-{seed}.mp4"));
            JobSpec {
                draft_steps: Some(2),
                group: Some(group(seed)),
                ..spec(Draft { seed: seed.into(), ..draft() }, &path)
            }
        })
        .collect();
    let jobs = desk.submit_all(drafts);
    let events = desk.until_done(jobs.clone());
    let steps = |events: &[(JobId, Event)], id: JobId| {
        let is_step = |event: &Event| {
            matches!(event, Event::Step { stage: Stage::DenoiseHigh | Stage::DenoiseLow, .. })
        };
        events.iter().filter(|(of, event)| *of == id && is_step(event)).count()
    };
    for id in &jobs {
        assert_eq!(steps(&events, *id), 2);
        assert_eq!(desk.queue().get(*id).unwrap().state, JobState::Paused);
    }
    // the winner is finished, the other dropped
    desk.worker.command(QueueCommand::Cancel(jobs[0])).unwrap();
    desk.worker.command(QueueCommand::Resume(jobs[1])).unwrap();
    let events = desk.until_done(jobs.clone());
    assert_eq!(steps(&events, jobs[1]), 4, "only the rest is computed");
    let whole = desk.dir.path().join("whole.mp4");
    desk.until_done(desk.submit_all(vec![spec(Draft { seed: 1, ..draft() }, &whole)]));
    assert_eq!(fs::read(desk.dir.path().join("draft-1.mp4")).unwrap(), fs::read(whole).unwrap());
    assert!(!desk.dir.path().join("draft-0.mp4").exists());
}

#[test]
fn a_verb_for_a_group_reaches_its_jobs_and_no_others() {
    let dir = common::fresh_data_dir();
    let mut queue = Queue::open(dir.path(), "a test", &Faults::default()).unwrap();
    let path = |name: &str| dir.path().join(name);
    let cells =
        (0..3).map(|at| JobSpec { group: Some(group(at)), ..spec(draft(), &path(&format!("{at}.mp4"))) });
    let ids = queue.add_all(cells.collect(), false).unwrap();
    let other = queue.add(spec(draft(), &path("other.mp4")), false).unwrap();
    assert_eq!(ids, [JobId(1), JobId(2), JobId(3)]);
    drop(queue);
    let options = WorkerOptions::new("a test", Scope::Own);
    let worker = Worker::start(dir.path().into(), options, Arc::new(|| {})).unwrap();
    let verb = |verb| worker.command(QueueCommand::Group { id: "g".to_owned(), verb }).unwrap();
    let reader = || Queue::open(dir.path(), "a reader", &Faults::default()).unwrap();
    let until = |what: &str, done: &dyn Fn(&Queue) -> bool| {
        for _ in 0..1000 {
            if done(&reader()) {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        unreachable!("{what}");
    };
    let all = |queue: &Queue, is: &dyn Fn(&JobState) -> bool| {
        ids.iter().all(|id| is(&queue.get(*id).unwrap().state))
    };
    verb(GroupVerb::Pause);
    until("paused", &|queue| all(queue, &|state| *state == JobState::Paused));
    verb(GroupVerb::Resume);
    verb(GroupVerb::SetPriority(Priority::Low));
    until("low", &|queue| ids.iter().all(|id| queue.get(*id).unwrap().spec.priority == Priority::Low));
    assert_eq!(reader().jobs().first().map(|job| job.id), Some(other));
    verb(GroupVerb::SetPriority(Priority::Normal));
    verb(GroupVerb::Move(Some(other)));
    verb(GroupVerb::Cancel);
    until("cancelled", &|queue| all(queue, &|state| matches!(state, JobState::Ended { .. })));
    let order: Vec<_> = reader().jobs().iter().map(|job| job.id).collect();
    assert_eq!(order, [ids[0], ids[1], ids[2], other]);
    verb(GroupVerb::Retry);
    until("retried", &|queue| queue.jobs().len() == 7);
    // what was retried is not retried again
    verb(GroupVerb::Retry);
    verb(GroupVerb::Remove);
    until("removed", &|queue| queue.jobs().len() == 4);
    let reader = reader();
    assert_eq!(reader.get(other).unwrap().state, JobState::Queued);
    assert!(reader.jobs().iter().all(|job| job.ended().is_none_or(|end| end.status != EndStatus::Done)));
}
