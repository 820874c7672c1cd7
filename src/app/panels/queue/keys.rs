//! The keys of the queue, while one of its rows has the keyboard.

use eframe::egui::{EventFilter, Key, Modifiers, Response, Ui};

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

const KEYS: [(Modifiers, Key, Pressed); 11] = [
    (Modifiers::ALT, Key::ArrowUp, Pressed::Shift { up: true }),
    (Modifiers::ALT, Key::ArrowDown, Pressed::Shift { up: false }),
    (Modifiers::SHIFT, Key::ArrowUp, Pressed::Go { up: true, extends: true }),
    (Modifiers::SHIFT, Key::ArrowDown, Pressed::Go { up: false, extends: true }),
    (Modifiers::NONE, Key::ArrowUp, Pressed::Go { up: true, extends: false }),
    (Modifiers::NONE, Key::ArrowDown, Pressed::Go { up: false, extends: false }),
    (Modifiers::COMMAND, Key::A, Pressed::All),
    (Modifiers::NONE, Key::Delete, Pressed::Verb(&["Cancel", "Remove"])),
    (Modifiers::NONE, Key::D, Pressed::Verb(&["Duplicate"])),
    (Modifiers::NONE, Key::E, Pressed::Verb(&["Edit"])),
    (Modifiers::NONE, Key::R, Pressed::Verb(&["Retry", "Decode again"])),
];

/// What was pressed, taken so that nothing else sees it.
pub(super) fn pressed(ui: &Ui) -> Option<Pressed> {
    let found = |(modifiers, key, pressed): (Modifiers, Key, Pressed)| {
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
