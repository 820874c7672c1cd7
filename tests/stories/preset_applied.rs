//! A preset is applied, a field is changed, and everything is reset to the preset.

use eframe::egui::accesskit::Role;

use crate::common;
use crate::window::Window;

#[test]
fn a_preset_is_applied_changed_and_reset() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    window.set_prompt("a red circle");
    window.control(Role::ComboBox, "Preset").click();
    window.step();
    window.step();
    window.click("toy-ti2v");
    window.wait_for("toy-ti2v-5B");
    let of_preset = ["Steps", "Frames"].map(|field| window.number(field));
    window.set_number("Steps", "7");
    window.set_number("Frames", "5");
    window.wait_for("2 fields differ");
    window.click("2 fields differ");
    window.wait("nothing differs", |window| !window.shows("fields differ"));
    assert_eq!(["Steps", "Frames"].map(|field| window.number(field)), of_preset);
    assert_eq!(window.prompt(), "a red circle", "the words stay");
    window.click_when_there("Generate");
    window.wait_for_ends(1);
    let draft = &window.jobs()[0].spec.draft;
    assert_eq!((draft.model.as_str(), draft.steps.to_string()), ("toy-ti2v-5B", of_preset[0].clone()));
}
