//! All presets, shipped, own and brought by models, each with what it would change in the form.

use std::collections::BTreeSet;
use std::path::PathBuf;

use eframe::egui::{Button, Label, RichText, ScrollArea, TextEdit, Ui};

use super::fields::{Edited, PresetEdit, summary};
use super::saving::NewPreset;
use crate::app::form::PresetPreview;
use crate::app::theme;
use crate::app::widgets::field::problem_text_ui;
use crate::core::Error;
use crate::presets::{Preset, PresetOrigin};

/// A change of an own preset that can be taken back; has the preset as it was.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::app) enum PresetUndo {
    /// It was removed.
    Removed(Preset),
    /// Its fields were edited.
    Edited(Preset),
}

/// The data that the panel shows.
#[derive(Clone, Copy)]
pub(in crate::app) struct PresetsView<'a> {
    /// Presets: shipped ones, own ones, those of models.
    pub(in crate::app) presets: &'a [Preset],
    /// Why files among the own ones are none.
    pub(in crate::app) invalid: &'a [Error],
    /// The form as a preset without name; none while it has no mode.
    pub(in crate::app) form: Option<&'a Preset>,
    /// What each would change in the form.
    pub(in crate::app) previews: &'a [PresetPreview],
    /// Names of those that are shown first.
    pub(in crate::app) starred: &'a BTreeSet<String>,
    /// The last change that can be taken back.
    pub(in crate::app) undo: Option<&'a PresetUndo>,
}

/// Actions of the presets panel.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::app) enum PresetsAction {
    /// Apply this preset to the form; keep prompt and seed.
    Apply(String),
    /// Save this preset, which is new.
    Save(Box<Preset>),
    /// Save this preset in place of the own one of its name.
    Change(Box<Preset>),
    /// Give the own preset the second name.
    Rename(String, String),
    /// Copy this preset among the own ones.
    Duplicate(String),
    /// Show this preset first, or at its place again.
    Star(String),
    /// Remove this own preset.
    Remove(String),
    /// Take back what was removed or edited last.
    Undo,
    /// Read a preset from this file.
    Import(PathBuf),
    /// Choose the file to read a preset from in a dialog.
    BrowseImport,
    /// Choose the file of this own preset's LoRA, which is not at this path any more.
    ChooseLora(String, PathBuf),
    /// Ask for this item of the manifest, which has a LoRA that is missing.
    FetchLora(String),
    /// Write this preset to a new file.
    Export(String, PathBuf),
    /// Choose the new file for this preset in a dialog.
    BrowseExport(String),
}

/// The view state of the presets panel.
#[derive(Default)]
pub(in crate::app) struct PresetsPanel {
    search: String,
    new: NewPreset,
    file: String,
    /// The preset that is edited.
    editing: Option<PresetEdit>,
    /// The preset that is renamed, and its new name.
    renaming: Option<(String, String)>,
}

