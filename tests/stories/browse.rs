//! The start image is chosen in the desktop's own file dialog, through the portal that serves all desktops on Linux.

use std::path::Path;

use wandeck::core::{Frame, Mode, Resolution};
use wandeck::media::write_png;

use crate::common;
use crate::portal::{Choice, Desktop};
use crate::window::Window;

/// The data folder of the window; set for the process that runs it.
const DATA_DIR: &str = "WANDECK_BROWSE_DATA_DIR";
/// The image that is chosen.
const IMAGE: &str = "my photo.png";

/// Not a story of its own: the window of [`an_image_is_chosen_in_the_dialog_and_starts_a_video`].
#[test]
#[ignore = "runs as a process of its own, on the bus of another story"]
fn window_that_browses() {
    let data_dir = std::env::var_os(DATA_DIR).unwrap();
    let data_dir = Path::new(&data_dir);
    let mut window = Window::open(data_dir);
    // closed without a choice: nothing happens, and it is no error
    window.click("Choose start image");
    window.rest(60);
    assert_eq!((window.start_image(), window.notifications()), (String::new(), Vec::new()));
    window.click("Choose start image");
    window.wait_for("an image and a prompt");
    assert_eq!(window.start_image(), data_dir.join(IMAGE).display().to_string());
    window.wait_for("128x64");
    window.click_when_there("Generate");
    window.wait_for_ends(1);
    assert_eq!(window.outcome().mode, Some(Mode::TI2V));
    // one that is left open does not keep the program
    window.click("Choose start image");
    window.rest(10);
    window.close();
}

#[test]
fn an_image_is_chosen_in_the_dialog_and_starts_a_video() {
    let data_dir = common::fresh_data_dir();
    let image = data_dir.path().join(IMAGE);
    write_png(&image, &Frame { size: Resolution::new(128, 64), rgb: vec![120; 128 * 64 * 3] }).unwrap();
    let choices = [Choice::Nothing, Choice::File(image), Choice::Open];
    let Some(desktop) = Desktop::start(&choices) else { return };
    let mut window = desktop.run("browse::window_that_browses", DATA_DIR, data_dir.path());
    assert!(window.wait().unwrap().success());
    assert_eq!(desktop.titles(), ["Choose an image or clip to start from"; 3]);
}
