use std::collections::BTreeSet;

use eframe::egui::accesskit::Role;
use eframe::egui::vec2;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use super::{PresetsAction, PresetsPanel, PresetsView};
use crate::app::theme;
use crate::core::LoraChoice;
use crate::presets::{self, Preset, PresetLora};

#[derive(Default)]
struct Page {
    panel: PresetsPanel,
    presets: Vec<Preset>,
    starred: BTreeSet<String>,
    actions: Vec<PresetsAction>,
}

fn page<'a>() -> Harness<'a, Page> {
    let mut all = presets::shipped().unwrap();
    let mine = Preset { name: "my look".into(), ..all[0].clone() };
    all.push(mine);
    let num_shipped = all.len() - 1;
    let state = Page { presets: all, ..Page::default() };
    Harness::builder().with_size(vec2(1000.0, 1600.0)).with_context_setup(theme::install).build_ui_state(
        move |ui, page: &mut Page| {
            let (presets, starred) = (&page.presets, &page.starred);
            let view = PresetsView { presets, num_shipped, previews: &[], starred, removed: None };
            page.actions.extend(page.panel.ui(ui, &view));
        },
        state,
    )
}

#[test]
fn an_own_preset_can_be_renamed_and_removed_and_the_form_saved() {
    let mut harness = page();
    harness.get_by_role_and_label(Role::TextInput, "New preset").focus();
    harness.run();
    harness.get_by_role_and_label(Role::TextInput, "New preset").type_text("soft");
    harness.run();
    harness.get_by_role_and_label(Role::Button, "Save form").click();
    harness.run();
    harness.get_by_role_and_label(Role::Button, "Rename").click();
    harness.run();
    harness.get_by_role_and_label(Role::TextInput, "New name").focus();
    harness.run();
    harness.get_by_role_and_label(Role::TextInput, "New name").type_text("!");
    harness.run();
    harness.get_by_role_and_label(Role::Button, "Save name").click();
    harness.run();
    harness.get_by_role_and_label(Role::Button, "Remove my look").click();
    harness.run();
    let [saved, renamed, removed] = harness.state().actions.as_slice() else {
        panic!("{:?}", harness.state().actions)
    };
    assert_eq!(saved, &PresetsAction::Save("soft".into()));
    assert!(matches!(renamed, PresetsAction::Rename(old, new) if old == "my look" && new.contains('!')));
    assert_eq!(removed, &PresetsAction::Remove("my look".into()));
}

#[test]
fn a_preset_whose_lora_is_missing_says_which_and_asks_for_its_file() {
    let mut harness = page();
    let mine = harness.state_mut().presets.last_mut().unwrap();
    let lora = PresetLora::of(&LoraChoice::new("styles/ink.safetensors"));
    mine.settings.loras = Some(vec![PresetLora { is_missing: true, ..lora }]);
    harness.run();
    harness.get_by_label("Needs the LoRA ink, which is not on this machine");
    for label in ["Apply my look", "Choose the file of ink"] {
        harness.get_by_role_and_label(Role::Button, label).click();
        harness.run();
    }
    let expected = PresetsAction::ChooseLora("my look".into(), "styles/ink.safetensors".into());
    assert_eq!(harness.state().actions, [expected]);
}

#[test]
fn a_preset_whose_lora_can_be_fetched_offers_that_once() {
    let mut harness = page();
    let mine = harness.state_mut().presets.last_mut().unwrap();
    let lora = |name: &str| PresetLora {
        is_missing: true,
        fetched_as: Some("lightning-t2v-A14B".to_owned()),
        ..PresetLora::of(&LoraChoice::new(name))
    };
    mine.settings.loras = Some(vec![lora("high.safetensors"), lora("low.safetensors")]);
    harness.run();
    harness.get_by_role_and_label(Role::Button, "Fetch lightning-t2v-A14B…").click();
    harness.run();
    assert_eq!(harness.state().actions, [PresetsAction::FetchLora("lightning-t2v-A14B".into())]);
}

#[test]
fn a_starred_preset_comes_first() {
    let mut harness = page();
    let top = |harness: &Harness<'_, Page>, name: &str| {
        harness.get_by_role_and_label(Role::Button, &format!("Star {name}")).rect().top()
    };
    let first = harness.state().presets[0].name.clone();
    assert!(top(&harness, &first) < top(&harness, "my look"));
    harness.get_by_role_and_label(Role::Button, "Star my look").click();
    harness.run();
    assert_eq!(harness.state().actions, [PresetsAction::Star("my look".into())]);
    harness.state_mut().starred.insert("my look".into());
    harness.run();
    assert!(top(&harness, "my look") < top(&harness, &first));
}

#[test]
fn snapshot_of_the_presets() {
    let starred = BTreeSet::new();
    let presets = presets::shipped().unwrap();
    let mut panel = PresetsPanel::default();
    let view = PresetsView {
        presets: &presets,
        num_shipped: presets.len(),
        previews: &[],
        starred: &starred,
        removed: None,
    };
    crate::app::snapshots::compare("presets", vec2(900.0, 600.0), |ui| drop(panel.ui(ui, &view)));
}
