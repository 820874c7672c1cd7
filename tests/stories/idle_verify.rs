//! Models are verified while the window has nothing else to do, once a person turns that on.

use std::fs;
use std::path::Path;

use eframe::egui::accesskit::Role;
use eframe::egui::{Key, Modifiers};

use crate::common;
use crate::window::Window;

const MODEL: &str = "toy-ti2v-5B";

#[test]
fn a_damaged_model_is_found_while_the_window_is_idle() {
    let models = tempfile::tempdir().unwrap();
    let own = models.path().join(MODEL);
    common::copy_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(MODEL), &own);
    let vae = own.join("vae/diffusion_pytorch_model.safetensors");
    let mut bytes = fs::read(&vae).unwrap();
    // the last value of the file, a bf16, is not a number
    let end = bytes.len() - 2;
    bytes[end..].copy_from_slice(&[0xc0, 0x7f]);
    fs::write(&vae, bytes).unwrap();
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open_with_models(data_dir.path(), models.path());
    window.command("Settings");
    window.set_text("Search settings", "idle");
    window.wait("only these settings", |window| !window.shows("errors.backoff_s"));
    window.set_text("Idle time before verifying", "1");
    window.press(Modifiers::NONE, Key::Enter);
    assert!(!window.notifications().iter().any(|text| text.contains("damaged")), "it is off");
    window.control(Role::CheckBox, "Verify models when idle").click();
    window.step();
    window.wait("the damage is found", |window| {
        window.notifications().iter().any(|text| text.starts_with(&format!("{MODEL} is damaged in 1 place")))
    });
    window.command("Models");
    window.wait_for("damaged in 1 place");
}
