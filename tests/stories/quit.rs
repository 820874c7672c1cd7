//! The window is asked to close while a job runs: it asks once what becomes of the job.

use eframe::egui::{Key, Modifiers};
use wandeck::jobs::{EndStatus, JobState};

use crate::common;
use crate::window::Window;

/// A window in which a long job denoises, asked to close.
fn asked() -> (tempfile::TempDir, Window) {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    window.set_number("Steps", "1000");
    window.press(Modifiers::COMMAND, Key::Enter);
    window.wait_for("Running job 1 · high noise ");
    window.request_close();
    window.wait_for("Job 1 is running");
    assert!(!window.closes());
    (data_dir, window)
}

#[test]
fn to_stay_changes_nothing() {
    let (_data_dir, mut window) = asked();
    window.click("Stay");
    window.step();
    assert!(!window.shows("Job 1 is running") && !window.closes());
    assert!(window.jobs()[0].ended().is_none());
}

#[test]
fn the_job_is_kept_for_next_time() {
    let (data_dir, mut window) = asked();
    window.click("Keep it for next time");
    window.wait("the window closes", Window::closes);
    window.close();
    let mut window = Window::open(data_dir.path());
    window.wait("the job goes on", |window| matches!(window.jobs()[0].state, JobState::Running { .. }));
}

#[test]
fn the_window_closes_after_the_step() {
    let (_data_dir, mut window) = asked();
    window.click("Keep it, close after this step");
    window.wait("the window closes", Window::closes);
    assert!(window.jobs()[0].ended().is_none(), "it goes on next time");
}

#[test]
fn the_job_is_cancelled_and_the_window_closes() {
    let (_data_dir, mut window) = asked();
    window.click("Cancel it and quit now");
    window.wait_for_ends(1);
    assert_eq!(window.ends(), [EndStatus::Cancelled]);
}
