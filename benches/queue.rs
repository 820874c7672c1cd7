//! What the queue costs: 10,000 jobs that wait, and a job with journal, events and checkpoints beside the bare pipeline.
//!
//! `ORT_DISABLE_TELEMETRY=1 cargo bench --bench queue`

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should stop")]
#![expect(clippy::print_stdout, reason = "it is what it is for")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use wandeck::attempt::run_job;
use wandeck::core::{CancelToken, Draft, Event, Faults, Resolution};
use wandeck::engine::runtime;
use wandeck::jobs::{JobId, JobSpec};
use wandeck::monitor::resident;
use wandeck::presets;
use wandeck::queue::{Queue, Scope};
use wandeck::store::StoredTensors;
use wandeck::worker::{Worker, WorkerOptions};

const JOBS: u64 = 10_000;
const ROUNDS: usize = 9;

fn main() {
    let data_dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-data");
    let dir = tempfile::tempdir().unwrap();
    many(dir.path());
    let runtime = runtime::ensure(&data_dir, &CancelToken::new(), &mut |_| {}).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(data_dir.join("runtime"), dir.path().join("runtime")).unwrap();
    for (what, size, frames) in [("64x64x17", 64, 17), ("192x192x33", 192, 33)] {
        let draft = Draft { size: Resolution::new(size, size), frames, ..draft() };
        overhead(&runtime, dir.path(), what, &draft);
    }
}

fn draft() -> Draft {
    Draft {
        seed: 1,
        ..presets::by_name("toy-t2v").unwrap().draft("a red circle moves right on a black background")
    }
}

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B")
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let began = Instant::now();
    let done = work();
    (began.elapsed(), done)
}

fn many(dir: &Path) {
    let dir = dir.join("many");
    let mut queue = Queue::open(&dir, "a bench", &Faults::default()).unwrap();
    let work = |seed| JobSpec::new(Draft { seed, ..draft() }, model(), dir.join("a.mp4"));
    let (adding, ()) = timed(|| {
        for seed in 0..JOBS {
            queue.add(work(seed), false).unwrap();
        }
    });
    drop(queue);
    let open = || Queue::open(&dir, "a bench", &Faults::default()).unwrap();
    let before = resident().map_or(0, |bytes| bytes.0);
    let opening = median((0..ROUNDS).map(|_| timed(|| drop(open())).0).collect());
    let grown = resident().map_or(0, |bytes| bytes.0).saturating_sub(before);
    let mut queue = open();
    let listing = median((0..ROUNDS).map(|_| timed(|| queue.jobs().len()).0).collect());
    let moving = (0..ROUNDS as u64)
        .map(|at| timed(|| queue.move_before(JobId(JOBS - at), Some(JobId(1 + at * 1000))).unwrap()).0);
    let moving = median(moving.collect());
    println!(
        "{JOBS} jobs: add {:?} each, open {opening:?}, list {listing:?}, move {moving:?}",
        adding / JOBS as u32
    );
    println!("opening it {ROUNDS} times leaves {:.1} MiB more resident", grown as f64 / f64::from(1 << 20));
}

fn overhead(runtime: &wandeck::engine::Runtime, dir: &Path, what: &str, draft: &Draft) {
    let worker =
        Worker::start(dir.into(), WorkerOptions::new("a bench", Scope::Everything), Arc::new(|| {})).unwrap();
    let mut cache = StoredTensors::new(&dir.join("bare"));
    let (mut bare, mut queued) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let work =
            |name: &str| JobSpec::new(draft.clone(), model(), dir.join(format!("{what}-{name}-{round}.mp4")));
        let (time, outcome) =
            timed(|| run_job(runtime, &work("bare"), &mut cache, &CancelToken::new(), &mut |_| {}));
        drop(outcome.unwrap());
        bare.push(time);
        let (time, ()) = timed(|| {
            worker.submit(work("queued")).unwrap().recv().unwrap().unwrap();
            loop {
                let (_, event) = worker.events().recv().unwrap();
                if event.is_terminal() {
                    assert!(matches!(event, Event::Finished { .. }));
                    return;
                }
            }
        });
        queued.push(time);
    }
    let (bare, queued) = (median(bare), median(queued));
    let share = queued.as_secs_f64() / bare.as_secs_f64() - 1.0;
    println!("{what}: bare {bare:?}, through the queue {queued:?}, {:+.1} %", share * 100.0);
}
