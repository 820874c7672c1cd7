//! A waiting job is taken into the form, changed and given back, and the form has what it had before.

use eframe::egui::{Key, Modifiers};
use wandeck::jobs::EndStatus;

use crate::common;
use crate::window::Window;

#[test]
fn a_waiting_job_is_changed_and_the_form_comes_back() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    window.add_job("the running one", "1000");
    window.wait_for("Running job 1");
    window.add_job("the waiting one", "3");
    window.set_prompt("something else");
    window.click_when_there("Edit job 2");
    window.wait("the job is in the form", |window| window.prompt() == "the waiting one");
    window.set_prompt("the waiting one, with more words");
    window.set_number("Steps", "2");
    window.click_when_there("Save job 2");
    window.wait("the form is as before", |window| window.prompt() == "something else");
    window.wait("the job is changed", |window| {
        let draft = &window.jobs()[1].spec.draft;
        draft.prompt == "the waiting one, with more words" && draft.steps == 2
    });
    window.press(Modifiers::COMMAND | Modifiers::ALT, Key::Enter);
    window.wait_for_ends(2);
    assert_eq!(window.ends(), [EndStatus::Cancelled, EndStatus::Done]);
}
