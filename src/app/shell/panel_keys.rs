//! Keys that belong to a row of the queue or a result of the gallery while it has the keyboard.

use eframe::egui::{Context, KeyboardShortcut};

use crate::app::panels::{gallery, queue};

/// The keys of one panel: where they act, and what each does.
pub(super) struct PanelKeys {
    /// Where they act, as a heading.
    pub(super) place: &'static str,
    /// Each key with what it does.
    pub(super) keys: Vec<(KeyboardShortcut, &'static str)>,
}

/// All panels with keys of their own.
pub(super) fn all() -> [PanelKeys; 2] {
    [
        PanelKeys { place: "On a job in the queue", keys: queue::keys() },
        PanelKeys { place: "On a result in the gallery", keys: gallery::keys() },
    ]
}

/// The keys that a row of the queue or a result of the gallery takes now, by which of the two has the keyboard.
pub(super) fn taken(ctx: &Context, have_keyboard: [bool; 2]) -> Vec<KeyboardShortcut> {
    // what was drawn with the keyboard may be hidden since
    let has_focus = ctx.memory(|memory| memory.focused().is_some());
    let panels = all().into_iter().zip(have_keyboard);
    let active = panels.filter(|(_, has_keyboard)| *has_keyboard && has_focus);
    active.flat_map(|(panel, _)| panel.keys).map(|(shortcut, _)| shortcut).collect()
}
