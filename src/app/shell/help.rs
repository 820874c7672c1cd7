//! The keyboard shortcuts: a list in which each can be changed, with its conflicts.

use eframe::egui::{
    Context, Event, Grid, Id, KeyboardShortcut, Modal, Modifiers, RichText, ScrollArea, TextEdit, Ui,
};

use super::command::Command;
use super::panel_keys::{self, PanelKeys};
use super::shortcuts::{COPY, Shortcuts};
use crate::app::theme;

/// Width of the list, which has room for every row.
const WIDTH: f32 = 620.0;

/// The list while it is open.
#[derive(Default)]
pub(in crate::app) struct ShortcutList {
    search: String,
    /// The command that waits for its new shortcut.
    recording: Option<Command>,
    /// Whether keys were pressed for it that cannot be its shortcut.
    is_refused: bool,
    /// Whether it was drawn before, so that the search has had the focus.
    was_shown: bool,
}

/// What became of the list in a frame.
pub(in crate::app) struct Changed {
    /// The shortcuts, if they were changed.
    pub(in crate::app) shortcuts: Option<Shortcuts>,
    /// Whether the list stays open.
    pub(in crate::app) stays: bool,
}

impl ShortcutList {
    /// Whether the next key press becomes a shortcut, so that it must not run a command.
    pub(in crate::app) fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    /// Draws the list.
    pub(in crate::app) fn ui(&mut self, ctx: &Context) -> Changed {
        let shortcuts = Shortcuts::installed(ctx);
        let mut changed = self.record(ctx, &shortcuts);
        let was_recording = self.recording.is_some();
        let modal = Modal::new(Id::unique("keys")).show(ctx, |ui| {
            ui.set_width(WIDTH);
            ui.label(RichText::new("Keyboard shortcuts").strong());
            ui.weak("Keys without Ctrl or Alt act while no field has the focus");
            ui.horizontal(|ui| {
                let label = ui.label("Search");
                let edit = TextEdit::singleline(&mut self.search).desired_width(f32::INFINITY);
                let edit = ui.add(edit).labelled_by(label.id);
                if !std::mem::replace(&mut self.was_shown, true) {
                    edit.request_focus();
                }
            });
            changed = conflicts_ui(ui, &shortcuts).or_else(|| changed.take());
            ScrollArea::vertical().max_height(theme::PALETTE_HEIGHT).auto_shrink(false).show(ui, |ui| {
                let grid = Grid::new("keys").num_columns(3).striped(true).min_col_width(100.0);
                grid.show(ui, |ui| {
                    let search = self.search.to_lowercase();
                    for command in Command::all().filter(|one| one.text().to_lowercase().contains(&search)) {
                        changed = self.row_ui(ui, command, &shortcuts).or_else(|| changed.take());
                        ui.end_row();
                    }
                });
                panel_keys_ui(ui, &self.search.to_lowercase());
            });
            ui.horizontal(|ui| {
                let differs = *shortcuts != Shortcuts::default();
                let reset = ui.add_enabled(differs, eframe::egui::Button::new("Reset all shortcuts"));
                if reset.clicked() {
                    changed = Some(Shortcuts::default());
                }
                ui.button("Close").clicked()
            })
            .inner
        });
        // Esc first ends the recording
        let closes = modal.should_close() && !was_recording || modal.inner;
        Changed { shortcuts: changed, stays: !closes }
    }

    /// Takes the key press that was waited for.
    fn record(&mut self, ctx: &Context, shortcuts: &Shortcuts) -> Option<Shortcuts> {
        let command = self.recording?;
        let is_clipboard =
            |event: &Event| matches!(event, Event::Cut | Event::Paste(_) | Event::PasteImage(_));
        self.is_refused |= ctx.input(|input| input.events.iter().any(is_clipboard));
        let pressed = ctx.input_mut(|input| {
            let place = input.events.iter().position(|event| shortcut_of(event).is_some())?;
            shortcut_of(&input.events.remove(place))
        })?;
        self.recording = None;
        let is_escape = pressed.logical_key == eframe::egui::Key::Escape;
        (!is_escape).then(|| shortcuts.with(command, vec![pressed]))
    }

