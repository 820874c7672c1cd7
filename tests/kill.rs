//! Three programs that work on one queue are killed at random moments, again and again: no job is lost, none is done
//! twice, nothing is left over, and every video has the bytes of an undisturbed run.
//!
//! `WANDECK_KILL_ROUNDS=500 cargo test --release --test kill -- --nocapture` runs the long form.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rand_mt::Mt;
use wandeck::core::{Draft, Faults, Resolution};
use wandeck::jobs::EndStatus;
use wandeck::jobs::JobSpec;
use wandeck::library::History;
use wandeck::queue::Queue;

/// Jobs that wait at a time.
const JOBS: usize = 3;
/// Programs that work on the queue at a time.
const PROGRAMS: usize = 3;

fn program(dir: &Path) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_wandeck"));
    program.env("WANDECK_DATA_DIR", dir).stdout(Stdio::null()).stderr(Stdio::null());
    program
}

fn draft(seed: u64) -> Draft {
    let preset = wandeck::presets::by_name("toy-t2v").unwrap().draft("a red circle moves right");
    Draft { seed, steps: 6, frames: 5, size: Resolution::new(64, 64), ..preset }
}

fn add(dir: &Path, draft: Draft, name: &str) {
    let mut queue = Queue::open(dir, "a test", &Faults::default()).unwrap();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B");
    queue.add(JobSpec::new(draft, model, dir.join("videos").join(name)), false).unwrap();
}

fn waiting(dir: &Path) -> usize {
    let queue = Queue::open(dir, "a test", &Faults::default()).unwrap();
    queue.jobs().iter().filter(|entry| entry.ended().is_none()).count()
}

/// The names in the folder of saved states; half written files of killed programs only if `half` is true.
fn states_left(dir: &Path, half: bool) -> Vec<String> {
    let entries = fs::read_dir(dir.join("queue/work")).unwrap().map(|entry| entry.unwrap().file_name());
    let names = entries.map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| half || !name.starts_with('.')).collect()
}

#[test]
fn killed_at_any_moment_nothing_is_lost_or_done_twice() {
    let rounds: usize = std::env::var("WANDECK_KILL_ROUNDS").map_or(6, |text| text.parse().unwrap());
    let dir = common::fresh_data_dir();
    let dir = dir.path();
    // undisturbed, and how long that takes
    add(dir, draft(0), "undisturbed-0.mp4");
    let began = Instant::now();
    assert!(program(dir).args(["queue", "run"]).status().unwrap().success());
    let whole = began.elapsed() * 2;
    for seed in 1..4 {
        add(dir, draft(seed), &format!("undisturbed-{seed}.mp4"));
    }
    assert!(program(dir).args(["queue", "run"]).status().unwrap().success());

    let mut chance = Mt::new(7);
    let (mut added, mut killed) = (0, 0);
    while killed < rounds {
        while waiting(dir) < JOBS {
            add(dir, draft(added % 4), &format!("job-{added}.mp4"));
            added += 1;
        }
        let start = || program(dir).args(["queue", "run"]).spawn().unwrap();
        let runs: Vec<_> = std::iter::repeat_with(start).take(PROGRAMS).collect();
        for mut run in runs {
            let moment = whole.mul_f64(f64::from(chance.next_u32()) / f64::from(u32::MAX));
            // the moment is what is tested
            std::thread::park_timeout(moment.max(Duration::from_millis(1)));
            if run.try_wait().unwrap().is_none() {
                run.kill().unwrap();
                killed += 1;
            }
            run.wait().unwrap();
        }
    }
    assert!(program(dir).args(["queue", "run"]).status().unwrap().success());
    assert_eq!(waiting(dir), 0, "nothing is lost");

    let (history, notes) = History::open(dir).unwrap();
    assert!(notes.is_empty(), "{notes:?}");
    let mut outputs = BTreeMap::<_, u32>::new();
    for task in history.recent(usize::MAX / 4).unwrap() {
        assert_eq!(task.status, EndStatus::Done, "{:?}", task.error);
        *outputs.entry(task.output.unwrap()).or_default() += 1;
    }
    assert!(outputs.values().all(|&times| times == 1), "each job ended once");
    assert_eq!(outputs.len() as u64, added + 4);
    let mut files = 0;
    for file in fs::read_dir(dir.join("videos")).unwrap().map(|file| file.unwrap().path()) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        assert!(outputs.contains_key(&file), "{name} is nobody's");
        files += 1;
        if let Some(number) = name.strip_prefix("job-").and_then(|rest| rest.strip_suffix(".mp4")) {
            let seed = number.parse::<u64>().unwrap() % 4;
            let same = dir.join("videos").join(format!("undisturbed-{seed}.mp4"));
            assert_eq!(fs::read(&file).unwrap(), fs::read(same).unwrap(), "{name}");
        }
    }
    assert_eq!(files as u64, added + 4);
    assert_eq!(states_left(dir, false), [""; 0], "states of ended jobs are left");
    common::make_old_if_half(&dir.join("queue/work"));
    waiting(dir);
    assert_eq!(states_left(dir, true), [""; 0], "half files of killed programs are left");
    println!("{killed} kills, {added} jobs: none lost, none twice, all of the same bytes");
}
