//! The page about ONNX Runtime: what is there, its providers, and what can be installed.

use wandeck::engine::runtime::{RuntimePackage, VERSION};

use crate::common;
use crate::window::Window;

#[test]
fn the_runtime_is_looked_at_and_what_is_missing_is_offered() {
    let data_dir = common::fresh_data_dir();
    let mut window = Window::open(data_dir.path());
    window.command("Models");
    window.click_when_there("ONNX Runtime");
    window.wait_for("libonnxruntime");
    window.wait_for("Not checked yet");
    for package in RuntimePackage::for_this_machine() {
        window.wait_for(&format!("{} {}", package.package, package.version));
        assert!(window.shows(package.size) && window.shows(package.licence));
        assert!(window.has_button(&format!("Install {}", package.name)), "{}", package.name);
    }
    window.click("Check providers");
    window.wait_for(&format!("Version {VERSION}"));
    window.wait_for("CPU can be used");
    assert!(window.shows("CUDA "), "it says why it can or cannot be used");
}
