//! Keyboard shortcuts: defaults, the user's own, and which were pressed.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use eframe::egui::text_selection::LabelSelectionState;
use eframe::egui::{Context, Event, Id, Key, KeyboardShortcut, Modifiers};

use super::command::Command;
use crate::app::widgets::field::is_form_text;
use crate::core::{Error, Kind, Result, read_edited_text};
use crate::store::write_whole;

const NAME: &str = "shortcuts.ron";

/// Shortcuts by command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app) struct Shortcuts {
    keys: BTreeMap<Command, Vec<KeyboardShortcut>>,
}

impl Default for Shortcuts {
    fn default() -> Self {
        Self { keys: Command::all().map(|command| (command, command.default_shortcuts())).collect() }
    }
}

impl Shortcuts {
    /// The default shortcuts, overridden by those in the data folder's `shortcuts.ron`, and the error of an invalid
    /// file.
    pub(in crate::app) fn open(data_dir: &Path) -> (Self, Option<String>) {
        let mut shortcuts = Self::default();
        let path = data_dir.join(NAME);
        let Ok(text) = read_edited_text(&path) else { return (shortcuts, None) };
        match ron::from_str::<BTreeMap<Command, Vec<KeyboardShortcut>>>(&text) {
            Ok(own) => {
                shortcuts.keys.extend(own);
                let conflicts = shortcuts.conflicts();
                let message = conflicts.first().map(|(one, other)| {
                    format!("{} and {} have the same key in {}", one.text(), other.text(), path.display())
                });
                (shortcuts, message)
            }
            Err(error) => {
                let message =
                    format!("{} cannot be read, the default keys are used: {error}", path.display());
                (shortcuts, Some(message))
            }
        }
    }

    /// The shortcuts of a command.
    pub(in crate::app) fn of(&self, command: Command) -> &[KeyboardShortcut] {
        self.keys.get(&command).map_or(&[], Vec::as_slice)
    }

    /// The same with other shortcuts for a command.
    pub(in crate::app) fn with(&self, command: Command, keys: Vec<KeyboardShortcut>) -> Self {
        let mut changed = self.clone();
        changed.keys.insert(command, keys);
        changed
    }

    /// Saves the shortcuts that differ from the defaults.
    pub(in crate::app) fn save(&self, data_dir: &Path) -> Result<()> {
        let own: BTreeMap<_, _> =
            self.keys.iter().filter(|(command, keys)| **keys != command.default_shortcuts()).collect();
        match ron::ser::to_string_pretty(&own, ron::ser::PrettyConfig::default()) {
            Ok(text) => write_whole(&data_dir.join(NAME), text.as_bytes()),
            Err(error) => {
                Err(Error::new(Kind::Bug, "The keyboard shortcuts cannot be written as text").because(error))
            }
        }
    }

    /// Pairs of commands with the same shortcut.
    pub(in crate::app) fn conflicts(&self) -> Vec<(Command, Command)> {
        let all: Vec<_> =
            self.keys.iter().flat_map(|(command, keys)| keys.iter().map(|key| (*command, *key))).collect();
        let mut found = Vec::new();
        for (index, (one, key)) in all.iter().enumerate() {
            let same = all[index + 1..].iter().filter(|(other, same)| same == key && other != one);
            found.extend(same.map(|(other, _)| (*one, *other)));
        }
        found
    }

    /// Stores the shortcuts in the egui context, for tooltips and menus.
    pub(in crate::app) fn install(self, ctx: &Context) {
        ctx.data_mut(|data| data.insert_temp(place(), Arc::new(self)));
    }

    /// The shortcuts in the egui context.
    pub(in crate::app) fn installed(ctx: &Context) -> Arc<Self> {
        ctx.data_mut(|data| Arc::clone(data.get_temp_mut_or_default(place())))
    }
}

fn place() -> Id {
    Id::unique("shortcuts")
}

