//! The models on the disk: verified, converted, and removed, with the LoRAs that fit.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common;
use crate::window::{Screen, Window};

/// The row of the converted copy, which stands below its source.
const COPY: &str = "    tiny-t2v-int8";

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// A window on the tiny model alone, large enough to see all of it.
fn window(data_dir: &Path, models: &Path) -> Window {
    let screen = Screen { points: eframe::egui::vec2(2200.0, 1800.0), scale: 1.0 };
    let mut window = Window::open_with_models_on(data_dir, models, &screen);
    window.command("Models");
    window.click_when_there("tiny-t2v");
    window
}

fn said(window: &mut Window, start: &str) {
    window.wait(start, |window| window.notifications().iter().any(|text| text.starts_with(start)));
}

#[test]
fn a_model_is_verified_converted_and_removed() {
    let data_dir = common::fresh_data_dir();
    let models = tempfile::tempdir().unwrap();
    let folder = models.path().join("tiny-t2v");
    common::copy_all(&golden("models/tiny-t2v"), &folder);
    let mut window = window(data_dir.path(), models.path());
    window.wait("it can be verified", |window| window.shows("Verify ("));
    window.click_containing("Verify (");
    said(&mut window, "tiny-t2v is sound: ");
    window.wait_for("ready, verified");

    window.click_when_there("Convert to int8");
    said(&mut window, "Converted ");
    window.click_when_there(COPY);
    window.wait_for("Made from tiny-t2v: ");
    window.wait_for("mean relative error");
    let copy = data_dir.path().join("models/tiny-t2v-int8");
    assert!(copy.join("conversion.json").exists());

    window.click_when_there("Remove…");
    window.wait("it asks first", |window| window.shows("Remove: frees "));
    window.click("Keep");
    window.wait("it asks no more", |window| !window.shows("Remove: frees "));
    assert!(copy.exists());
    window.click_when_there("Remove…");
    window.wait("it asks again", |window| window.shows("Remove: frees "));
    window.click_containing("Remove: frees ");
    said(&mut window, "tiny-t2v-int8 is in the bin: ");
    window.wait("it is gone from the list", |window| !window.has_button(COPY));
    assert!(!copy.exists());
    window.click_when_there("Bring back tiny-t2v-int8");
    said(&mut window, "tiny-t2v-int8 is back");
    window.wait("it is in the list again", |window| window.has_button(COPY));
    assert!(copy.join("conversion.json").exists());
}

#[test]
fn the_loras_that_fit_are_listed_and_one_in_a_wrong_folder_is_moved() {
    let data_dir = common::fresh_data_dir();
    let models = tempfile::tempdir().unwrap();
    common::copy_all(&golden("models/tiny-t2v"), &models.path().join("tiny-t2v"));
    common::copy_all(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B"),
        &models.path().join("toy-t2v-A14B"),
    );
    let lora = golden("loras/musubi.safetensors");
    fs::create_dir_all(models.path().join("mixed")).unwrap();
    fs::copy(&lora, models.path().join("mixed/ink.safetensors")).unwrap();
    let mut window = window(data_dir.path(), models.path());
    window.wait_for("There is no LoRA on this machine");
    window.click_label("1 other file");
    window.click_when_there("Move ink.safetensors to the LoRAs");
    said(&mut window, "Moved to ");
    let place = models.path().join("loras/ink.safetensors");
    assert!(place.exists());
    window.wait_for("20 modules");
    window.click_when_there("Use");
    window.wait_for("Text to video with tiny-t2v");
    window.click_when_there("Add");
    window.wait("it is in the form", |window| window.shows("Strength"));
    window.click_when_there("toy-t2v-A14B");
    window.wait_for("The one LoRA on this machine does not");

    // the form's strength is that of the page
    window.click_when_there("LoRAs");
    window.set_number("Strength of ink", "0.5");
    assert_eq!(window.number("Strength"), "0.50");
    window.click_when_there("Check");
    window.wait_for("20 matched modules");
    window.click_when_there("Remove");
    window.wait("it is out of the form", |window| window.has_button("Add") && !window.shows("Strength of"));
}
