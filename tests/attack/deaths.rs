//! Programs that die at one moment: nothing is lost, doubled, passed off as something else or left over.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::time::{Duration, Instant};

use crate::common::PATIENCE;
use crate::program::{Desk, has_strace, leftovers};

/// Waits until `is_so`.
fn until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "it did not happen");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn a_video_that_was_placed_by_a_dead_program_is_not_passed_off_as_an_edited_jobs() {
    if !has_strace() {
        return;
    }
    let desk = Desk::new();
    let red = desk.add("videos/red.mp4", &[]);
    desk.strace("renameat2:signal=KILL:when=1", &["queue", "run"]).wait().unwrap();
    assert_eq!(desk.statuses(), ["interrupted"]);
    let blue = desk.path("videos/blue.mp4");
    assert!(desk.run(&["queue", "pause", "1"]).status.success());
    let edit = ["queue", "edit", "1", "a blue square moves up", "--model", "toy-t2v-A14B", "--seed", "5"];
    let numbers = ["--steps", "3", "--frames", "9", "--size", "64x64", "-o", blue.to_str().unwrap()];
    let edited = desk.run(&[&edit[..], &numbers].concat());
    assert!(edited.status.success(), "{}", String::from_utf8_lossy(&edited.stderr));
    assert!(desk.run(&["queue", "resume", "1"]).status.success());
    assert!(desk.work().status.success());
    assert_eq!((red.exists(), desk.recorded(&blue)), (false, 1));
    assert_eq!(wandeck::media::Reader::open(&blue).unwrap().info().frames.0, 9, "the edited job's own video");
    assert_eq!(leftovers(&desk.path("videos")), [""; 0]);
}

#[test]
fn a_job_that_is_cancelled_after_its_program_died_leaves_nothing() {
    if !has_strace() {
        return;
    }
    let desk = Desk::new();
    let video = desk.add("videos/red.mp4", &[]);
    desk.strace("renameat2:signal=KILL:when=1", &["queue", "run"]).wait().unwrap();
    assert_eq!(leftovers(&desk.path("videos")).len(), 1, "the half video is there");
    assert!(desk.run(&["queue", "cancel", "1"]).status.success());
    assert!(desk.work().status.success());
    assert!(!video.exists());
    assert_eq!(leftovers(&desk.path("videos")), [""; 0]);
    assert_eq!(fs::read_dir(desk.path("queue/work")).unwrap().count(), 0, "no state of an ended job");
}

#[test]
fn frames_that_were_about_to_be_replaced_come_back() {
    if !has_strace() {
        return;
    }
    for cancel in [true, false] {
        let desk = Desk::new();
        let frames = desk.path("videos/frames");
        fs::create_dir_all(&frames).unwrap();
        fs::write(frames.join("frame_0000.png"), "old").unwrap();
        desk.add("videos/frames", &["--overwrite"]);
        // the first rename sets the old folder aside, the second puts the new one in its place
        let inject = "rename:delay_exit=3000000:when=1";
        let mut run = desk.strace_at(&frames, inject, &["queue", "run"]);
        until(|| !frames.exists());
        desk.kill_worker();
        run.wait().unwrap();
        if cancel {
            assert!(desk.run(&["queue", "cancel", "1"]).status.success());
            assert_eq!(fs::read(frames.join("frame_0000.png")).unwrap(), b"old");
        }
        assert!(desk.work().status.success());
        assert_eq!(fs::read_dir(&frames).unwrap().count(), if cancel { 1 } else { 5 });
        assert_eq!(leftovers(&desk.path("videos")), [""; 0]);
    }
}

#[test]
fn an_ended_job_that_the_history_does_not_know_survives_a_clear_that_was_open() {
    if !has_strace() {
        return;
    }
    let desk = Desk::new();
    let video = desk.add("o.mp4", &[]);
    // dies after the end is in the journal and before the history has it
    let died = (3..12).any(|nth| {
        desk.strace(&format!("fdatasync:signal=KILL:when={nth}"), &["queue", "run"]).wait().unwrap();
        desk.statuses() == ["done"]
    });
    assert!(died, "no kill hit the moment");
    assert!(desk.run(&["queue", "clear"]).status.success());
    assert_eq!(desk.statuses(), [""; 0]);
    assert_eq!(desk.recorded(&video), 1);
}

