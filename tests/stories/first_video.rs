//! The first click makes a video that plays.

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
}
