//! A preset with a step cache fills the form, and the result says what it saved.

use std::fs;

use eframe::egui::accesskit::Role;
use wandeck::core::{Draft, Mode};
use wandeck::presets;

use crate::common;
use crate::window::Window;

#[test]
fn a_preset_brings_its_threshold_and_the_result_says_what_was_skipped() {
    let data_dir = common::fresh_data_dir();
    let toy = presets::by_name("toy-t2v").unwrap();
    let draft = Draft { step_cache: Some(0.3), steps: 12, frames: 5, ..toy.draft("") };
    let own = presets::Preset::of(&draft, Mode::T2V, "fast toy", "With a step cache");
    let folder = data_dir.path().join("presets");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("fast-toy.ron"), own.to_ron().unwrap()).unwrap();
    let mut window = Window::open(data_dir.path());
    window.command("Presets");
    window.wait_for("fast toy");
    window.control(Role::TextInput, "Search presets").focus();
    window.step();
    window.type_text("fast toy");
    window.rest(3);
    window.click_when_there("Apply fast toy");
    window.wait("the preset is in the form", |window| window.number("Steps") == "12");
    window.set_prompt("a red circle moves right");
    window.click_when_there("Generate");
    window.wait_for_ends(1);
    let entry = window.outcome();
    assert_eq!(entry.draft().unwrap().step_cache, Some(0.3));
    let record = entry.step_cache.unwrap();
    assert!(!record.skipped.is_empty() && record.steps == 12, "{record:?}");
    assert!(entry.optimizations.iter().any(|line| line.starts_with("Step cache 0.3: ")));
}