/// The commands whose shortcuts were pressed, except those that `is_excluded` names. Consumes these key events.
pub(super) fn pressed(
    ctx: &Context,
    is_excluded: impl Fn(Command, &KeyboardShortcut) -> bool,
) -> Vec<Command> {
    let shortcuts = Shortcuts::installed(ctx);
    let mut keys: Vec<_> = shortcuts
        .keys
        .iter()
        .flat_map(|(command, keys)| keys.iter().map(move |key| (*command, *key)))
        .filter(|(command, key)| !is_excluded(*command, key))
        .collect();
    // shortcuts with more modifiers first: Ctrl+Shift+Enter must not match Ctrl+Enter
    keys.sort_by_key(|(_, key)| Reverse(weight(key.modifiers)));
    let is_typing = ctx.egui_wants_keyboard_input();
    let mut found = Vec::new();
    for (command, key) in keys {
        // letters and arrows belong to the field that has the focus
        let is_plain = key.modifiers == Modifiers::NONE || key.modifiers == Modifiers::SHIFT;
        // so do clipboard shortcuts, also for selected text a text that is not the form's has an undo of its own
        let is_foreign_undo = matches!(command, Command::Undo | Command::Redo) && !is_form_text(ctx);
        let is_blocked = is_typing && (is_plain || key == COPY || is_foreign_undo)
            || key == COPY && has_selected_text(ctx);
        if !is_blocked && take(ctx, key) {
            found.push(command);
        }
    }
    found
}

/// Whether it is a clipboard shortcut, for which egui sends a separate event.
pub(super) const COPY: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::C);

fn has_selected_text(ctx: &Context) -> bool {
    ctx.plugin_opt::<LabelSelectionState>().is_some_and(|labels| labels.lock().has_selection())
}

fn weight(modifiers: Modifiers) -> u8 {
    u8::from(modifiers.alt) + u8::from(modifiers.shift) + u8::from(modifiers.command || modifiers.ctrl)
}

fn take(ctx: &Context, shortcut: KeyboardShortcut) -> bool {
    ctx.input_mut(|input| {
        // the event's own modifiers: those of the frame may be released already. egui lets Ctrl+Alt+Enter pass
        // for Ctrl+Enter, and a character such as ? needs Shift on some keyboards
        let is_it = |event: &Event| match event {
            Event::Key { key, pressed: true, modifiers, .. } => {
                *key == shortcut.logical_key
                    && modifiers.alt == shortcut.modifiers.alt
                    && modifiers.matches_logically(shortcut.modifiers)
            }
            Event::Copy => shortcut == COPY,
            _ => false,
        };
        let found = input.events.iter().position(is_it);
        found.map(|index| input.events.remove(index)).is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_commands_have_the_same_default_key() {
        assert_eq!(Shortcuts::default().conflicts(), []);
    }

    #[test]
    fn user_shortcuts_replace_defaults_and_conflicts_are_reported() {
        let dir = tempfile::tempdir().unwrap();
        let own = BTreeMap::from([
            (Command::Generate, vec![KeyboardShortcut::new(Modifiers::COMMAND, Key::G)]),
            (Command::Cancel, vec![KeyboardShortcut::new(Modifiers::COMMAND, Key::G)]),
        ]);
        std::fs::write(dir.path().join(NAME), ron::to_string(&own).unwrap()).unwrap();
        let (shortcuts, message) = Shortcuts::open(dir.path());
        assert_eq!(shortcuts.of(Command::Generate), own[&Command::Generate]);
        assert_eq!(shortcuts.of(Command::FullScreen), Command::FullScreen.default_shortcuts());
        assert_eq!(shortcuts.conflicts(), [(Command::Generate, Command::Cancel)]);
        assert!(message.is_some_and(|message| message.contains("same key")));
        shortcuts.save(dir.path()).unwrap();
        assert_eq!(Shortcuts::open(dir.path()).0, shortcuts);
        std::fs::write(dir.path().join(NAME), "{generate").unwrap();
        let (shortcuts, message) = Shortcuts::open(dir.path());
        assert_eq!((shortcuts, message.is_some()), (Shortcuts::default(), true));
    }
}