#[test]
fn a_program_that_starts_while_another_registers_does_not_take_it_for_dead() {
    if !has_strace() {
        return;
    }
    let desk = Desk::new();
    let video = desk.add("o.mp4", &["--steps", "60"]);
    let mut slow = desk.strace("flock:delay_enter=1500000:when=1", &["queue", "run"]);
    let workers = desk.path("queue/workers");
    until(|| workers.read_dir().is_ok_and(|mut files| files.next().is_some()));
    desk.statuses();
    let mut other = desk.spawn(&["queue", "run"], "");
    assert!(slow.wait().unwrap().success() && other.wait().unwrap().success());
    assert_eq!(desk.statuses(), ["done"]);
    assert_eq!(desk.recorded(&video), 1);
    assert!(!desk.path("o-2.mp4").exists(), "it was made once");
}

#[test]
fn a_job_that_ends_its_program_twice_is_set_aside_and_the_next_one_runs() {
    let desk = Desk::new();
    desk.add("a.mp4", &[]);
    let good = desk.add("b.mp4", &[]);
    for _ in 0..2 {
        let mut run = desk.spawn(&["queue", "run", "--events"], "slow@step:1=600000");
        let mut lines = BufReader::new(run.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.contains("stage_started") && line.contains("denoise")));
        let abort = std::process::Command::new("kill").args(["-ABRT", &run.id().to_string()]).status();
        assert!(abort.unwrap().success());
        assert!(!run.wait().unwrap().success());
    }
    let run = desk.work();
    assert_eq!(desk.statuses(), ["failed", "done"], "{}", String::from_utf8_lossy(&run.stderr));
    let words = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(words.contains("2 times in a row") && words.contains("set aside"), "{words}");
    assert!(good.exists());
}

#[test]
fn a_job_that_is_set_aside_while_its_video_is_written_leaves_no_half_of_it() {
    let desk = Desk::new();
    let video = desk.add("videos/a.mp4", &[]);
    for _ in 0..2 {
        let mut run = desk.spawn(&["queue", "run", "--events"], "slow@decode:3=600000");
        let mut lines = BufReader::new(run.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.contains("stage_started") && line.contains("decode")));
        until(|| !leftovers(&desk.path("videos")).is_empty());
        let abort = std::process::Command::new("kill").args(["-ABRT", &run.id().to_string()]).status();
        assert!(abort.unwrap().success());
        assert!(!run.wait().unwrap().success());
        assert_eq!(leftovers(&desk.path("videos")).len(), 1, "the half video is there");
    }
    desk.work();
    assert_eq!((desk.statuses(), video.exists()), (vec!["failed".to_owned()], false));
    assert_eq!(leftovers(&desk.path("videos")), [""; 0]);
}

#[test]
fn what_killed_programs_left_is_swept_and_what_is_in_use_stays() {
    let desk = Desk::new();
    desk.add("o.mp4", &[]);
    assert!(desk.work().status.success());
    let queued = desk.add("p.mp4", &["--steps", "40"]);
    let mut run = desk.spawn(&["queue", "run", "--events"], "slow@step:3=600000");
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains(r#""step":2"#)));
    let states = || fs::read_dir(desk.path("queue/work")).unwrap().count();
    assert_eq!(states(), 1, "the state of the running job");
    let orphans =
        ["cache/tensors/", "latents/", "queue/", ""].map(|folder| format!("{folder}.wandeck-tmpAbCdEf"));
    for orphan in &orphans {
        let file = fs::File::create(desk.path(orphan)).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_mins(1)).unwrap();
    }
    fs::write(desk.path("queue/work/no-such-job.safetensors"), "").unwrap();
    fs::write(desk.path("queue/live/77.json"), "").unwrap();
    assert_eq!(desk.statuses(), ["done", "running"]);
    let others = ["queue/work/no-such-job.safetensors", "queue/live/77.json"];
    for orphan in orphans.iter().map(String::as_str).chain(others) {
        assert!(!desk.path(orphan).exists(), "{orphan}");
    }
    assert_eq!(states(), 1, "the running job keeps its own");
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(desk.work().status.success() && queued.exists());
}
