//! One setting: what it is, its control, its default and what is wrong with what was typed.

use std::collections::BTreeMap;

use eframe::egui::text::LayoutJob;
use eframe::egui::{
    Align, Color32, ComboBox, Id, Key, Label, Layout, RichText, TextEdit, TextStyle, Ui, UiBuilder, vec2,
};
use egui_material_icons::icons::ICON_UNDO;

use super::panel::SettingsAction;
use crate::app::background::inputs::InputSource;
use crate::app::theme;
use crate::app::widgets::field::button_row_ui;
use crate::app::widgets::icon::icon_button;
use crate::core::Error;
use crate::store::{SettingInfo, SettingKind, Settings};

/// Below this width, controls stand under their descriptions.
const NARROW: f32 = 560.0;
/// Width of the column with the controls.
const CONTROLS: f32 = 340.0;
/// Width of a control with its unit.
const CONTROL: f32 = 150.0;
const NUMBER: f32 = 90.0;
/// Width of a field for text.
const TEXT: f32 = 140.0;

/// Draws a setting; `texts` are its value and its default.
pub(super) fn row_ui(
    ui: &mut Ui,
    info: &'static SettingInfo,
    texts: [&str; 2],
    settings: &Settings,
    edits: &mut BTreeMap<&'static str, String>,
    actions: &mut Vec<SettingsAction>,
) {
    let width = ui.available_width();
    let typed = edits.get(info.key);
    let error = typed.and_then(|typed| settings.clone().set(info.key, typed.trim()).err());
    if width < NARROW {
        let label = about_ui(ui, info, texts, error.as_ref());
        button_row_ui(ui, |ui| control_ui(ui, info, texts, label, edits, actions));
    } else {
        ui.horizontal_top(|ui| {
            let left = vec2(width - CONTROLS - 16.0, 0.0);
            let label = ui
                .allocate_ui_with_layout(left, Layout::top_down(Align::Min), |ui| {
                    ui.set_width(left.x);
                    // the name is in the middle of the row of controls
                    ui.add_space((theme::ICON_BUTTON.y - ui.spacing().interact_size.y) / 2.0);
                    about_ui(ui, info, texts, error.as_ref())
                })
                .inner;
            button_row_ui(ui, |ui| control_ui(ui, info, texts, label, edits, actions));
        });
    }
    ui.separator();
}

/// Name, key and description; the id of the name. An error of what is typed takes the description's place, so that the
/// settings below stay where they are.
fn about_ui(ui: &mut Ui, info: &SettingInfo, [value, default]: [&str; 2], error: Option<&Error>) -> Id {
    let id = ui
        .horizontal_wrapped(|ui| {
            let id = ui.label(RichText::new(info.title).strong()).id;
            ui.add(Label::new(RichText::new(info.key).small().weak().monospace()));
            if value != default {
                ui.add(Label::new(RichText::new("changed").small().color(theme::tokens(ui).accent)));
            }
            id
        })
        .inner;
    let description = RichText::new(info.description).small();
    let Some(error) = error else {
        ui.add(Label::new(description.weak()).wrap());
        return id;
    };
    let place = ui.add(Label::new(description.color(Color32::TRANSPARENT)).wrap()).rect;
    let text = format!("{error:#}");
    let place = place.with_max_x(ui.max_rect().right());
    let mut words = LayoutJob::simple(
        text.clone(),
        TextStyle::Small.resolve(ui.style()),
        theme::tokens(ui).error,
        place.width(),
    );
    let line = ui.text_style_height(&TextStyle::Small);
    words.wrap.max_rows = ((place.height() / line).round() as usize).max(1);
    let mut over = ui.new_child(UiBuilder::new().max_rect(place).layout(Layout::top_down(Align::Min)));
    over.add(Label::new(words).wrap().show_tooltip_when_elided(false)).on_hover_text(text);
    id
}

