//! A window without any model says what to do, and leads there.

use crate::common;
use crate::window::Window;

#[test]
fn without_a_model_the_form_leads_to_what_can_be_downloaded() {
    let (data_dir, models) = (common::fresh_data_dir(), tempfile::tempdir().unwrap());
    let mut window = Window::open_with_models(data_dir.path(), models.path());
    window.wait_for("There is no model on this machine yet");
    assert!(!window.shows("toy-t2v"), "no model is named that nobody chose");
    window.click("Get a model…");
    window.wait_for("Available to download");
    assert!(window.has_button("Browse models…"));
}
