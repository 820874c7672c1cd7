//! A model that is not there is fetched in the window, with a pause, and makes a video.

use wandeck::models::fetch::Fetcher;
use wandeck::models::manifest::load_manifest;

use crate::common;
use crate::hub::{LoopbackHub, Manners, manifest_of};
use crate::window::Window;

const REPOSITORY: &str = "owner/tiny";

#[test]
fn a_missing_model_is_fetched_and_makes_a_video() {
    let hub = LoopbackHub::start();
    let source = common::golden_model("tiny-t2v");
    hub.put_folder(REPOSITORY, &source);
    // slow, so that there is time to pause
    let slow = "vae/diffusion_pytorch_model.safetensors";
    hub.serve(REPOSITORY, slow, Manners { rate: Some(100_000), ..Manners::default() });
    let data_dir = common::fresh_data_dir();
    let manifest =
        manifest_of("tiny", REPOSITORY).replacen('(', &format!("(endpoint: \"{}\", ", hub.endpoint()), 1);
    std::fs::write(data_dir.path().join("models-manifest.ron"), manifest).unwrap();
    let models = tempfile::tempdir().unwrap();
    let mut window = Window::open_with_models(data_dir.path(), models.path());
    window.command("Models");
    window.click_when_there("Download");
    window.wait_for("Available to download");
    window.click_when_there("Fetch tiny-diffusers…");
    window.wait_for("Fetch tiny diffusers, licence MIT");
    let fetcher = Fetcher::new(data_dir.path(), Some(models.path()));
    let plan = fetcher.plan(&load_manifest(data_dir.path()).unwrap(), "tiny", None).unwrap();
    window.click_when_there(&format!("Fetch {}", plan.to_fetch()));
    window.wait("some bytes", |window| hub.served() > 0 && window.has_button("Pause"));
    window.click("Pause");
    window.wait_for(", paused");
    assert!(!plan.folder.join(slow).exists(), "a part has no name yet");
    hub.serve(REPOSITORY, slow, Manners::default());
    window.click_when_there("Resume");
    window.wait("the model", |window| {
        window.notifications().iter().any(|text| text.starts_with("tiny is here and checked"))
    });
    window.click_when_there("On disk");
    window.click_when_there("tiny-diffusers");
    window.click_when_there("Use");
    window.wait("the form has it", |window| window.shows("Text to video with tiny-diffusers"));
    window.set_prompt("a red circle");
    for (field, value) in [("Width", "64"), ("Height", "64"), ("Frames", "5"), ("Steps", "2")] {
        window.set_number(field, value);
    }
    window.click_when_there("Generate");
    window.wait_for_ends(1);
    assert_eq!(window.jobs()[0].spec.draft.model, "tiny-diffusers");
    let outcome = window.outcome();
    assert!(outcome.output.is_some_and(|output| output.exists()), "{:?}", window.notifications());
}

#[test]
fn asking_a_hub_that_says_nothing_can_be_stopped() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let data_dir = common::fresh_data_dir();
    let manifest = manifest_of("tiny", REPOSITORY).replacen('(', &format!("(endpoint: \"{endpoint}\", "), 1);
    std::fs::write(data_dir.path().join("models-manifest.ron"), manifest).unwrap();
    let models = tempfile::tempdir().unwrap();
    let mut window = Window::open_with_models(data_dir.path(), models.path());
    window.command("Models");
    window.click_when_there("Download");
    window.click_when_there("Fetch tiny-diffusers…");
    window.wait_for("Asking the hub for the files of tiny-diffusers");
    // the question is on its way
    let connection = silent.accept().unwrap();
    let before = window.notifications();
    window.click("Stop asking");
    window.wait("it is stopped", |window| !window.shows("Asking the hub"));
    assert_eq!(window.notifications(), before, "stopping is no error");
    assert!(window.has_button("Fetch tiny-diffusers…"));
    drop(connection);
}
