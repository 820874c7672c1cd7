//! An image that is dropped onto its well becomes a video.

use std::path::{Path, PathBuf};

use eframe::egui::accesskit::Role;
use wandeck::core::{Frame, Resolution};
use wandeck::media::write_png;

use crate::common;
use crate::window::Window;

/// A grey image, wider than high.
fn image_in(folder: &Path) -> PathBuf {
    let image = folder.join("wide.png");
    let size = Resolution::new(128, 64);
    write_png(&image, &Frame { size, rgb: vec![120; 128 * 64 * 3] }).unwrap();
    image
}

/// Makes the video once the form has the image, and checks that it starts from that.
fn make_from(window: &mut Window, image: &Path) {
    window.wait_for("128x64");
    assert_eq!(window.start_image(), image.display().to_string());
    window.set_prompt("the circle moves right");
    window.set_number("Steps", "2");
    window.set_number("Frames", "5");
    window.click_when_there("Generate");
    window.wait_for_ends(1);
    let outcome = window.outcome();
    assert!(outcome.output.is_some_and(|output| output.exists()));
    assert_eq!(window.jobs()[0].spec.draft.start_image.as_deref(), Some(image));
    window.wait_for("of 5 ·");
}

#[test]
fn by_drop() {
    let data_dir = common::fresh_data_dir();
    let image = image_in(data_dir.path());
    let mut window = Window::open(data_dir.path());
    window.drop_file_on(image.clone(), Role::TextInput, "Start image");
    make_from(&mut window, &image);
}