    /// The name of a command, its shortcuts, and how to change them.
    fn row_ui(&mut self, ui: &mut Ui, command: Command, shortcuts: &Shortcuts) -> Option<Shortcuts> {
        let mut changed = None;
        let name = command.text();
        ui.label(name).on_hover_text(command.about());
        if self.recording == Some(command) {
            let text = if self.is_refused {
                "Press others: these cut and paste"
            } else {
                "Press the keys, Esc to cancel"
            };
            ui.label(RichText::new(text).color(theme::tokens(ui).accent));
        } else {
            let keys = shortcuts.of(command).iter().map(|key| ui.ctx().format_shortcut(key));
            ui.monospace(keys.collect::<Vec<_>>().join("  or  "));
        }
        ui.horizontal(|ui| {
            to_the_edge(ui);
            let named = |ui: &mut Ui, text: &str, about: String| {
                let response = ui.small_button(text);
                let enabled = response.enabled();
                let role = eframe::egui::Role::Button;
                response.widget_info(|| eframe::egui::WidgetInfo::labeled(role, enabled, &about));
                response.on_hover_text(about).clicked()
            };
            if named(ui, "Change", format!("Change the shortcut of {name}")) {
                (self.recording, self.is_refused) = (Some(command), false);
            }
            if !shortcuts.of(command).is_empty() && named(ui, "Remove", format!("No shortcut for {name}")) {
                changed = Some(shortcuts.with(command, Vec::new()));
            }
            let default = command.default_shortcuts();
            if shortcuts.of(command) != default && named(ui, "Reset", format!("Reset the shortcut of {name}"))
            {
                changed = Some(shortcuts.with(command, default));
            }
        });
        changed
    }
}

/// Makes the last cell of a row as wide as the sheet, and with it the row's stripe.
fn to_the_edge(ui: &mut Ui) {
    ui.set_min_width(ui.available_width());
}

/// The keys of rows and results, which stay as they are.
fn panel_keys_ui(ui: &mut Ui, search: &str) {
    for PanelKeys { place, keys } in panel_keys::all() {
        let found: Vec<_> =
            keys.into_iter().filter(|(_, about)| about.to_lowercase().contains(search)).collect();
        if found.is_empty() {
            continue;
        }
        ui.add_space(8.0);
        ui.label(RichText::new(place).strong());
        ui.weak("Before all other keys, while it has the keyboard");
        Grid::new(place).num_columns(2).striped(true).min_col_width(100.0).show(ui, |ui| {
            for same in found.chunk_by(|(_, one), (_, other)| one == other) {
                let keys: Vec<_> = same.iter().map(|(key, _)| ui.ctx().format_shortcut(key)).collect();
                ui.label(same[0].1);
                ui.horizontal(|ui| {
                    to_the_edge(ui);
                    ui.monospace(keys.join("  or  "));
                });
                ui.end_row();
            }
        });
    }
}

/// Names the commands that share a shortcut, with a button for each to keep it.
fn conflicts_ui(ui: &mut Ui, shortcuts: &Shortcuts) -> Option<Shortcuts> {
    let mut changed = None;
    for (one, other) in shortcuts.conflicts() {
        let text = format!("{} and {} have the same key", one.text(), other.text());
        ui.label(RichText::new(text).color(theme::tokens(ui).warning));
        ui.horizontal(|ui| {
            for (keeps, loses) in [(one, other), (other, one)] {
                if ui.small_button(format!("Keep it for {}", keeps.text())).clicked() {
                    let taken = shortcuts.of(keeps).to_vec();
                    let rest = shortcuts.of(loses).iter().filter(|key| !taken.contains(key)).copied();
                    changed = Some(shortcuts.with(loses, rest.collect()));
                }
            }
        });
    }
    changed
}

