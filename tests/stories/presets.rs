//! Presets in the window: saved with chosen fields, from a result and by drop; edited in place, removed and brought back.

use std::fs;

use eframe::egui::accesskit::Role;
use wandeck::presets::{PresetField, find_preset};

use crate::common;
use crate::window::{Screen, Window};

/// A window in which the whole list of presets is seen without scrolling.
fn tall() -> Screen {
    Screen { points: eframe::egui::vec2(1600.0, 2400.0), scale: 1.0 }
}

fn open_presets(window: &mut Window) {
    window.command("Presets");
    window.wait("the presets", |window| window.has_button("Apply toy-t2v"));
}

#[test]
fn a_look_is_saved_applied_edited_removed_and_brought_back() {
    let data_dir = common::fresh_data_dir();
    let saved = || find_preset(data_dir.path(), "soft");
    let mut window = Window::open_on(data_dir.path(), &tall());
    window.set_number("Steps", "7");
    open_presets(&mut window);
    window.set_text("New preset", "soft");
    window.click_label("Fields of the new preset (9)");
    window.click_when_there("Choose none");
    window.step();
    window.control(Role::CheckBox, "Steps 7").click();
    window.step();
    window.click("Save form");
    window.wait("the preset", |window| window.has_button("Apply soft"));
    assert!(saved().unwrap().fields().eq([PresetField::Steps]), "a look need not name a model");

    window.set_number("Steps", "9");
    window.set_number("Frames", "13");
    window.set_text("Search presets", "soft");
    window.wait_for("Would change: Steps 9 to 7");
    window.click("Apply soft");
    window.wait("its steps", |window| window.number("Steps") == "7");
    assert_eq!(window.number("Frames"), "13", "what it does not set stays");

    window.click("Edit soft");
    window.step();
    window.set_text("Sets steps", "11");
    window.click("Save changes");
    window.wait_for("The preset soft is changed");
    assert_eq!(saved().unwrap().settings.steps, Some(11));
    window.click_when_there("Undo the edit of soft");
    window.wait_for("The preset soft is as before");
    assert_eq!(saved().unwrap().settings.steps, Some(7));

    window.click("Remove soft");
    window.wait("it is gone", |window| !window.has_button("Apply soft"));
    assert!(saved().is_err());
    window.click_when_there("Bring back soft");
    window.wait("it is back", |window| window.has_button("Apply soft"));
    assert_eq!(saved().unwrap().settings.steps, Some(7));
}

#[test]
fn a_result_becomes_a_preset_with_its_settings() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open_on(data_dir.path(), &tall());
    window.set_number("Steps", "3");
    window.set_number("Frames", "5");
    window.press(eframe::egui::Modifiers::COMMAND, eframe::egui::Key::Enter);
    window.wait_for_ends(1);
    // the form has other settings meanwhile
    window.set_number("Steps", "8");
    let prompt = window.prompt();
    window.command("Gallery");
    window.wait("the result", |window| window.has_button(&prompt));
    window.choose(&prompt, "Save as a preset");
    window.wait_for("The settings are saved as the preset");
    open_presets(&mut window);
    window.wait_for("Saved from a result");
    let (own, _) = wandeck::presets::own_presets(data_dir.path());
    let settings = &own[0].settings;
    assert_eq!((own.len(), settings.steps, settings.frames), (1, Some(3), Some(5)));
}

#[test]
fn a_preset_is_imported_by_drop_and_a_wrong_file_says_which_field() {
    let data_dir = common::fresh_data_dir();
    let elsewhere = tempfile::tempdir().unwrap();
    let file = |name: &str, fields: &str| {
        let path = elsewhere.path().join(name);
        let text = format!("(version: 2, name: \"{name}\", description: \"by drop\", settings: ({fields}))");
        fs::write(&path, text).unwrap();
        path
    };
    fs::create_dir_all(data_dir.path().join("presets")).unwrap();
    fs::copy(file("old", "fps: fast"), data_dir.path().join("presets/old.ron")).unwrap();
    let mut window = Window::open_on(data_dir.path(), &tall());
    open_presets(&mut window);
    window.wait_for("at the field `fps`");
    window.drop_file(file("right.ron", "guidance: 2.5"));
    window.wait("the preset", |window| window.has_button("Apply right.ron"));
    assert_eq!(find_preset(data_dir.path(), "right.ron").unwrap().settings.guidance, Some(2.5));
    window.drop_file(file("wrong.ron", "guidance: \"much\""));
    window.wait_for("at the field `guidance`");
    assert!(!window.has_button("Apply wrong.ron") && window.has_button("Apply right.ron"));
}

#[test]
fn a_preset_that_makes_drafts_fills_the_sweep() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open_on(data_dir.path(), &tall());
    window.set_number("Steps", "4");
    window.set_number("Frames", "5");
    open_presets(&mut window);
    window.set_text("New preset", "six");
    window.click_label("Fields of the new preset (9)");
    window.wait("the fields", |window| window.has_button("Choose none"));
    window.control(Role::CheckBox, "Drafts 6 seeds, 4 steps").click();
    window.step();
    window.set_number("Seeds to draft", "3");
    window.set_number("Steps of a draft", "2");
    window.click("Save form");
    window.wait("the preset", |window| window.has_button("Apply six"));
    window.set_text("Search presets", "six");
    window.click("Apply six");
    window.command("Sweep");
    window.click_when_there("Use the drafts of six (3 seeds, 2 steps)");
    window.wait("the plan", |window| window.has_button("Start 3 cells"));
    window.click("Start 3 cells");
    window.wait("all drafts pause", |window| {
        let jobs = window.jobs();
        jobs.len() == 3 && jobs.iter().all(|job| job.state == wandeck::jobs::JobState::Paused)
    });
    window.wait("they can be finished", |window| window.has_button("Finish 0 drafts"));
}
