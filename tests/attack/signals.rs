//! Signals that end the program: the resume point stays, and the events say so.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command};

use crate::program::Desk;

/// A job of six steps on a small video.
fn job(video: &str) -> Vec<&str> {
    let request =
        "generate|a red circle|--model|toy-t2v-A14B|--seed|1|--steps|6|--frames|5|--size|64x64|--events|-o";
    request.split('|').chain([video]).collect()
}

fn signal(signal: &str, times: usize, program: &Child) {
    let ids = vec![program.id().to_string(); times];
    assert!(Command::new("kill").arg(signal).args(ids).status().unwrap().success());
}

/// The events of a job after the first `steps` of its steps.
fn events_after(steps: usize, run: &mut Child) -> impl Iterator<Item = String> + use<> {
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines().map(Result::unwrap);
    // the first step is always saved as a resume point
    assert_eq!(lines.by_ref().filter(|line| line.contains(r#""step":"#)).take(steps).count(), steps);
    lines
}

#[test]
fn a_terminated_generate_is_interrupted_and_resumes_from_its_last_step() {
    // twice in a moment, as by timeout and by a terminal that is closed
    for (name, times) in [("-TERM", 1), ("-TERM", 2), ("-HUP", 1), ("-HUP", 2)] {
        let desk = Desk::new();
        let video = desk.path("o.mp4");
        let mut run = desk.spawn(&job(video.to_str().unwrap()), "slow@step:5=600000");
        let mut lines = events_after(4, &mut run);
        signal(name, times, &run);
        assert!(lines.any(|line| line.contains("interrupted")), "{name}: no event says so");
        assert_eq!(run.wait().unwrap().code(), Some(130), "{name}");
        let again = desk.work();
        let words = String::from_utf8_lossy(&again.stderr).into_owned();
        assert!(words.contains("after step"), "{name}: {words}");
        assert_eq!((desk.recorded(&video), video.exists()), (1, true));
    }
}

#[test]
fn a_job_that_was_started_with_nohup_outlives_its_terminal() {
    let desk = Desk::new();
    let video = desk.path("o.mp4");
    let mut run = desk.spawn_with_nohup(&job(video.to_str().unwrap()), "slow@step:3=500");
    let mut lines = events_after(2, &mut run);
    signal("-HUP", 2, &run);
    assert!(!lines.any(|line| line.contains("interrupted")));
    assert_eq!((run.wait().unwrap().code(), video.exists()), (Some(0), true));
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let desk = Desk::new();
    // a short document stays in the buffer until the end, a long one is written before
    for document in [["queue", "list"], ["presets", "list"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let status = Command::new(env!("CARGO_BIN_EXE_wandeck"))
            .arg("--json")
            .args(document)
            .env("WANDECK_DATA_DIR", desk.dir.path())
            .stdout(full)
            .status();
        assert_eq!(status.unwrap().code(), Some(1), "{document:?}");
    }
}
