//! Hundreds of jobs with random faults: retryable ones recover, nothing is lost, nothing leaks, and each job ends
//! exactly once.
//!
//! `WANDECK_FAULT_JOBS=400 cargo test --release --test faults -- --nocapture` runs more of them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::PATIENCE;
use rand_mt::Mt;
use wandeck::core::{Draft, Event, Faults, Kind};
use wandeck::jobs::EndStatus;
use wandeck::jobs::{JobId, JobSpec};
use wandeck::library::History;
use wandeck::presets;
use wandeck::queue::QueueCommand;
use wandeck::queue::Scope;
use wandeck::worker::{Worker, WorkerOptions};

/// Faults that a retry recovers from, or that do no harm.
const RETRYABLE: [&str; 12] = [
    "out-of-memory@load",
    "out-of-memory@step:2",
    "out-of-memory@step:5",
    "out-of-memory@decode:1",
    "out-of-memory@decode:4",
    "not-finite@step:1",
    "not-finite@step:4",
    "device-failed@load",
    "device-failed@step:3",
    "slow@step:2=30",
    "slow@decode:2=30",
    "disk-full@resume-point",
];
/// What needs attention from the user.
const PERMANENT: [(&str, Kind); 5] = [
    ("disk-full@output", Kind::Io),
    ("disk-full@journal", Kind::Io),
    ("corrupt@read", Kind::CorruptModel),
    ("panic@step:3", Kind::Bug),
    ("panic@decode:2", Kind::Bug),
];

struct Desk {
    faults: Faults,
    worker: Worker,
    ends: BTreeMap<JobId, u32>,
}

impl Desk {
    fn work(seed: u64, dir: &Path) -> JobSpec {
        let preset = presets::by_name("toy-t2v").unwrap().draft("a red circle moves right");
        let draft = Draft { seed, steps: 6, frames: 5, ..preset };
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B");
        JobSpec::new(draft, model, dir.join("videos/a.mp4"))
    }

    /// The last event of the job that runs next, and how often it was tried again.
    fn end(&mut self) -> (JobId, Event, u32) {
        let mut retries = 0;
        loop {
            let (id, event) = self.worker.events().recv_timeout(PATIENCE).unwrap();
            retries += u32::from(matches!(event, Event::Retrying { .. }));
            if event.is_terminal() {
                *self.ends.entry(id).or_default() += 1;
                return (id, event, retries);
            }
        }
    }
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

fn resident_mib() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    (pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096) >> 20
}

fn submit(desk: &Desk, seed: u32, dir: &Path) -> JobId {
    let work = Desk::work(u64::from(seed), dir);
    desk.worker.submit(work).unwrap().recv().unwrap().unwrap()
}

/// Faults that no retry fixes end their job at once; when the cause is gone, the same job works.
fn permanent_faults_end_a_job_and_a_retry_works(desk: &mut Desk, dir: &Path) {
    for (seed, (fault, kind)) in (1000..).zip(PERMANENT) {
        desk.faults.clear();
        // the journal must take the job before it can fail
        let asked = if fault.ends_with("journal") {
            desk.faults.add("slow@step:1=1000").unwrap();
            let asked = submit(desk, seed, dir);
            while !matches!(
                desk.worker.events().recv_timeout(PATIENCE).unwrap().1,
                Event::StageStarted { .. }
            ) {}
            desk.faults.add(fault).unwrap();
            asked
        } else {
            desk.faults.add(fault).unwrap();
            submit(desk, seed, dir)
        };
        let (id, event, retries) = desk.end();
        assert_eq!((id, retries), (asked, 0), "{fault}");
        assert!(matches!(&event, Event::Failed { error } if error.kind == kind), "{fault}: {event:?}");
        desk.faults.clear();
        desk.worker.command(QueueCommand::Retry(asked)).unwrap();
        assert!(matches!(desk.end().1, Event::Finished { .. }), "{fault}: works when the cause is gone");
    }
}

#[test]
fn retries_recover_and_nothing_is_lost() {
    let num_jobs: u32 = std::env::var("WANDECK_FAULT_JOBS").map_or(100, |text| text.parse().unwrap());
    let dir = common::fresh_data_dir();
    let faults = Faults::default();
    let service = WorkerOptions {
        faults: faults.clone(),
        // as many as a job has faults
        max_retries: 3,
        back_off: Duration::from_millis(1),
        ..WorkerOptions::new("a test", Scope::Everything)
    };
    let worker = Worker::start(dir.path().into(), service, Arc::new(|| {})).unwrap();
    let mut desk = Desk { faults, worker, ends: BTreeMap::new() };
    submit(&desk, 0, dir.path());
    desk.end();
    let (threads_before, resident_before) = (threads(), resident_mib());

    let mut random = Mt::new(11);
    let (mut with_faults, mut failures, mut recovered, mut done) = (0, 0, 0, 0);
    for seed in 1..=num_jobs {
        desk.faults.clear();
        let num_faults = random.next_u32() % 4;
        for _ in 0..num_faults {
            let fault = RETRYABLE[random.next_u32() as usize % RETRYABLE.len()];
            desk.faults.add(fault).unwrap();
        }
        let asked = submit(&desk, seed, dir.path());
        let (id, event, retries) = desk.end();
        assert_eq!(id, asked);
        with_faults += u32::from(num_faults > 0);
        let finished = matches!(event, Event::Finished { .. });
        failures += retries + u32::from(!finished);
        recovered += retries;
        done += u32::from(finished);
        if !finished {
            println!("job {id}: {event:?}");
        }
    }
    let finish = f64::from(done) / f64::from(num_jobs);
    let recovery = f64::from(recovered) / f64::from(failures.max(1));
    println!(
        "{done} of {num_jobs} jobs finished ({with_faults} with faults), {recovered} of {failures} failures recovered"
    );
    assert!(finish >= 0.98, "{finish}");
    assert!(recovery >= 0.8, "{recovery}");

    // before the panics, whose backtraces load the symbols of the whole program
    let grown = resident_mib().saturating_sub(resident_before);
    println!("{grown} MiB more resident after {} jobs", desk.ends.len());
    assert!(grown < 96, "{grown} MiB");

    permanent_faults_end_a_job_and_a_retry_works(&mut desk, dir.path());

    // a session has threads of its own: with another prompt, all are loaded again as after the first job
    desk.faults.clear();
    let mut last = Desk::work(2000, dir.path());
    last.draft.prompt = "a blue square".to_owned();
    desk.worker.submit(last).unwrap().recv().unwrap().unwrap();
    assert!(matches!(desk.end().1, Event::Finished { .. }));
    assert_eq!(threads(), threads_before);
    let Desk { worker, ends, .. } = desk;
    assert!(worker.events().is_empty());
    drop(worker);
    assert!(ends.values().all(|&times| times == 1), "each job ends once");
    let (history, _) = History::open(dir.path()).unwrap();
    let tasks = history.recent(10_000).unwrap();
    assert_eq!(tasks.len(), ends.len());
    let videos = std::fs::read_dir(dir.path().join("videos")).unwrap().count();
    assert_eq!(videos, tasks.iter().filter(|task| task.status == EndStatus::Done).count());
}
