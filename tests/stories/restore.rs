//! Files dropped onto the window: a video brings its settings back, a LoRA goes into the form.

use std::path::Path;

use wandeck::media::read_metadata;

use crate::common;
use crate::window::Window;

#[test]
fn a_dropped_video_brings_its_settings_back() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    window.click_when_there("Generate");
    window.wait_for_ends(1);
    let first = window.outcome();
    window.click("Random seed");
    window.step();
    let first_seed = first.draft().unwrap().seed.to_string();
    let output = first.output.clone().unwrap();
    assert_ne!(window.seed(), first_seed);
    assert!(read_metadata(&output).unwrap().is_some());
    window.drop_file(output.clone());
    window.click_when_there("Restore settings");
    window.wait("the seed is back", |window| window.seed() == first_seed);
}

#[test]
fn a_dropped_video_is_a_start_image_or_only_shown() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    window.click_when_there("Generate");
    window.wait_for_ends(1);
    let output = window.outcome().output.unwrap();
    window.set_text("Seed", "7");
    window.drop_file(output.clone());
    window.click_when_there("Just open");
    window.step();
    assert_eq!(window.seed(), "7", "the form is left alone");
    assert_eq!(window.start_image(), "");
    window.drop_file(output.clone());
    window.click_when_there("Use as image");
    // a model that takes images follows
    window.wait("the video is in the well", |window| window.start_image() == output.display().to_string());
    window.wait("the mode follows", |window| !window.shows("Text to video with"));
    assert_eq!(window.seed(), "7");
}

#[test]
fn a_dropped_lora_is_in_the_form_with_what_is_wrong_with_it() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    let lora = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/loras/kohya.safetensors");
    window.drop_file(lora);
    window.wait("the LoRA is in the form", |window| window.has_button("Remove kohya"));
    window.wait_for("does not fit toy-t2v-A14B");
}
