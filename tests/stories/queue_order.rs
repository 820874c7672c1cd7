//! Waiting jobs change their order and their settings, and an urgent one overtakes all others.

use eframe::egui::{Key, Modifiers};

use crate::common;
use crate::window::Window;

/// The prompts of the open jobs, in the order of the queue.
fn order(window: &Window) -> Vec<&str> {
    let open = window.jobs().iter().filter(|job| job.ended().is_none());
    open.map(|job| job.spec.draft.prompt.as_str()).collect()
}

#[test]
fn three_jobs_change_places_and_an_urgent_one_overtakes() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    window.add_job("one", "400");
    window.wait_for("Running job 1");
    window.add_job("two", "2");
    window.add_job("three", "2");
    assert_eq!(order(&window), ["one", "two", "three"]);
    window.drag_row("Job 3,", "Job 2,");
    window.wait("the third is before the second", |window| order(window) == ["one", "three", "two"]);
    window.set_prompt("urgent");
    window.press(Modifiers::COMMAND | Modifiers::SHIFT, Key::Enter);
    // the running job makes room after its step and is resumed afterwards
    window.wait("the urgent job is done first", |window| {
        let ended: Vec<_> = window.jobs().iter().filter(|job| job.ended().is_some()).collect();
        matches!(ended.as_slice(), [job] if job.spec.draft.prompt == "urgent")
    });
    window.wait_for_ends(4);
    let mut ends: Vec<_> =
        window.jobs().iter().map(|job| (job.ended().unwrap().ended, job.spec.draft.prompt.clone())).collect();
    ends.sort();
    let ends: Vec<_> = ends.into_iter().map(|(_, prompt)| prompt).collect();
    assert_eq!(ends, ["urgent", "one", "three", "two"]);
}