/// The shortcut that a key press stands for.
fn shortcut_of(event: &Event) -> Option<KeyboardShortcut> {
    match event {
        Event::Key { key, pressed: true, modifiers, .. } => {
            let Modifiers { alt, shift, ctrl, command, .. } = *modifiers;
            let modifiers = Modifiers { alt, shift, command: command || ctrl, ..Modifiers::NONE };
            Some(KeyboardShortcut::new(modifiers, *key))
        }
        // the system makes an event of its own of Ctrl+C
        Event::Copy => Some(COPY),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use eframe::egui::accesskit::Role;
    use eframe::egui::{Key, vec2};
    use egui_kittest::Harness;
    use egui_kittest::kittest::{NodeT as _, Queryable as _};

    use super::*;

    fn list() -> Harness<'static, ShortcutList> {
        let draw = |ui: &mut Ui, list: &mut ShortcutList| {
            if let Some(shortcuts) = list.ui(ui.ctx()).shortcuts {
                shortcuts.install(ui.ctx());
            }
        };
        Harness::builder()
            .with_size(vec2(800.0, 700.0))
            .with_context_setup(theme::install)
            .build_ui_state(draw, ShortcutList { search: "generate".to_owned(), ..Default::default() })
    }

    fn keys(harness: &Harness<'_, ShortcutList>, command: Command) -> Vec<KeyboardShortcut> {
        Shortcuts::installed(&harness.ctx).of(command).to_vec()
    }

    #[test]
    fn a_shortcut_is_changed_conflicts_are_shown_and_resolved() {
        let mut harness = list();
        harness.run();
        harness.get_by_role_and_label(Role::Button, "Change the shortcut of Generate").click();
        harness.run();
        harness.get_by_label("Press the keys, Esc to cancel");
        harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::Enter);
        harness.run();
        harness.get_by_label("Generate and Generate first have the same key");
        harness.get_by_role_and_label(Role::Button, "Keep it for Generate").click();
        harness.run();
        assert!(harness.query_by_label_contains("have the same key").is_none());
        let taken = KeyboardShortcut::new(Modifiers::COMMAND | Modifiers::SHIFT, Key::Enter);
        assert_eq!(
            (keys(&harness, Command::Generate), keys(&harness, Command::GenerateFirst)),
            (vec![taken], vec![])
        );
        harness.get_by_role_and_label(Role::Button, "Reset all shortcuts").click();
        harness.run();
        assert_eq!(*Shortcuts::installed(&harness.ctx), Shortcuts::default());
    }

    #[test]
    fn the_search_has_the_focus_and_moves_nothing() {
        let mut harness = list();
        harness.state_mut().search.clear();
        harness.run();
        let place = harness.get_by_role_and_label(Role::Button, "Close").rect();
        let search = harness.get_by_role_and_label(Role::TextInput, "Search");
        assert!(search.accesskit_node().is_focused());
        search.type_text("queue");
        harness.run();
        assert!(harness.query_by_label("Generate").is_none());
        assert_eq!(harness.get_by_role_and_label(Role::Button, "Close").rect(), place);
    }

    #[test]
    fn the_stripes_are_as_wide_as_the_sheet() {
        let mut harness = list();
        harness.state_mut().search.clear();
        harness.run();
        let colour = harness.ctx.global_style().visuals.faint_bg_color;
        let stripes = harness.output().shapes.iter().filter_map(|shape| match &shape.shape {
            eframe::egui::Shape::Rect(rect) if rect.fill == colour => Some(rect.rect.width()),
            _ => None,
        });
        let widths: Vec<_> = stripes.collect();
        assert!(widths.len() > 5 && widths.iter().all(|width| *width > WIDTH - 40.0), "{widths:?}");
    }

    #[test]
    fn keys_of_the_clipboard_are_refused() {
        let mut harness = list();
        harness.run();
        harness.get_by_role_and_label(Role::Button, "Change the shortcut of Generate").click();
        harness.run();
        // as the window's backend sends Ctrl+X
        harness.event(Event::Cut);
        harness.run();
        harness.get_by_label("Press others: these cut and paste");
        assert!(harness.state().is_recording());
    }

    #[test]
    fn keys_of_rows_and_results_are_listed_and_found() {
        let mut harness = list();
        harness.state_mut().search = "retry".to_owned();
        harness.run();
        harness.get_by_label("On a job in the queue");
        harness.get_by_label("Retry, or decode again");
        assert!(harness.query_by_label("On a result in the gallery").is_none());
        harness.state_mut().search = "stars".to_owned();
        harness.run();
        harness.get_by_label("0  or  1  or  2  or  3  or  4  or  5");
    }

    #[test]
    fn escape_ends_the_recording_and_changes_nothing() {
        let mut harness = list();
        harness.run();
        harness.get_by_role_and_label(Role::Button, "Change the shortcut of Generate").click();
        harness.run();
        assert!(harness.state().is_recording());
        harness.key_press(Key::Escape);
        harness.run();
        assert!(!harness.state().is_recording());
        assert_eq!(*Shortcuts::installed(&harness.ctx), Shortcuts::default());
    }
}