impl PresetsPanel {
    /// Draws the presets; returns the user's actions.
    pub(in crate::app) fn ui(&mut self, ui: &mut Ui, view: &PresetsView<'_>) -> Vec<PresetsAction> {
        let mut actions = Vec::new();
        self.toolbar_ui(ui, view, &mut actions);
        ui.separator();
        let search = self.search.to_lowercase();
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            let mut found = false;
            for error in view.invalid {
                problem_text_ui(ui, error);
                ui.separator();
            }
            let mut presets: Vec<_> = view.presets.iter().collect();
            presets.sort_by_key(|preset| !view.starred.contains(&preset.name));
            for preset in presets {
                let origin = preset.origin.word();
                let text = format!("{} {} {} {origin}", preset.name, preset.description, preset.model);
                let text = text.to_lowercase();
                if !search.split_whitespace().all(|word| text.contains(word)) {
                    continue;
                }
                found = true;
                ui.push_id(&preset.name, |ui| self.preset_ui(ui, preset, view, &mut actions));
                ui.separator();
            }
            if !found {
                ui.weak("No preset matches");
            }
        });
        actions
    }

    fn toolbar_ui(&mut self, ui: &mut Ui, view: &PresetsView<'_>, actions: &mut Vec<PresetsAction>) {
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("Search presets");
            ui.add(TextEdit::singleline(&mut self.search).desired_width(140.0)).labelled_by(label.id);
            self.new.name_ui(ui, view, actions);
            let undo = view.undo.map(|undo| match undo {
                PresetUndo::Removed(preset) => format!("Bring back {}", preset.name),
                PresetUndo::Edited(preset) => format!("Undo the edit of {}", preset.name),
            });
            if undo.is_some_and(|undo| ui.button(undo).clicked()) {
                actions.push(PresetsAction::Undo);
            }
        });
        self.new.fields_ui(ui, view);
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("Preset file");
            let edit =
                TextEdit::singleline(&mut self.file).hint_text("path of a RON file, to import or export");
            ui.add(edit.desired_width(260.0)).labelled_by(label.id);
            let file = self.file.trim();
            let import = ui.add_enabled(!file.is_empty(), Button::new("Import"));
            if import.on_disabled_hover_text("Type or browse a file first").clicked() {
                actions.push(PresetsAction::Import(PathBuf::from(file)));
            }
            if ui.button("Browse presets…").on_hover_text("Choose a preset's file and import it").clicked()
            {
                actions.push(PresetsAction::BrowseImport);
            }
        });
    }

    fn preset_ui(
        &mut self,
        ui: &mut Ui,
        preset: &Preset,
        view: &PresetsView<'_>,
        actions: &mut Vec<PresetsAction>,
    ) {
        let name = &preset.name;
        let is_own = preset.origin == PresetOrigin::Own;
        ui.horizontal_wrapped(|ui| {
            ui.strong(name);
            ui.weak(preset.origin.word());
            let preview = view.previews.iter().find(|preview| preview.name == *name);
            let can_apply = preview.map_or_else(
                || preset.missing_loras().next().is_none(),
                |preview| preview.missing_loras.is_empty(),
            );
            let apply = ui.add_enabled(can_apply, Button::new(format!("Apply {name}")).small());
            let apply = apply.on_hover_text("Use its settings in the form; prompt, images and seed stay");
            if apply.on_disabled_hover_text("Fetch its LoRAs or choose their files first").clicked() {
                actions.push(PresetsAction::Apply(name.clone()));
            }
            let star = Button::new(format!("Star {name}")).small().selected(view.starred.contains(name));
            if ui.add(star).on_hover_text("Show it first").clicked() {
                actions.push(PresetsAction::Star(name.clone()));
            }
            if ui.small_button("Duplicate").clicked() {
                actions.push(PresetsAction::Duplicate(name.clone()));
            }
            let file = self.file.trim();
            let export = ui.small_button(format!("Export {name}…"));
            let about =
                if file.is_empty() { "Choose the name of a new file" } else { "Writes the file above" };
            if export.on_hover_text(about).clicked() {
                actions.push(if file.is_empty() {
                    PresetsAction::BrowseExport(name.clone())
                } else {
                    PresetsAction::Export(name.clone(), PathBuf::from(file))
                });
            }
            if is_own && ui.small_button("Rename").clicked() {
                self.renaming = Some((name.clone(), name.clone()));
            }
            if is_own && ui.small_button(format!("Edit {name}")).clicked() {
                self.editing = Some(PresetEdit::new(preset));
            }
            if is_own
                && ui.small_button(format!("Remove {name}")).on_hover_text("Can be brought back").clicked()
            {
                actions.push(PresetsAction::Remove(name.clone()));
            }
        });
        self.rename_ui(ui, name, actions);
        if let Some(edit) = self.editing.as_mut().filter(|edit| edit.is_of(name)) {
            if let Some(left) = edit.ui(ui, view.form) {
                if let Edited::Changed(preset) = left {
                    actions.push(PresetsAction::Change(preset));
                }
                self.editing = None;
            }
            return;
        }
        ui.add(Label::new(&preset.description).wrap());
        ui.add(Label::new(RichText::new(summary(preset)).weak()).wrap());
        missing_loras_ui(ui, preset, is_own, actions);
        if let Some(preview) = view.previews.iter().find(|preview| preview.name == *name) {
            difference_ui(ui, preview);
        }
    }

    fn rename_ui(&mut self, ui: &mut Ui, name: &str, actions: &mut Vec<PresetsAction>) {
        let Some((old, new)) = self.renaming.as_mut().filter(|(old, _)| old == name) else { return };
        let mut is_done = false;
        ui.horizontal(|ui| {
            let label = ui.label("New name");
            ui.add(TextEdit::singleline(new).desired_width(180.0)).labelled_by(label.id);
            if ui.add_enabled(!new.trim().is_empty(), Button::new("Save name")).clicked() {
                actions.push(PresetsAction::Rename(old.clone(), new.trim().to_owned()));
                is_done = true;
            }
            is_done |= ui.button("Keep the name").clicked();
        });
        if is_done {
            self.renaming = None;
        }
    }
}

/// The LoRAs whose files are not on this machine, with a button that fetches them and, for an own preset, one that chooses
/// the file.
fn missing_loras_ui(ui: &mut Ui, preset: &Preset, is_own: bool, actions: &mut Vec<PresetsAction>) {
    let mut items: Vec<_> = preset.missing_loras().filter_map(|lora| lora.fetched_as.as_ref()).collect();
    items.dedup();
    for item in items {
        let fetch = ui.small_button(format!("Fetch {item}…"));
        if fetch.on_hover_text("Shows what is fetched in the models panel").clicked() {
            actions.push(PresetsAction::FetchLora(item.clone()));
        }
    }
    for lora in preset.missing_loras() {
        let name = lora.name();
        ui.horizontal_wrapped(|ui| {
            let text = format!("Needs the LoRA {name}, which is not on this machine");
            ui.label(RichText::new(text).color(theme::tokens(ui).warning))
                .on_hover_text(format!("It was {}", lora.file.display()));
            let choose = ui.add_enabled(is_own, Button::new(format!("Choose the file of {name}")).small());
            let choose = choose.on_hover_text("The preset keeps the file that you choose");
            if choose.on_disabled_hover_text("Duplicate the preset to choose another file").clicked() {
                actions.push(PresetsAction::ChooseLora(preset.name.clone(), lora.file.clone()));
            }
        });
    }
}

/// What a preset would change in the form.
fn difference_ui(ui: &mut Ui, preview: &PresetPreview) {
    if let Some(model) = &preview.missing_model {
        let text = format!("Needs the model {model}, which is not on this machine");
        ui.label(RichText::new(text).color(theme::tokens(ui).warning));
    }
    if preview.differences.is_empty() {
        ui.weak("The form has these settings");
        return;
    }
    let changes: Vec<_> = preview
        .differences
        .iter()
        .map(|one| format!("{} {} to {}", one.field.label(), one.before, one.after))
        .collect();
    ui.add(Label::new(RichText::new(format!("Would change: {}", changes.join(" · "))).small()).wrap());
}
