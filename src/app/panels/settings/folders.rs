//! Where the program's files are, and where they will be.

use eframe::egui::{Button, Grid, Label, RichText, TextEdit, Ui};

use super::panel::{SettingsAction, SettingsView};
use crate::app::background::inputs::InputSource;
use crate::app::widgets::field::is_entered;
use crate::models::MODELS_ROOT_VARIABLE;
use crate::store::Settings;

pub(super) fn folders_ui(
    ui: &mut Ui,
    view: &SettingsView<'_>,
    typed: &mut String,
    actions: &mut Vec<SettingsAction>,
) {
    let models = match (view.given_models, &view.settings.models.folder) {
        (Some(given), _) => format!("{} (from the command line)", given.display()),
        (None, Some(set)) => set.display().to_string(),
        (None, None) => match view.models_root {
            Some(root) => format!("{} (from {MODELS_ROOT_VARIABLE})", root.display()),
            None => format!("{} (nothing set)", view.data_dir.join("models").display()),
        },
    };
    let rows = [
        ("Data folder", view.data_dir.display().to_string()),
        ("Settings file", Settings::path_in(view.data_dir).display().to_string()),
        ("Videos", view.data_dir.join("outputs").display().to_string()),
        ("Models", models),
    ];
    Grid::new("folders").num_columns(2).show(ui, |ui| {
        for (name, path) in rows {
            ui.label(name);
            ui.horizontal(|ui| {
                if ui.small_button("Copy").on_hover_text(format!("Copy the path: {name}")).clicked() {
                    ui.ctx().copy_text(path.clone());
                }
                ui.add(Label::new(RichText::new(&path).weak()).truncate().show_tooltip_when_elided(false))
                    .on_hover_text(&path);
            });
            ui.end_row();
        }
    });
    ui.add_space(4.0);
    ui.add(
        Label::new(
            RichText::new(
                "The data folder holds the queue, the history, these settings and the videos. Another one starts \
                 empty; nothing is moved, and the old one stays as it is. --data-dir and WANDECK_DATA_DIR win over \
                 this choice.",
            )
            .small()
            .weak(),
        )
        .wrap(),
    );
    ui.horizontal_wrapped(|ui| {
        let label = ui.label("Data folder from the next start on");
        let hint = view.data_dir.display().to_string();
        let edit = TextEdit::singleline(typed).hint_text(hint).desired_width(220.0);
        let edit = ui.add(edit).labelled_by(label.id);
        let folder = InputSource::parse(typed);
        let use_it = ui.add_enabled(folder.is_some(), Button::new("Use this folder"));
        let is_wanted = use_it.on_disabled_hover_text("Type or browse a folder first").clicked();
        if is_wanted || is_entered(ui, &edit) {
            actions.extend(folder.map(|folder| SettingsAction::DataFolder(Some(folder))));
        }
        if ui.button("Browse data folder…").clicked() {
            actions.push(SettingsAction::BrowseDataFolder);
        }
        if ui.button("Use the usual folder").on_hover_text("The platform's folder for this program").clicked()
        {
            actions.push(SettingsAction::DataFolder(None));
        }
    });
    if let Some(next) = view.next_data_dir {
        ui.label(format!("From the next start on: {}", next.display()));
    }
}
