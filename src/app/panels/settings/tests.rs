use std::path::Path;

use eframe::egui::accesskit::Role;
use eframe::egui::{Key, Modifiers, ThemePreference, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use super::{ImportPreview, SettingsAction, SettingsPanel, SettingsView};
use crate::app::theme;
use crate::store::Settings;

#[derive(Default)]
struct Page {
    panel: SettingsPanel,
    settings: Settings,
    import: Option<ImportPreview>,
    actions: Vec<SettingsAction>,
}

fn page<'a>(page: Page) -> Harness<'a, Page> {
    Harness::builder().with_size(vec2(1000.0, 2600.0)).with_context_setup(theme::install).build_ui_state(
        |ui, page: &mut Page| {
            let view = SettingsView {
                settings: &page.settings,
                data_dir: Path::new("/data"),
                next_data_dir: None,
                given_models: None,
                models_root: Some(Path::new("/shelf")),
                import: page.import.as_ref(),
                theme: ThemePreference::Dark,
            };
            page.actions.extend(page.panel.ui(ui, &view));
        },
        page,
    )
}

fn type_into(harness: &mut Harness<'_, Page>, label: &str, text: &str) {
    harness.get_by_role_and_label(Role::TextInput, label).focus();
    harness.run();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.get_by_role_and_label(Role::TextInput, label).type_text(text);
    harness.run();
}

#[test]
fn every_setting_is_there_and_a_number_counts_on_enter() {
    let mut harness = page(Page::default());
    for info in crate::store::settings_info() {
        assert!(harness.query_all_by_label(info.title).next().is_some(), "{}", info.title);
        harness.get_by_label(info.key);
    }
    type_into(&mut harness, "Retries", "5");
    assert_eq!(harness.state().actions, [], "it counts when it is whole");
    harness.key_press(Key::Enter);
    harness.run();
    assert_eq!(harness.state().actions, [SettingsAction::Set("generation.retries", "5".into())]);
}

#[test]
fn a_value_out_of_range_is_refused_in_place() {
    let mut harness = page(Page::default());
    let below =
        |harness: &Harness<'_, Page>| harness.get_by_role_and_label(Role::CheckBox, "Preflight").rect();
    let before = below(&harness);
    type_into(&mut harness, "Retries", "99");
    harness.key_press(Key::Enter);
    harness.run();
    harness.get_by_label_contains("generation.retries must be from 0 to 20, not 99");
    assert_eq!(below(&harness), before, "the error moves nothing");
    assert_eq!(harness.state().actions, []);
}

#[test]
fn what_is_wrong_is_readable_and_the_arrow_takes_it_back() {
    let mut harness = page(Page::default());
    harness.set_size(vec2(700.0, 2600.0));
    type_into(&mut harness, "Retries", "many");
    harness.key_press(Key::Enter);
    harness.run();
    let error = harness.get_by_label_contains("generation.retries cannot be \"many\"").rect();
    assert!(error.height() > 2.0 * theme::SMALL_TEXT, "it is not cut after one line: {error}");
    harness.get_by_role_and_label(Role::Button, "Reset Retries").click();
    harness.run();
    assert!(harness.query_by_label_contains("generation.retries cannot be").is_none());
    assert_eq!(harness.state().actions, [], "the setting itself had its default");
}

#[test]
fn the_name_of_a_setting_is_in_line_with_its_controls() {
    let harness = page(Page::default());
    let name = harness.get_all_by_label("Retries").next().unwrap().rect().center().y;
    for (role, label) in [(Role::TextInput, "Retries"), (Role::Button, "Reset Retries")] {
        let control = harness.get_by_role_and_label(role, label).rect().center().y;
        assert!((name - control).abs() <= 1.0, "{label}: {name} {control}");
    }
}

#[test]
fn paths_are_taken_as_typed_and_by_enter() {
    let mut harness = page(Page::default());
    harness.get_by_label("/shelf (from MODELS_ROOT)");
    let home = directories::BaseDirs::new().unwrap().home_dir().to_path_buf();
    for (label, action) in [
        ("Data folder from the next start on", SettingsAction::DataFolder(Some(home.join("there")))),
        ("Configuration file", SettingsAction::ReadImport(home.join("there"))),
        ("Models folder", SettingsAction::Set("models.folder", home.join("there").display().to_string())),
    ] {
        type_into(&mut harness, label, "~/there");
        harness.key_press(Key::Enter);
        harness.run();
        assert_eq!(std::mem::take(&mut harness.state_mut().actions), [action], "{label}");
    }
}

#[test]
fn what_an_import_would_change_comes_into_view() {
    let mut harness = page(Page::default());
    harness.set_size(vec2(1000.0, 400.0));
    harness.run();
    let mut settings = Settings::default();
    let imported = settings.import("{\"generation\": {\"max_retries\": 5}}").unwrap();
    harness.state_mut().import = Some(ImportPreview { file: "/tmp/own.json".into(), imported, settings });
    harness.run();
    let button = harness.get_by_role_and_label(Role::Button, "Take over").rect();
    assert!(button.top() > 0.0 && button.bottom() <= 400.0, "{button}");
}

#[test]
fn switches_choices_and_resets_are_actions() {
    let mut settings = Settings::default();
    settings.set("models.offload", "always").unwrap();
    let mut harness = page(Page { settings, ..Page::default() });
    harness.get_by_role_and_label(Role::CheckBox, "Preflight").click();
    harness.run();
    harness.get_by_role_and_label(Role::Button, "Reset Free networks").click();
    harness.run();
    harness.get_by_role_and_label(Role::ComboBox, "Precision of a new form").click();
    harness.run();
    harness.get_by_label("bf16").click();
    harness.run();
    let expected = [
        SettingsAction::Set("generation.preflight", "false".into()),
        SettingsAction::Reset("models.offload"),
        SettingsAction::Set("optimization.precision", "bf16".into()),
    ];
    assert_eq!(harness.state().actions, expected);
}

#[test]
fn the_controls_of_all_settings_are_in_line() {
    for width in [700.0, 862.0, 1400.0] {
        let mut harness = page(Page::default());
        harness.set_size(vec2(width, 2600.0));
        harness.run();
        let reset = |info: &crate::store::SettingInfo| {
            harness.get_by_role_and_label(Role::Button, &format!("Reset {}", info.title)).rect().right()
        };
        for info in crate::store::settings_info() {
            assert!(reset(info) < width - 40.0, "{width}: {}", info.key);
        }
        let [first, last] =
            [reset(&crate::store::settings_info()[0]), reset(crate::store::settings_info().last().unwrap())];
        assert!((first - last).abs() < 1.0, "{width}: {first} {last}");
    }
}

#[test]
fn the_search_finds_words_and_says_when_there_is_none() {
    let mut harness = page(Page::default());
    type_into(&mut harness, "Search settings", "vram");
    harness.get_by_label("GPU memory limit");
    assert!(harness.query_by_label("Retries").is_none());
    type_into(&mut harness, "Search settings", "clouds");
    harness.get_by_label("No setting matches \"clouds\"");
    harness.get_by_label("Only changed ones").click();
    harness.run();
    harness.get_by_label("No changed setting matches \"clouds\"");
}

#[test]
fn an_import_says_what_each_key_becomes_before_it_counts() {
    let mut settings = Settings::default();
    let imported = settings.import(include_str!("../../../../tests/settings/source/enhanced.json")).unwrap();
    let import = Some(ImportPreview { file: "/tmp/enhanced.json".into(), imported, settings });
    let mut harness = page(Page { import, ..Page::default() });
    type_into(&mut harness, "Search settings", "import");
    harness.get_by_label("enhanced.json: 4 keys taken over, 10 not");
    harness.get_by_label("models.auto_fetch = true");
    assert!(harness.query_all_by_label("Wandeck always runs the real models and never a mock").count() >= 2);
    harness.get_by_role_and_label(Role::Button, "Take over").click();
    harness.run();
    assert_eq!(harness.state().actions, [SettingsAction::TakeImport]);
}

#[test]
fn snapshot_of_the_settings() {
    let (mut panel, settings) = (SettingsPanel::default(), Settings::default());
    let view = SettingsView {
        settings: &settings,
        data_dir: Path::new("/data"),
        next_data_dir: None,
        given_models: None,
        models_root: None,
        import: None,
        theme: ThemePreference::Dark,
    };
    crate::app::snapshots::compare("settings", vec2(900.0, 600.0), |ui| drop(panel.ui(ui, &view)));
}
