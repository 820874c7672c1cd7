//! The first click makes a video that plays.

use std::time::{Duration, Instant};

use eframe::egui::{Key, Modifiers};

use crate::common;
use crate::window::Window;

#[test]
fn the_first_click_makes_a_video_that_plays() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    window.wait_for("of memory, time unknown until a first run");
    window.click("Generate");
    window.wait_for_ends(1);
    let outcome = window.outcome();
    assert!(outcome.output.unwrap().starts_with(data_dir.path().join("outputs")));
    // what the run took is known for the next one
    window.wait_for(", from 1 earlier run");
    window.wait_for("of 17 ·");
    let said = window.notifications();
    assert!(said.iter().any(|text| text.starts_with("Job 1 is done in ")), "{said:?}");
    window.click("Pause");
    window.click_when_there("Play");
    // behind another panel it stands still
    window.wait_for("Pause");
    let frame = |window: &Window| (1..=17_i32).rev().find(|frame| window.shows(&format!("{frame} of 17 ·")));
    let before = frame(&window).unwrap();
    window.press(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::S);
    window.wait("the player is hidden", |window| frame(window).is_none());
    let hidden_since = Instant::now();
    while hidden_since.elapsed() < Duration::from_millis(900) {
        window.step();
    }
    window.press(Modifiers::COMMAND, Key::Num2);
    window.wait("the player is shown", |window| frame(window).is_some());
    let shown = frame(&window).unwrap();
    assert!(before.abs_diff(shown) <= 2, "{before} {shown}");
}
