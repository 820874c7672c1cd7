//! Which commands were called by key.

use std::cmp::Reverse;

use eframe::egui::{Context, Event, KeyboardShortcut, Modifiers};

use super::command::Command;

/// The commands whose keys were pressed; takes the presses, so that nothing else sees them.
pub(super) fn pressed(ctx: &Context) -> Vec<Command> {
    let mut keys: Vec<_> = Command::all()
        .flat_map(|command| command.default_shortcuts().into_iter().map(move |key| (command, key)))
        .collect();
    // with more modifiers first: Ctrl+Shift+Enter is not Ctrl+Enter
    keys.sort_by_key(|(_, key)| Reverse(weight(key.modifiers)));
    let is_typing = ctx.egui_wants_keyboard_input();
    let mut found = Vec::new();
    for (command, key) in keys {
        // letters and arrows belong to the field that has the focus
        let is_plain = key.modifiers == Modifiers::NONE || key.modifiers == Modifiers::SHIFT;
        if !(is_plain && is_typing) && take(ctx, key) {
            found.push(command);
        }
    }
    found
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
            _ => false,
        };
        let found = input.events.iter().position(is_it);
        found.map(|index| input.events.remove(index)).is_some()
    })
}
