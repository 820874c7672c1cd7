//! A person says in the window which file is the VAE, and the job uses it.

use std::fs;

use wandeck::models::synth::{SynthDtype, SynthLayout, SynthModel};

use crate::common;
use crate::common::layouts::{load, narrow, save, write};
use crate::window::{Screen, Window};

const VAE: &str = "vae/wan_2.1_vae.safetensors";

#[test]
fn a_model_whose_vae_is_a_question_is_used_with_the_chosen_one() {
    let models = tempfile::tempdir().unwrap();
    write(&narrow(SynthModel::T2vA14b), SynthLayout::Comfy, SynthDtype::Fp32, models.path());
    // the one VAE is named after another model, so the program asks
    let mut vae = load(&models.path().join(VAE));
    for (_, (_, _, bytes)) in vae.iter_mut().filter(|(name, _)| name.starts_with("decoder.")) {
        for value in bytes.as_chunks_mut::<4>().0 {
            *value = (f32::from_le_bytes(*value) * 0.6 + 0.01).to_le_bytes();
        }
    }
    fs::remove_file(models.path().join(VAE)).unwrap();
    let file = models.path().join("vae/qwen_image_vae.safetensors");
    save(&file, &vae);
    let data_dir = common::fresh_data_dir();
    // wide enough for the details beside the list, high enough to see all of them
    let screen = Screen { points: eframe::egui::vec2(3000.0, 1800.0), scale: 1.0 };
    let mut window = Window::open_with_models_on(data_dir.path(), models.path(), &screen);
    window.command("Models");
    window.wait_for("not usable: ");
    let found = wandeck::models::installed(data_dir.path(), Some(models.path()));
    let id = found.iter().find(|model| model.limits.is_err()).unwrap().id.clone();
    window.click_when_there(&id);
    // a file that is no VAE is refused with its reason, and the form stays as it is
    let expert = "diffusion_models/wan2.2_t2v_high_noise_14B_fp32.safetensors";
    window.wait("the roles are shown", |window| window.has_button("Choose VAE"));
    window.click("Choose VAE");
    window.click_when_there(expert);
    window.click_when_there("Use these files");
    window.wait_for("it seems to be a transformer of Wan");
    window.set_text("VAE", file.to_str().unwrap());
    window.click_when_there("Use these files");
    window.wait_for("VAE chosen by you: ");
    window.wait_for("chosen by you");
    // verifying reads the chosen file
    window.click_containing("Verify (");
    window.wait("the model is verified", |window| {
        window.notifications().iter().any(|text| text.starts_with(&format!("{id} is sound: ")))
    });
    // another scan keeps the choice
    window.click_when_there("Rescan");
    window.wait("the scan", |window| window.has_button("Rescan") && !window.shows("Scanning…"));
    window.wait_for("VAE chosen by you: ");
    window.set_prompt("a red circle");
    window.set_number("Steps", "2");
    window.set_number("Frames", "5");
    window.set_number("Width", "64");
    window.set_number("Height", "64");
    window.click_when_there("Generate");
    window.wait_for_ends(1);
    let output = window.outcome().output.unwrap();
    let draft = window.jobs()[0].spec.draft.clone();
    assert_eq!((draft.model, draft.components.vae.as_deref()), (id, Some(file.as_path())));
    assert!(output.exists());
    // the form of the next start has the choice, too
    window.close();
    let mut again = Window::open_with_models_on(data_dir.path(), models.path(), &screen);
    again.wait_for("VAE chosen by you: ");
    again.wait("it can be used", |window| !window.shows("not usable: "));
    // the form says so, too, and the way back is beside it
    again.click_when_there("Let Wandeck choose the files");
    again.wait("the choice is forgotten", |window| !window.shows("chosen by you: "));
    again.command("Models");
    again.wait_for("not usable: ");
}
