//! From the first frame to a playing video without a pointer.

use eframe::egui::accesskit::Role;
use eframe::egui::{Key, Modifiers};

use crate::common;
use crate::window::Window;

#[test]
fn a_video_from_the_keyboard_alone() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    // the key of the compose panel brings the focus to the prompt
    window.press(Modifiers::COMMAND, Key::Num1);
    window.press(Modifiers::COMMAND, Key::A);
    window.type_text("a green square grows on a white background");
    assert_eq!(window.prompt(), "a green square grows on a white background");
    // the palette finds the verb by a few letters
    window.press(Modifiers::COMMAND, Key::K);
    window.type_text("generate");
    window.press(Modifiers::NONE, Key::Enter);
    window.wait_for_ends(1);
    assert_eq!(window.outcome().prompt, "a green square grows on a white background");
    window.wait_for("of 17 ·");
    window.press(Modifiers::NONE, Key::Escape);
    window.press(Modifiers::NONE, Key::Space);
    window.wait("the video stands still", |window| window.has_button("Play"));
    window.control(Role::Button, "Play");
}

#[test]
fn no_command_runs_behind_a_dialog_and_a_letter_without_a_video_is_no_error() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    window.press(Modifiers::COMMAND, Key::K);
    window.press(Modifiers::COMMAND, Key::Enter);
    window.press(Modifiers::NONE, Key::Escape);
    window.rest(3);
    let before = window.notifications();
    window.press(Modifiers::NONE, Key::I);
    window.press(Modifiers::NONE, Key::Space);
    assert_eq!((window.notifications(), window.jobs().len()), (before, 0));
    window.press(Modifiers::COMMAND, Key::Enter);
    window.wait_for_ends(1);
}
