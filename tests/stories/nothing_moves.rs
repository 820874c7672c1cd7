//! What can be clicked stays where it is while a job starts, ends and is reported.

use eframe::egui::{Key, Modifiers};

use crate::common;
use crate::window::Window;

#[test]
fn notifications_and_running_jobs_move_no_button() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    window.rest(5);
    let places = |window: &Window| ["Undo delete", "Export"].map(|button| window.rect_of_button(button));
    let before = places(&window);
    window.press(Modifiers::COMMAND, Key::Enter);
    window.wait_for("Running job 1");
    assert_eq!(places(&window), before, "while a job runs");
    window.wait_for_ends(1);
    window.wait_for("Job 1 is done");
    assert_eq!(places(&window), before, "while a notification shows");
    window.click("Dismiss");
    window.wait("the notification is gone", |window| !window.has_button("Dismiss"));
    assert_eq!(places(&window), before, "after it");
}
