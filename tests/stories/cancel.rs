//! A job is cancelled in each of its stages, and leaves nothing behind.

use eframe::egui::{Key, Modifiers};
use wandeck::jobs::EndStatus;

use crate::common;
use crate::window::Window;

/// Starts a job with these numbers, cancels it when its row names `stage`, and checks what is left.
fn cancel_in(stage: &str, numbers: &[(&str, &str)]) {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    for (label, text) in numbers {
        window.set_number(label, text);
    }
    window.press(Modifiers::COMMAND, Key::Enter);
    window.wait_for(stage);
    window.press(Modifiers::COMMAND | Modifiers::ALT, Key::Enter);
    window.wait_for_ends(1);
    assert_eq!(window.ends(), [EndStatus::Cancelled], "{:?}", window.notifications());
    let left = std::fs::read_dir(data_dir.path().join("outputs")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "a cancelled job leaves no file");
    window.wait_for("Ready");
}

#[test]
fn in_the_denoise_stage() {
    cancel_in("Running job 1 · high noise ", &[("Steps", "1000")]);
}

#[test]
fn in_the_decode_stage() {
    cancel_in(
        "Running job 1 · decode",
        &[("Frames", "81"), ("Width", "128"), ("Height", "128"), ("Steps", "1")],
    );
}

#[test]
fn before_it_started() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    window.add_job("the first", "1000");
    window.add_job("the second", "1000");
    window.click_when_there("Cancel job 2");
    window.wait("the second is cancelled", |window| window.ends() == [EndStatus::Cancelled]);
    assert!(window.jobs()[0].ended().is_none(), "the first goes on");
    window.press(Modifiers::COMMAND | Modifiers::ALT, Key::Enter);
    window.wait_for_ends(2);
}
