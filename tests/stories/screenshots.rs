//! Makes the README's screenshots: `cargo test --test stories -- --ignored screenshots`.

use std::path::{Path, PathBuf};

use eframe::egui::{Key, Modifiers, vec2};

use crate::common;
use crate::window::{Screen, Window};

const SCREEN: Screen = Screen { points: vec2(1440.0, 900.0), scale: 1.0 };

#[test]
#[ignore = "writes docs/screenshots"]
fn screenshots_of_the_readme() {
    let data_dir = common::fresh_data_dir();
    // the models page shows where a model lies: not a folder of whoever makes the screenshots
    let models = std::env::temp_dir().join("wandeck/models");
    common::copy_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models"), &models);
    let mut window = Window::open_drawn(data_dir.path(), &models, &SCREEN);
    for prompt in
        ["a red circle moves right on a black background", "a blue square moves left on a white background"]
    {
        window.set_prompt(prompt);
        window.press(Modifiers::COMMAND, Key::Enter);
    }
    window.wait_for_ends(2);
    window.set_prompt("a green triangle moves up on a black background");
    window.set_number("Steps", "200");
    window.press(Modifiers::COMMAND, Key::Enter);
    window.set_prompt("a yellow circle moves down on a blue background");
    window.press(Modifiers::COMMAND, Key::Enter);
    window.wait_for("Running job 3 · high noise ");
    window.rest(80);
    save(&mut window, "compose");
    let all = window.screenshot();
    image::imageops::crop_imm(&all, 288, 640, 1152, 232)
        .to_image()
        .save(folder().join("monitor.png"))
        .unwrap();
    window.command("Models");
    window.rest(20);
    save(&mut window, "models");
    window.wait_for_ends(4);
}

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn save(window: &mut Window, name: &str) {
    window.screenshot().save(folder().join(format!("{name}.png"))).unwrap();
}