fn control_ui(
    ui: &mut Ui,
    info: &'static SettingInfo,
    texts: [&str; 2],
    label: Id,
    edits: &mut BTreeMap<&'static str, String>,
    actions: &mut Vec<SettingsAction>,
) {
    let [value, default] = texts;
    let left = ui.cursor().left();
    match info.kind {
        SettingKind::Switch => {
            let mut on = value == "true";
            let word = if on { "on" } else { "off" };
            if ui.checkbox(&mut on, word).labelled_by(label).changed() {
                actions.push(SettingsAction::Set(info.key, on.to_string()));
            }
        }
        SettingKind::Choice(words) => {
            let combo = ComboBox::from_id_salt("choice").selected_text(value);
            let shown = combo.show_ui(ui, |ui| {
                for word in words {
                    if ui.selectable_label(*word == value, *word).clicked() {
                        actions.push(SettingsAction::Set(info.key, (*word).to_owned()));
                    }
                }
            });
            shown.response.labelled_by(label);
        }
        SettingKind::Whole { .. }
        | SettingKind::Number { .. }
        | SettingKind::Folder
        | SettingKind::Words
        | SettingKind::Text => text_ui(ui, info, value, label, edits, actions),
    }
    if info.kind == SettingKind::Folder && ui.button("Browse…").clicked() {
        actions.push(SettingsAction::BrowseFolder(info.key));
    }
    if !info.unit.is_empty() {
        ui.weak(info.unit);
    }
    // the buttons of all rows are in one column
    ui.add_space((left + CONTROL - ui.cursor().left()).max(0.0));
    let can_reset = value != default || edits.contains_key(info.key);
    let reset = ui.add_enabled_ui(can_reset, |ui| {
        let tooltip = format!("Back to the default: {}", shown_default(info, default));
        icon_button(ui, ICON_UNDO, &format!("Reset {}", info.title), &tooltip)
    });
    if reset.inner.clicked() {
        edits.remove(info.key);
        if value != default {
            actions.push(SettingsAction::Reset(info.key));
        }
    }
    let range = match info.kind {
        SettingKind::Whole { least, most } | SettingKind::Number { least, most } => {
            format!("Range {least} to {most}")
        }
        _ => "Back to it with the arrow".to_owned(),
    };
    // a long one must not make the row wider than the panel
    let whole = format!("default {}", shown_default(info, default));
    let text = RichText::new(&whole).small().weak();
    let label = Label::new(text).truncate().show_tooltip_when_elided(false);
    ui.add(label).on_hover_text(format!("{whole}\n{range}"));
}

/// A text that counts when its field is left or Enter is pressed.
fn text_ui(
    ui: &mut Ui,
    info: &'static SettingInfo,
    value: &str,
    label: Id,
    edits: &mut BTreeMap<&'static str, String>,
    actions: &mut Vec<SettingsAction>,
) {
    let is_number = matches!(info.kind, SettingKind::Whole { .. } | SettingKind::Number { .. });
    let width = if is_number { NUMBER } else { TEXT };
    let shown = if value == "none" { "" } else { value };
    let mut text = edits.get(info.key).cloned().unwrap_or_else(|| shown.to_owned());
    let edit = TextEdit::singleline(&mut text).hint_text("none").desired_width(width);
    let response = ui.add(edit).labelled_by(label);
    if response.changed() {
        edits.insert(info.key, text.clone());
    }
    if response.lost_focus() {
        let is_dropped = ui.input(|input| input.key_pressed(Key::Escape));
        if let Some(typed) = edits.get(info.key) {
            let typed = if typed.trim().is_empty() { "none" } else { typed.trim() }.to_owned();
            let path =
                InputSource::parse(&typed).filter(|_| info.kind == SettingKind::Folder && typed != "none");
            let typed = path.map_or(typed, |path| path.display().to_string());
            let is_valid = Settings::default().set(info.key, &typed).is_ok();
            if is_dropped || typed == value || is_valid {
                edits.remove(info.key);
            }
            if is_valid && !is_dropped && typed != value {
                actions.push(SettingsAction::Set(info.key, typed));
            }
        }
    }
}

fn shown_default(info: &SettingInfo, default: &str) -> String {
    let default = match (info.kind, default) {
        (SettingKind::Switch, "true") => "on",
        (SettingKind::Switch, _) => "off",
        (_, text) => text,
    };
    if info.unit.is_empty() || default == "none" {
        default.to_owned()
    } else {
        format!("{default} {}", info.unit)
    }
}
