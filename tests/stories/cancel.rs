//! A job is cancelled in each of its stages, and leaves nothing behind.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use eframe::egui::accesskit::Role;
use eframe::egui::{Key, Modifiers};
use wandeck::core::{FAULTS_VARIABLE, Frame, Resolution};
use wandeck::jobs::EndStatus;
use wandeck::media::write_png;

use crate::common;
use crate::window::Window;

/// Starts a job with these numbers, cancels it when its row names `stage`, and checks what is left.
fn cancel_in(stage: &str, numbers: &[(&str, &str)]) {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    for (label, text) in numbers {
        window.set_number(label, text);
    }
    window.press(Modifiers::COMMAND, Key::Enter);
    window.wait_for(stage);
    window.press(Modifiers::COMMAND | Modifiers::ALT, Key::Enter);
    window.wait_for_ends(1);
    assert_eq!(window.ends(), [EndStatus::Cancelled], "{:?}", window.notifications());
    let left = std::fs::read_dir(data_dir.path().join("outputs")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "a cancelled job leaves no file");
    window.wait_for("Ready");
}

#[test]
fn in_the_denoise_stage() {
    cancel_in("Running job 1 · high noise ", &[("Steps", "1000")]);
}

#[test]
fn in_the_decode_stage() {
    cancel_in(
        "Running job 1 · decode",
        &[("Frames", "81"), ("Width", "128"), ("Height", "128"), ("Steps", "1")],
    );
}

/// Variables of the process of a slow window: its data folder, the stage to cancel in, and the start image.
const DATA_DIR: &str = "WANDECK_STORY_DATA_DIR";
const STAGE: &str = "WANDECK_STORY_STAGE";
const IMAGE: &str = "WANDECK_STORY_IMAGE";

/// A small job in a window whose program is slow at one point.
fn small_job(data_dir: &Path, prompt: &str, image: Option<PathBuf>) -> Window {
    let mut window = Window::open(data_dir);
    if let Some(image) = image {
        window.drop_file_on(image, Role::TextInput, "Start image");
        window.wait_for("64x64");
    }
    window.set_prompt(prompt);
    for (label, text) in [("Frames", "5"), ("Width", "64"), ("Height", "64"), ("Steps", "6")] {
        window.set_number(label, text);
    }
    window.press(Modifiers::COMMAND, Key::Enter);
    window
}

/// Not a story of its own: the slow window of the stories below.
#[test]
#[ignore = "runs as a process that is slow at one point"]
fn window_that_is_slow() {
    let data_dir = PathBuf::from(std::env::var_os(DATA_DIR).unwrap());
    let stage = std::env::var(STAGE).unwrap();
    let image = std::env::var_os(IMAGE).map(PathBuf::from);
    let mut window = small_job(&data_dir, "a red circle", image);
    window.wait_for(&format!(" · {stage} "));
    let before = files_in(&data_dir.join("outputs"));
    window.press(Modifiers::COMMAND | Modifiers::ALT, Key::Enter);
    window.wait("it is cancelled", |window| window.ends().last() == Some(&EndStatus::Cancelled));
    assert_eq!(files_in(&data_dir.join("outputs")), before, "a cancelled job leaves no file");
    window.wait_for("Ready");
}

fn files_in(folder: &Path) -> usize {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    // a video that is being written has a name that begins with a dot
    files.filter(|file| !file.file_name().to_string_lossy().starts_with('.')).count()
}

/// Cancels in `stage` a job that is held there by `faults`.
fn cancel_held_in(stage: &str, faults: &str, data_dir: &Path, image: Option<&Path>) {
    let run = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "cancel::window_that_is_slow", "--nocapture"])
        .envs([
            (DATA_DIR, data_dir.as_os_str()),
            (STAGE, OsStr::new(stage)),
            (FAULTS_VARIABLE, OsStr::new(faults)),
        ])
        .envs(image.map(|image| (IMAGE, image)))
        .output()
        .unwrap();
    let [out, errors] = [&run.stdout, &run.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(run.status.success(), "{stage}: {out}{errors}");
}

#[test]
fn during_preflight() {
    cancel_held_in("preflight", "slow@preflight=100000", common::fresh_data_dir().path(), None);
}

#[test]
fn during_loading() {
    cancel_held_in("loading", "slow@prepare=100000", common::fresh_data_dir().path(), None);
}

#[test]
fn in_the_text_stage() {
    let data_dir = common::fresh_data_dir();
    // its previews are fitted from then on, so that the first network that is loaded is that of the text
    let mut window = small_job(data_dir.path(), "a blue square", None);
    window.wait_for_ends(1);
    window.close();
    cancel_held_in("text", "slow@load=100000", data_dir.path(), None);
}

#[test]
fn in_the_low_noise_stage() {
    cancel_held_in("low noise", "slow@step:6=100000", common::fresh_data_dir().path(), None);
}

#[test]
fn while_the_file_is_written() {
    cancel_held_in("writing", "slow@output=100000", common::fresh_data_dir().path(), None);
}

#[test]
fn in_the_image_stage() {
    let data_dir = common::fresh_data_dir();
    let image = |name: &str, grey: u8| {
        let path = data_dir.path().join(name);
        let size = Resolution::new(64, 64);
        write_png(&path, &Frame { size, rgb: vec![grey; 64 * 64 * 3] }).unwrap();
        path
    };
    // its prompt is encoded from then on, so that the first network that is loaded is that of the image
    let mut window = small_job(data_dir.path(), "a red circle", Some(image("first.png", 90)));
    window.wait_for_ends(1);
    assert_eq!(window.ends(), [EndStatus::Done]);
    window.close();
    let second = image("second.png", 200);
    cancel_held_in("image", "slow@load=100000", data_dir.path(), Some(&second));
}

#[test]
fn before_it_started() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    window.add_job("the first", "1000");
    window.add_job("the second", "1000");
    window.click_when_there("Cancel job 2");
    window.wait("the second is cancelled", |window| window.ends() == [EndStatus::Cancelled]);
    assert!(window.jobs()[0].ended().is_none(), "the first goes on");
    window.press(Modifiers::COMMAND | Modifiers::ALT, Key::Enter);
    window.wait_for_ends(2);
}
