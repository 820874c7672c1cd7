//! The settings of the program and of the window.

use std::path::Path;

use eframe::egui::{Grid, ScrollArea, ThemePreference, Ui};

use crate::store::Settings;

/// The data that the panel shows.
#[derive(Clone, Copy)]
pub(in crate::app) struct SettingsView<'a> {
    /// The settings.
    pub(in crate::app) settings: &'a Settings,
    /// The data folder.
    pub(in crate::app) data_dir: &'a Path,
    /// The window's theme.
    pub(in crate::app) theme: ThemePreference,
}

/// Actions of the settings panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) enum SettingsAction {
    /// Set the theme.
    Theme(ThemePreference),
}

/// The view state of the settings panel.
#[derive(Default)]
pub(in crate::app) struct SettingsPanel {}

impl SettingsPanel {
    /// Draws the settings; returns the user's actions.
    #[expect(clippy::unused_self, clippy::needless_pass_by_ref_mut, reason = "every panel is drawn alike")]
    pub(in crate::app) fn ui(&mut self, ui: &mut Ui, view: &SettingsView<'_>) -> Vec<SettingsAction> {
        let mut actions = Vec::new();
        ui.horizontal(|ui| {
            ui.label("Theme");
            for (theme, name) in [
                (ThemePreference::Dark, "Dark"),
                (ThemePreference::Light, "Light"),
                (ThemePreference::System, "System"),
            ] {
                if ui.selectable_label(view.theme == theme, name).clicked() {
                    actions.push(SettingsAction::Theme(theme));
                }
            }
        });
        let settings = view.settings;
        let on = |value: bool| if value { "on" } else { "off" }.to_owned();
        let or = |value: u64, zero: &str, unit: &str| {
            if value == 0 { zero.to_owned() } else { format!("{value} {unit}") }
        };
        let rows = [
            ("Attempts after a failure", settings.generation.retries.to_string()),
            ("Preflight", on(settings.generation.preflight)),
            ("Time limit of a job", or(settings.errors.timeout_s, "none", "s")),
            ("Threads", or(u64::from(settings.hardware.threads), "all cores", "threads")),
            ("Room for latents", format!("{} MiB", settings.records.latents_mib)),
            ("Room for encoded prompts and images", format!("{} MiB", settings.records.cache_mib)),
            ("Data folder", view.data_dir.display().to_string()),
            ("Settings file", Settings::path_in(view.data_dir).display().to_string()),
        ];
        ScrollArea::both().auto_shrink([false, false]).show(ui, |ui| {
            Grid::new("settings").num_columns(2).show(ui, |ui| {
                for (name, value) in rows {
                    ui.label(name);
                    ui.weak(value);
                    ui.end_row();
                }
            });
        });
        actions
    }
}
