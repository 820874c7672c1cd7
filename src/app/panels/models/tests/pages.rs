//! The pages of the LoRAs and of ONNX Runtime.

use eframe::egui::accesskit::Role;
use eframe::egui::vec2;
use egui_kittest::kittest::Queryable as _;

use super::fixture::{Page, page_of, pair, runtime};
use crate::app::panels::models::{ModelsAction, ModelsPanel};
use crate::core::LoraChoice;

#[test]
fn loras_have_a_page_where_their_names_can_be_read() {
    let state = Page { panel: ModelsPanel::at_loras(), loras: vec![pair()], ..Page::default() };
    let mut harness = page_of(state, vec2(900.0, 400.0));
    let name = harness.get_by_label("wan22_watercolour_and_ink_sketches_v2").rect();
    assert!(name.width() > 200.0, "{name:?}");
    let add = harness.get_by_role_and_label(Role::Button, "Add");
    assert!(add.rect().max.x < 900.0);
    add.click();
    harness.run();
    let files = vec!["high.safetensors".into(), "low.safetensors".into()];
    assert_eq!(harness.state().actions, [ModelsAction::UseLora(files)]);
    harness.get_by_role_and_label(Role::Button, "On disk").click();
    harness.run();
    assert!(harness.query_by_label("wan22_watercolour_and_ink_sketches_v2").is_none());
}

#[test]
fn a_lora_of_the_form_has_a_strength_and_can_be_removed() {
    let used = vec![LoraChoice { strength: 0.5, ..LoraChoice::new("high.safetensors") }];
    let state = Page { panel: ModelsPanel::at_loras(), loras: vec![pair()], used, ..Page::default() };
    let mut harness = page_of(state, vec2(900.0, 400.0));
    let label = "Strength of wan22_watercolour_and_ink_sketches_v2";
    let strength = harness.get_by_role_and_label(Role::SpinButton, label);
    assert_eq!(strength.value().as_deref(), Some("0.50"));
    assert!(harness.query_by_role_and_label(Role::Button, "Add").is_none());
    harness.get_by_role_and_label(Role::Button, "Remove").click();
    harness.run();
    let files = vec!["high.safetensors".into(), "low.safetensors".into()];
    assert_eq!(harness.state().actions, [ModelsAction::DropLora(files)]);
}

#[test]
fn the_runtime_page_installs_what_is_missing_and_says_size_and_licence() {
    let mut harness = page_of(Page::default(), vec2(1300.0, 900.0));
    harness.get_by_role_and_label(Role::Button, "ONNX Runtime").click();
    harness.run_steps(4);
    harness.get_by_label("Looking for ONNX Runtime…");
    assert_eq!(harness.state().actions, [ModelsAction::FindRuntime]);
    harness.state_mut().actions.clear();
    harness.state_mut().runtime = Some(runtime(true));
    harness.run();
    harness.get_by_label_contains("about 7 MB, licence MIT");
    for label in ["Install onnxruntime-itself 1.0", "Check providers", "Install gpu", "Remove webgpu"] {
        harness.get_by_role_and_label(Role::Button, label).click();
        harness.run();
    }
    let install = |name: &str| ModelsAction::InstallPackage(name.to_owned());
    // there is nothing to check yet
    let expected =
        [ModelsAction::InstallRuntime, install("gpu"), ModelsAction::RemovePackage("webgpu".to_owned())];
    assert_eq!(harness.state().actions, expected);
    harness.state_mut().actions.clear();
    harness.state_mut().runtime = Some(runtime(false));
    harness.run();
    harness.get_by_role_and_label(Role::Button, "Check providers").click();
    harness.run();
    assert_eq!(harness.state().actions, [ModelsAction::CheckProviders]);
}

#[test]
fn a_long_licence_pushes_no_button_out_of_a_narrow_panel() {
    let mut status = runtime(false);
    status.packages[0].licence =
        "Apache-2.0, with a licence of its own for the library that it loads".to_owned();
    let state = Page { panel: ModelsPanel::at_runtime(), runtime: Some(status), ..Page::default() };
    let harness = page_of(state, vec2(520.0, 700.0));
    let button = harness.get_by_role_and_label(Role::Button, "Install gpu").rect();
    assert!(button.max.x <= 520.0, "{button:?}");
}
