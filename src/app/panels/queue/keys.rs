//! The keys of the queue, while one of its rows has the keyboard.

use eframe::egui::{EventFilter, Key, KeyboardShortcut, Modifiers, Response, Ui};

use super::drag::shifted;
use super::verbs::{self, Verb};
use super::view::{QueueAction, QueueView};
use crate::jobs::Job;

/// What was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pressed {
    /// Go to the row above or below.
    Go { up: bool, extends: bool },
    /// Select all rows.
    All,
    /// Move the job up or down in the queue.
    Shift { up: bool },
    /// Do what one of these verbs does, the first that is possible.
    Verb(&'static [&'static str]),
}

/// Each key with what it does, in words and for the panel.
const KEYS: [(Modifiers, Key, &str, Pressed); 13] = [
    (Modifiers::ALT, Key::ArrowUp, "Move it up", Pressed::Shift { up: true }),
    (Modifiers::ALT, Key::ArrowDown, "Move it down", Pressed::Shift { up: false }),
    (Modifiers::SHIFT, Key::ArrowUp, "Select the one above, too", Pressed::Go { up: true, extends: true }),
    (Modifiers::SHIFT, Key::ArrowDown, "Select the one below, too", Pressed::Go { up: false, extends: true }),
    (Modifiers::NONE, Key::ArrowUp, "Go to the one above", Pressed::Go { up: true, extends: false }),
    (Modifiers::NONE, Key::ArrowDown, "Go to the one below", Pressed::Go { up: false, extends: false }),
    (Modifiers::COMMAND, Key::A, "Select all", Pressed::All),
    (Modifiers::NONE, Key::P, "Pause or resume", Pressed::Verb(&["Resume", "Pause"])),
    (Modifiers::NONE, Key::N, "Run next", Pressed::Verb(&["Run next"])),
    (Modifiers::NONE, Key::E, "Edit", Pressed::Verb(&["Edit"])),
    (Modifiers::NONE, Key::D, "Duplicate", Pressed::Verb(&["Duplicate"])),
    (Modifiers::NONE, Key::R, "Retry, or decode again", Pressed::Verb(&["Retry", "Decode again"])),
    (Modifiers::NONE, Key::Delete, "Cancel, or remove from the list", Pressed::Verb(&["Cancel", "Remove"])),
];

/// The keys of a row that has the keyboard, with what each does.
pub(in crate::app) fn keys() -> Vec<(KeyboardShortcut, &'static str)> {
    KEYS.into_iter()
        .map(|(modifiers, key, about, _)| (KeyboardShortcut::new(modifiers, key), about))
        .collect()
}

/// What was pressed, taken so that nothing else sees it.
pub(super) fn pressed(ui: &Ui) -> Option<Pressed> {
    let found = |(modifiers, key, _, pressed): (Modifiers, Key, &str, Pressed)| {
        ui.input_mut(|input| input.consume_key(modifiers, key)).then_some(pressed)
    };
    KEYS.into_iter().find_map(found)
}

/// Keeps the arrow keys of a row that has the keyboard from moving the focus elsewhere.
pub(super) fn hold(ui: &Ui, response: &Response) -> bool {
    if response.has_focus() {
        let arrows = EventFilter { vertical_arrows: true, ..EventFilter::default() };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, arrows));
    }
    response.has_focus()
}

/// What a key asks of the selected jobs.
pub(super) fn action(pressed: Pressed, selected: &[&Job], view: &QueueView<'_>) -> Option<QueueAction> {
    match pressed {
        Pressed::Shift { up } => match selected {
            [one] => shifted(view.entries, one.id, up),
            _ => None,
        },
        Pressed::Verb(names) => {
            let verbs = verbs::shared(selected);
            let find = |name: &&str| verbs.iter().find(|verb| verb.name == *name);
            names.iter().find_map(find).map(|Verb { action, .. }| action.clone())
        }
        Pressed::Go { .. } | Pressed::All => None,
    }
}
