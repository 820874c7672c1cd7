//! The form: an image by drop, undo, several videos at once, and what is there again after a restart.

use eframe::egui::accesskit::Role;
use eframe::egui::{Key, Modifiers};
use wandeck::core::{Frame, Resolution};
use wandeck::media::write_png;

use crate::common;
use crate::window::Window;

#[test]
fn an_image_dropped_on_its_well_starts_a_video_of_its_shape_and_can_be_undone() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    let image = data_dir.path().join("wide.png");
    let size = Resolution::new(128, 64);
    write_png(&image, &Frame { size, rgb: vec![120; 128 * 64 * 3] }).unwrap();
    window.drop_file_on(image.clone(), Role::TextInput, "Start image");
    // the router says what it changed, and the well shows what it holds
    window.wait_for(": an image and a prompt");
    window.wait_for("128x64");
    assert_ne!(window.number("Width"), window.number("Height"));
    let path = |window: &Window| window.control(Role::TextInput, "Start image").value().unwrap();
    assert_eq!(path(&window), image.display().to_string());
    // the mode is a step of its own, and so is the image
    window.press(Modifiers::COMMAND, Key::Z);
    window.press(Modifiers::COMMAND, Key::Z);
    window.step();
    assert_eq!(path(&window), "");
    assert_eq!(window.number("Width"), window.number("Height"));
    assert!(window.shows("Text to video with toy-t2v-A14B"));
    window.press(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    window.step();
    assert_eq!(path(&window), image.display().to_string());
}

#[test]
fn an_image_that_cannot_be_read_is_said_before_its_model_is_blamed() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    window.set_text("Start image", "/nowhere/a cat.png");
    window.wait_for("Cannot read /nowhere/a cat.png");
    assert!(!window.shows("does not use a start image"));
    window.click("Remove start image");
    window.wait("the form can run", |window| !window.shows("Cannot read"));
}

#[test]
fn tokens_are_counted_and_a_preset_is_applied_and_undone() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    window.set_prompt("a red circle");
    window.wait_for(" / 512 tokens");
    window.control(Role::ComboBox, "Preset").click();
    window.step();
    window.step();
    window.click("toy-ti2v");
    window.step();
    assert!(window.shows("toy-ti2v-5B"));
    assert_eq!(window.prompt(), "a red circle");
    window.set_number("Steps", "7");
    window.wait_for("1 field differs");
    window.click("Reset Steps");
    window.wait("the mark goes", |window| !window.shows("field differs"));
    window.command("Undo");
    assert_eq!(window.number("Steps"), "7");
    for _ in 0..2 {
        window.command("Undo");
    }
    window.wait_for("Text to video with toy-t2v-A14B");
}

#[test]
fn several_videos_are_queued_at_once_and_the_form_survives_a_crash() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    window.set_number("Number of videos", "2");
    window.click_when_there("Generate");
    window.wait_for_ends(2);
    let seeds: Vec<_> = window.jobs().iter().map(|job| job.spec.draft.seed).collect();
    assert_ne!(seeds[0], seeds[1], "each has its own");
    window.click("Reuse last seed");
    window.step();
    assert_eq!(window.seed(), seeds[1].to_string());
    // it is on disk soon after the change, whatever happens to the program then
    let saved = data_dir.path().join("window.ron");
    let text = format!("seed:{}", seeds[1]);
    window.wait("the form is saved", |_| {
        std::fs::read_to_string(&saved).is_ok_and(|form| form.contains(&text) && form.contains("fixed"))
    });
    drop(window);
    let again = Window::open(data_dir.path());
    assert_eq!(again.seed(), seeds[1].to_string());
    assert_eq!(again.number("Number of videos"), "× 2");
}
