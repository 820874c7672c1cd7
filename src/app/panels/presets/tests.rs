use std::collections::BTreeSet;

use eframe::egui::accesskit::Role;
use eframe::egui::vec2;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use super::{PresetUndo, PresetsAction, PresetsPanel, PresetsView};
use crate::app::theme;
use crate::core::LoraChoice;
use crate::presets::{self, Preset, PresetField, PresetLora, PresetOrigin};

#[derive(Default)]
struct Page {
    panel: PresetsPanel,
    presets: Vec<Preset>,
    form: Option<Preset>,
    starred: BTreeSet<String>,
    undo: Option<PresetUndo>,
    actions: Vec<PresetsAction>,
}

fn page<'a>() -> Harness<'a, Page> {
    let mut all = presets::shipped().unwrap();
    let mine = Preset { name: "my look".into(), origin: PresetOrigin::Own, ..all[0].clone() };
    let mut form = all[0].clone();
    (form.name, form.settings.seed) = (String::new(), Some(7));
    all.push(mine);
    let state = Page { presets: all, form: Some(form), ..Page::default() };
    Harness::builder().with_size(vec2(1000.0, 1600.0)).with_context_setup(theme::install).build_ui_state(
        move |ui, page: &mut Page| {
            let (presets, starred) = (&page.presets, &page.starred);
            let form = page.form.as_ref();
            let view =
                PresetsView { presets, invalid: &[], form, previews: &[], starred, undo: page.undo.as_ref() };
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
    let PresetsAction::Save(saved) = saved else { panic!("{saved:?}") };
    assert_eq!((saved.name.as_str(), saved.settings.steps.is_some()), ("soft", true));
    assert_eq!((saved.settings.seed, saved.settings.drafts), (None, None), "not chosen at first");
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
fn a_look_is_saved_with_the_chosen_fields_only() {
    let mut harness = page();
    harness.get_by_role_and_label(Role::TextInput, "New preset").focus();
    harness.run();
    harness.get_by_role_and_label(Role::TextInput, "New preset").type_text("soft");
    harness.run();
    harness.get_by_label_contains("Fields of the new preset (").click();
    harness.run();
    harness.get_by_role_and_label(Role::Button, "Choose none").click();
    harness.run();
    let save = harness.get_by_role_and_label(Role::Button, "Save form");
    assert!(save.accesskit_node().is_disabled(), "a preset sets something");
    let chosen = [PresetField::Guidance, PresetField::Seed, PresetField::Drafts];
    for field in chosen {
        let value = harness.state().form.as_ref().and_then(|form| form.value(field));
        let value = value.unwrap_or_else(|| "6 seeds, 4 steps".to_owned());
        harness.get_by_role_and_label(Role::CheckBox, &format!("{} {value}", field.label())).click();
        harness.run();
    }
    harness.get_by_role_and_label(Role::Button, "Save form").click();
    harness.run();
    let [PresetsAction::Save(saved)] = harness.state().actions.as_slice() else {
        panic!("{:?}", harness.state().actions)
    };
    assert!(saved.fields().eq(chosen), "{saved:?}");
    assert_eq!((saved.settings.seed, saved.model.as_str()), (Some(7), ""));
}

#[test]
fn an_own_preset_is_edited_in_place_and_a_wrong_value_says_so() {
    let mut harness = page();
    harness.get_by_role_and_label(Role::Button, "Edit my look").click();
    harness.run();
    let type_steps = |harness: &mut Harness<'_, Page>, text: &str| {
        harness.get_by_role_and_label(Role::TextInput, "Sets steps").focus();
        harness.run();
        harness.key_press_modifiers(eframe::egui::Modifiers::COMMAND, eframe::egui::Key::A);
        harness.run();
        harness.get_by_role_and_label(Role::TextInput, "Sets steps").type_text(text);
        harness.run();
    };
    type_steps(&mut harness, "ten");
    harness.get_by_role_and_label(Role::Button, "Save changes").click();
    harness.run();
    harness.get_by_label_contains("\"ten\" is not a valid value of steps");
    type_steps(&mut harness, "10");
    harness.get_by_role_and_label(Role::CheckBox, "Sets size").click();
    harness.run();
    harness.get_by_role_and_label(Role::Button, "Save changes").click();
    harness.run();
    let [PresetsAction::Change(changed)] = harness.state().actions.as_slice() else {
        panic!("{:?}", harness.state().actions)
    };
    let before = harness.state().presets.last().unwrap().clone();
    let mut expected = before.clone();
    (expected.settings.steps, expected.settings.size) = (Some(10), None);
    assert_eq!(**changed, expected);
    assert!(harness.query_by_role_and_label(Role::TextInput, "Sets steps").is_none(), "the editor is closed");
    harness.state_mut().undo = Some(PresetUndo::Edited(before));
    harness.run();
    harness.get_by_role_and_label(Role::Button, "Undo the edit of my look").click();
    harness.run();
    assert_eq!(harness.state().actions.last(), Some(&PresetsAction::Undo));
}

#[test]
fn a_preset_is_browsed_for_and_exported_where_a_dialog_says() {
    let mut harness = page();
    harness.get_by_role_and_label(Role::Button, "Browse presets…").click();
    harness.run();
    let first = harness.state().presets[0].name.clone();
    harness.get_by_role_and_label(Role::Button, &format!("Export {first}…")).click();
    harness.run();
    assert_eq!(harness.state().actions, [PresetsAction::BrowseImport, PresetsAction::BrowseExport(first)]);
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
        invalid: &[],
        form: Some(&presets[0]),
        previews: &[],
        starred: &starred,
        undo: None,
    };
    crate::app::snapshots::compare("presets", vec2(900.0, 600.0), |ui| drop(panel.ui(ui, &view)));
}
