//! The program is killed while a job runs; opened again, form, queue and gallery are as they were.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use wandeck::core::Faults;
use wandeck::jobs::{EndStatus, JobState};
use wandeck::queue::Queue;

use crate::common;
use crate::window::Window;

/// The data folder of the window that is killed; set for the process that runs it.
const DATA_DIR: &str = "WANDECK_STORY_DATA_DIR";

/// Not a story of its own: the window that [`form_queue_and_gallery_are_as_they_were`] kills.
#[test]
#[ignore = "runs as the process that another story kills"]
fn window_that_is_killed() {
    let data_dir = std::env::var_os(DATA_DIR).unwrap();
    let mut window = Window::open(Path::new(&data_dir));
    window.add_job("a finished video", "2");
    window.wait_for_ends(1);
    window.set_number("Frames", "81");
    window.add_job("a long one", "1000");
    window.wait_for("Running job 2");
    window.set_number("Frames", "5");
    window.add_job("a waiting one", "3");
    window.set_prompt("half a sente");
    // until it is killed; this is only the latest end of it
    window.rest(100_000);
}

#[test]
fn form_queue_and_gallery_are_as_they_were() {
    let data_dir = common::fresh_data_dir();
    let program = std::env::current_exe().unwrap();
    let mut killed = Command::new(program)
        .args(["--ignored", "--exact", "reopen_after_kill::window_that_is_killed"])
        .env(DATA_DIR, data_dir.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let form = data_dir.path().join("window.ron");
    while !std::fs::read_to_string(&form).is_ok_and(|text| text.contains("half a sente")) {
        assert!(killed.try_wait().unwrap().is_none(), "the window ended by itself");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let queue = Queue::open(data_dir.path(), "a test", &Faults::default()).unwrap();
    assert!(matches!(queue.jobs()[1].state, JobState::Running { .. }), "{:?}", queue.jobs()[1]);
    drop(queue);

    let mut window = Window::open(data_dir.path());
    assert_eq!(window.prompt(), "half a sente");
    let prompts: Vec<_> = window.jobs().iter().map(|job| job.spec.draft.prompt.clone()).collect();
    assert_eq!(prompts, ["a finished video", "a long one", "a waiting one"]);
    // what ran is taken up again
    window.wait_for("Running job 2");
    window.click_when_there("Cancel job 2");
    window.wait_for_ends(3);
    assert_eq!(window.ends(), [EndStatus::Done, EndStatus::Cancelled, EndStatus::Done]);
    window.command("Gallery");
    window.wait_for("a finished video");
}
