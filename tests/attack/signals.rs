//! Signals that end the program: the resume point stays, and the events say so.

use std::io::{BufRead as _, BufReader};
use std::process::Command;

use crate::program::Desk;

#[test]
fn a_terminated_generate_is_interrupted_and_resumes_from_its_last_step() {
    for signal in ["-TERM", "-HUP"] {
        let desk = Desk::new();
        let video = desk.path("o.mp4");
        let args = ["generate", "a red circle", "--model", "toy-t2v-A14B", "--seed", "1", "--steps", "6"];
        let more = ["--frames", "5", "--size", "64x64", "--events", "-o", video.to_str().unwrap()];
        let mut run = desk.spawn(&[&args[..], &more].concat(), "slow@step:5=600000");
        let mut lines = BufReader::new(run.stdout.take().unwrap()).lines().map(Result::unwrap);
        // the first step is always saved as a resume point
        assert_eq!(lines.by_ref().filter(|line| line.contains(r#""step":"#)).take(4).count(), 4);
        assert!(Command::new("kill").args([signal, &run.id().to_string()]).status().unwrap().success());
        assert!(lines.any(|line| line.contains("interrupted")), "{signal}: no event says so");
        assert_eq!(run.wait().unwrap().code(), Some(130));
        let again = desk.work();
        let words = String::from_utf8_lossy(&again.stderr).into_owned();
        assert!(words.contains("after step"), "{signal}: {words}");
        assert_eq!((desk.recorded(&video), video.exists()), (1, true));
    }
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
