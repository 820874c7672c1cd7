//! Many kills and failures: at random moments with three programs, and at every system call that writes.
//!
//! A usual run of the tests tries a few. For all: `WANDECK_ATTACK_ROUNDS=300 WANDECK_ATTACK_ALL=1 cargo test --test
//! attack rounds -- --nocapture`; `WANDECK_PROGRAM` names another build of the program.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![expect(clippy::print_stdout, reason = "a long run says how far it is")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use crate::program::{Desk, has_strace, leftovers};

/// System calls that change files.
const WRITING: [&str; 12] = [
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "ftruncate",
    "mkdir",
    "chmod",
];
/// How long a run may take before it counts as hung.
const HUNG: Duration = Duration::from_mins(2);
/// What jobs make: seed and name of the output.
const KINDS: [(&str, &str); 4] = [("1", "mp4"), ("2", "gif"), ("3", ""), ("4", "mp4")];

/// Kills after which the queue is worked off and checked.
const ROUNDS_OF_A_DESK: usize = 25;

fn number(variable: &str, usual: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Numbers that look random, the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Waits for the end of a program; one that hangs is killed and fails the test.
fn end_of(mut run: Child, what: &str) -> ExitStatus {
    let began = Instant::now();
    loop {
        if let Some(status) = run.try_wait().unwrap() {
            return status;
        }
        if began.elapsed() > HUNG {
            run.kill().unwrap();
            panic!("hung: {what}");
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// The bytes of an output, all frames of a folder in one.
fn bytes(output: &Path) -> Vec<u8> {
    if output.is_file() {
        return fs::read(output).unwrap();
    }
    let mut frames: Vec<_> = fs::read_dir(output).unwrap().map(|frame| frame.unwrap().path()).collect();
    frames.sort();
    frames.iter().flat_map(|frame| fs::read(frame).unwrap()).collect()
}

/// Adds the job `round`, without a fault, and returns its output.
fn add(desk: &Desk, round: usize) -> PathBuf {
    let (seed, extension) = KINDS[round % KINDS.len()];
    let output = desk.path("videos").join(format!("{round}")).with_extension(extension);
    let fixed = ["queue", "add", "a red circle moves right", "--model", "toy-t2v-A14B", "--seed", seed];
    let size = ["--size", "64x64", "--frames", "5", "--steps", "4", "-o", output.to_str().unwrap()];
    let added = desk.run(&[&fixed[..], &size].concat());
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    output
}

/// What an undisturbed program makes of each kind.
fn expected() -> Vec<Vec<u8>> {
    let desk = Desk::new();
    let outputs: Vec<_> = (0..KINDS.len()).map(|round| add(&desk, round)).collect();
    assert!(desk.work().status.success());
    outputs.iter().map(|output| bytes(output)).collect()
}

/// Works the queue off and asserts that each job was made once, as expected, with nothing left over.
fn check(desk: &Desk, made: &BTreeMap<PathBuf, usize>, expected: &[Vec<u8>]) {
    let mut retried = BTreeSet::new();
    for _ in 0..4 {
        end_of(desk.spawn(&["queue", "run"], ""), "the run without a fault");
        // a job that could not write its file, or was killed six times at one place, says so and can be retried
        let failed = desk.statuses().into_iter().zip(1..).filter(|(status, _)| status == "failed");
        let new: Vec<usize> = failed.map(|(_, id)| id).filter(|id| !retried.contains(id)).collect();
        for id in &new {
            let words = String::from_utf8(desk.run(&["queue", "retry", &id.to_string()]).stdout).unwrap();
            println!("job {id} was failed: {}", words.trim());
            retried.insert(*id);
        }
        if new.is_empty() {
            break;
        }
    }
    let statuses = desk.statuses();
    let done = statuses.iter().filter(|status| *status == "done").count();
    assert_eq!(
        (done, statuses.len()),
        (made.len(), made.len() + retried.len()),
        "lost or doubled: {statuses:?}"
    );
    for (output, kind) in made {
        assert_eq!(bytes(output), expected[*kind], "{}", output.display());
    }
    let listed = String::from_utf8(desk.run(&["--json", "tasks", "100000"]).stdout).unwrap();
    for output in made.keys() {
        let done = listed.matches(&format!("{:?}", output.to_str().unwrap())).count();
        assert!((1..=4).contains(&done), "{} is {done} times in the history", output.display());
    }
    let mut names: Vec<_> =
        fs::read_dir(desk.path("videos")).unwrap().map(|file| file.unwrap().path()).collect();
    names.retain(|name| !made.contains_key(name));
    assert_eq!(names, Vec::<PathBuf>::new(), "left over or doubled");
    clean(desk);
}

/// Asserts that the next program sweeps what is old enough.
fn clean(desk: &Desk) {
    let folders = ["", "queue", "queue/work", "queue/live", "latents", "cache/tensors", "performance"];
    for folder in folders {
        crate::common::make_old_if_half(&desk.path(folder));
    }
    desk.statuses();
    for folder in folders {
        assert_eq!(leftovers(&desk.path(folder)), [""; 0], "in {folder}");
    }
    for folder in ["queue/work", "queue/live"] {
        let files =
            fs::read_dir(desk.path(folder)).map(|files| files.map(|file| file.unwrap().path()).collect());
        assert_eq!(files.unwrap_or_else(|_| Vec::new()), Vec::<PathBuf>::new());
    }
}

#[test]
fn three_programs_that_are_killed_again_and_again_lose_and_double_nothing() {
    let rounds = number("WANDECK_ATTACK_ROUNDS", 5);
    let expected = expected();
    let (mut desk, mut made) = (Desk::new(), BTreeMap::new());
    let mut random = Random(number("WANDECK_ATTACK_SEED", 7) as u64);
    for round in 0..rounds {
        made.insert(add(&desk, round), round % KINDS.len());
        let mut programs: Vec<_> = (0..3).map(|_| desk.spawn(&["queue", "run"], "")).collect();
        for program in &mut programs {
            std::thread::park_timeout(Duration::from_millis(random.below(900)));
            program.kill().unwrap();
            program.wait().unwrap();
        }
        if (round + 1).is_multiple_of(ROUNDS_OF_A_DESK) || round + 1 == rounds {
            check(&desk, &made, &expected);
            println!("{} rounds: {} jobs made once, bytes equal, nothing left", round + 1, made.len());
            // the list of a data folder keeps fifty ended jobs
            (desk, made) = (Desk::new(), BTreeMap::new());
        }
    }
}

/// How often a program calls each writing system call.
fn calls(desk: &Desk, args: &[&str]) -> Vec<(&'static str, usize)> {
    let log = desk.path("calls");
    desk.strace_to(&log, &format!("trace={}", WRITING.join(",")), args);
    let text = fs::read_to_string(log).unwrap();
    let count = |call: &str| text.lines().filter(|line| line.contains(&format!(" {call}("))).count();
    let counted: Vec<_> = WRITING.iter().map(|call| (*call, count(call))).collect();
    assert!(counted.iter().any(|(_, count)| *count > 0), "strace saw no call that writes");
    counted
}

#[test]
fn a_fault_at_any_system_call_that_writes_loses_and_doubles_nothing() {
    if !has_strace() {
        return;
    }
    let expected = expected();
    let every = if number("WANDECK_ATTACK_ALL", 0) > 0 { 1 } else { 29 };
    let probe = Desk::new();
    add(&probe, 0);
    let counted = calls(&probe, &["queue", "run"]);
    let mut tried = 0;
    for fault in ["signal=KILL", "error=ENOSPC", "error=EIO"] {
        let points = counted.iter().flat_map(|(call, count)| (1..=*count).map(move |nth| (*call, nth)));
        for (call, nth) in points.step_by(every) {
            let desk = Desk::new();
            let made = BTreeMap::from([(add(&desk, 0), 0)]);
            let inject = format!("{call}:{fault}:when={nth}");
            let ended = end_of(desk.strace(&inject, &["queue", "run"]), &inject);
            println!("{inject}: {ended}");
            check(&desk, &made, &expected);
            tried += 1;
        }
    }
    assert!(tried > 0);
    println!("{tried} faults while a job ran");
}

#[test]
fn a_job_is_in_the_queue_if_and_only_if_its_number_was_said() {
    if !has_strace() {
        return;
    }
    let every = if number("WANDECK_ATTACK_ALL", 0) > 0 { 1 } else { 7 };
    let add = ["queue", "add", "a red circle", "--model", "toy-t2v-A14B", "--size", "64x64", "--frames", "5"];
    let counted = calls(&Desk::new(), &add);
    for fault in ["signal=KILL", "error=ENOSPC", "error=EIO"] {
        let points = counted.iter().flat_map(|(call, count)| (1..=*count).map(move |nth| (*call, nth)));
        for (call, nth) in points.step_by(every) {
            let desk = Desk::new();
            let inject = format!("{call}:{fault}:when={nth}");
            let added = end_of(desk.strace(&inject, &add), &inject);
            let listed = desk.statuses();
            println!("{inject}: {added}, {listed:?}");
            assert!(listed.len() <= 1 && (!added.success() || listed == ["queued"]), "{inject}: {listed:?}");
            // what was printed could not be read, or the sync may have worked all the same
            let may_be_there = call == "write" || fault == "signal=KILL" || call.ends_with("sync");
            assert!(added.success() || listed.is_empty() || may_be_there, "{inject}: {listed:?}");
            clean(&desk);
        }
    }
}
