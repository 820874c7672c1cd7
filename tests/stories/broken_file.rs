//! A model file that was cut is named, and the other models work.

use std::path::Path;

use crate::common;
use crate::window::Window;

#[test]
fn a_cut_model_is_named_and_the_others_work() {
    let data_dir = common::fresh_data_dir();
    let models = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    for name in ["toy-t2v-A14B", "toy-ti2v-5B"] {
        common::copy_all(&shipped.join(name), &models.path().join(name));
    }
    let cut = models.path().join("toy-ti2v-5B/vae/diffusion_pytorch_model.safetensors");
    let bytes = std::fs::read(&cut).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let mut window = Window::open_with_models(data_dir.path(), models.path());
    window.command("Models");
    window.wait_for("toy-ti2v-5B");
    window.wait_for("truncated");
    window.set_prompt("a red circle moves right on a black background");
    window.click_when_there("Generate");
    window.wait_for_ends(1);
    assert_eq!(window.outcome().model, "toy-t2v-A14B");
}
