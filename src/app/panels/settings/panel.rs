//! The settings of the program and of the window.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use eframe::egui::{Label, RichText, ScrollArea, TextEdit, ThemePreference, Ui};

use super::folders::folders_ui;
use super::import::{ImportPreview, import_ui};
use super::row::row_ui;
use crate::app::theme;
use crate::store::{SettingInfo, Settings, settings_info};

/// The data that the panel shows.
#[derive(Clone, Copy)]
pub(in crate::app) struct SettingsView<'a> {
    /// The settings.
    pub(in crate::app) settings: &'a Settings,
    /// The data folder.
    pub(in crate::app) data_dir: &'a Path,
    /// The data folder of the next start, if another was chosen.
    pub(in crate::app) next_data_dir: Option<&'a Path>,
    /// The folder of models that the command line names, which wins over the setting.
    pub(in crate::app) given_models: Option<&'a Path>,
    /// The folder of models that the environment names, for what the setting does not.
    pub(in crate::app) models_root: Option<&'a Path>,
    /// What the file that was chosen for import would change.
    pub(in crate::app) import: Option<&'a ImportPreview>,
    /// The window's theme.
    pub(in crate::app) theme: ThemePreference,
}

/// Actions of the settings panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app) enum SettingsAction {
    /// Set the theme.
    Theme(ThemePreference),
    /// Give the setting with this key a value.
    Set(&'static str, String),
    /// Give the setting with this key its default.
    Reset(&'static str),
    /// Choose a folder for the setting with this key in the system's dialog.
    BrowseFolder(&'static str),
    /// Choose the data folder of the next start in the system's dialog.
    BrowseDataFolder,
    /// Use this data folder from the next start on; none for the platform's.
    DataFolder(Option<PathBuf>),
    /// Choose a file to import in the system's dialog.
    BrowseImport,
    /// Read this file and show what importing it would change.
    ReadImport(PathBuf),
    /// Take over what the import shows.
    TakeImport,
    /// Forget the import.
    DropImport,
}

/// The view state of the settings panel.
#[derive(Default)]
pub(in crate::app) struct SettingsPanel {
    search: String,
    /// Texts that are being typed, by key.
    edits: BTreeMap<&'static str, String>,
    import_path: String,
    data_dir_path: String,
    only_changed: bool,
    /// The file whose import was shown in the last frame.
    shown_import: Option<PathBuf>,
}

/// Sections by the first part of their keys.
const SECTIONS: [(&str, &str); 8] = [
    ("generation", "Generation"),
    ("errors", "Failures"),
    ("optimization", "Precision and GPU memory"),
    ("hardware", "Hardware"),
    ("models", "Models"),
    ("modes", "Limits of the modes"),
    ("monitor", "Monitor"),
    ("records", "Disk space"),
];

impl SettingsPanel {
    /// Draws the settings; returns the user's actions.
    pub(in crate::app) fn ui(&mut self, ui: &mut Ui, view: &SettingsView<'_>) -> Vec<SettingsAction> {
        let mut actions = Vec::new();
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("Search settings");
            let edit =
                TextEdit::singleline(&mut self.search).hint_text("name, key or words").desired_width(220.0);
            ui.add(edit).labelled_by(label.id);
            ui.checkbox(&mut self.only_changed, "Only changed ones");
        });
        ui.separator();
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 4.0;
            let mut found = self.sections_ui(ui, view, &mut actions);
            let search = self.search.clone();
            let mut is_shown = |words: &str| {
                let is_shown = !self.only_changed && all_words_in(&search, words);
                found |= is_shown;
                is_shown
            };
            if is_shown("window theme dark light system") {
                heading_ui(ui, "Window");
                theme_ui(ui, view.theme, &mut actions);
            }
            if is_shown("folders data folder settings file videos models path") {
                heading_ui(ui, "Folders");
                folders_ui(ui, view, &mut self.data_dir_path, &mut actions);
            }
            if is_shown("import configuration json file") {
                heading_ui(ui, "Import");
                let file = view.import.map(|import| &import.file);
                let is_new = file != self.shown_import.as_ref();
                self.shown_import = file.cloned();
                import_ui(ui, view.import, &mut self.import_path, is_new, &mut actions);
            }
            if !found {
                ui.weak(match self.search.as_str() {
                    "" => "Every setting has its default".to_owned(),
                    words if self.only_changed => format!("No changed setting matches \"{words}\""),
                    words => format!("No setting matches \"{words}\""),
                });
            }
        });
        actions
    }

    /// Draws the settings that are searched for; whether there is one.
    fn sections_ui(
        &mut self,
        ui: &mut Ui,
        view: &SettingsView<'_>,
        actions: &mut Vec<SettingsAction>,
    ) -> bool {
        let entries: BTreeMap<_, _> = view.settings.entries().into_iter().collect();
        let defaults: BTreeMap<_, _> = Settings::default().entries().into_iter().collect();
        let mut found = false;
        for (section, title) in SECTIONS {
            let is_shown = |info: &&SettingInfo| {
                let is_changed = entries.get(info.key) != defaults.get(info.key);
                info.key.split('.').next() == Some(section)
                    && matches(info, &self.search)
                    && (is_changed || !self.only_changed)
            };
            let shown: Vec<_> = settings_info().iter().filter(is_shown).collect();
            if shown.is_empty() {
                continue;
            }
            found = true;
            heading_ui(ui, title);
            for info in shown {
                let (value, default) = (&entries[info.key], &defaults[info.key]);
                let edits = &mut self.edits;
                ui.push_id(info.key, |ui| row_ui(ui, info, [value, default], view.settings, edits, actions));
            }
        }
        found
    }
}

/// Whether every word of the search is in the setting's texts.
fn matches(info: &SettingInfo, search: &str) -> bool {
    all_words_in(search, &format!("{} {} {}", info.title, info.key, info.description).to_lowercase())
}

fn all_words_in(search: &str, text: &str) -> bool {
    search.to_lowercase().split_whitespace().all(|word| text.contains(word))
}

pub(super) fn heading_ui(ui: &mut Ui, title: &str) {
    ui.add_space(8.0);
    ui.add(Label::new(RichText::new(title).strong().size(theme::HEADING)));
}

fn theme_ui(ui: &mut Ui, current: ThemePreference, actions: &mut Vec<SettingsAction>) {
    ui.horizontal(|ui| {
        ui.label("Theme");
        for (theme, name) in [
            (ThemePreference::Dark, "Dark"),
            (ThemePreference::Light, "Light"),
            (ThemePreference::System, "System"),
        ] {
            if ui.selectable_label(current == theme, name).clicked() {
                actions.push(SettingsAction::Theme(theme));
            }
        }
    });
}
