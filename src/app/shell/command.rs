//! The verbs that have a key. One list for buttons, tooltips and shortcuts.

use eframe::egui::{Context, Event, Key, KeyboardShortcut, Modifiers};

/// A verb with a name and a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) enum Command {
    Generate,
    Cancel,
    RandomSeed,
    PlayPause,
    StepBack,
    StepForward,
    FirstFrame,
    LastFrame,
}

/// Ctrl and Alt, or their likeness on the platform.
const COMMAND_ALT: Modifiers = Modifiers { alt: true, ..Modifiers::COMMAND };

impl Command {
    /// The name on the button, also for screen readers.
    pub(in crate::app) fn text(self) -> &'static str {
        match self {
            Self::Generate => "Generate",
            Self::Cancel => "Cancel",
            Self::RandomSeed => "Random seed",
            Self::PlayPause => "Play or pause",
            Self::StepBack => "Previous frame",
            Self::StepForward => "Next frame",
            Self::FirstFrame => "First frame",
            Self::LastFrame => "Last frame",
        }
    }

    /// One sentence.
    pub(in crate::app) fn about(self) -> &'static str {
        match self {
            Self::Generate => "Make a video from this form",
            Self::Cancel => "Stop the video that is being made",
            Self::RandomSeed => "Choose another seed by chance",
            Self::PlayPause => "Play the video in a loop, or hold it",
            Self::StepBack => "Hold the video and go one frame back",
            Self::StepForward => "Hold the video and go one frame on",
            Self::FirstFrame => "Go to the first frame",
            Self::LastFrame => "Go to the last frame",
        }
    }

    /// The key. Keys without a modifier act only while no field has the focus.
    pub(in crate::app) fn shortcut(self) -> KeyboardShortcut {
        let (modifiers, key) = match self {
            Self::Generate => (Modifiers::COMMAND, Key::Enter),
            Self::Cancel => (COMMAND_ALT, Key::Enter),
            Self::RandomSeed => (Modifiers::COMMAND, Key::R),
            Self::PlayPause => (Modifiers::NONE, Key::Space),
            Self::StepBack => (Modifiers::NONE, Key::ArrowLeft),
            Self::StepForward => (Modifiers::NONE, Key::ArrowRight),
            Self::FirstFrame => (Modifiers::NONE, Key::Home),
            Self::LastFrame => (Modifiers::NONE, Key::End),
        };
        KeyboardShortcut::new(modifiers, key)
    }

    /// One sentence and the key.
    pub(in crate::app) fn tooltip(self, ctx: &Context) -> String {
        format!("{} ({})", self.about(), ctx.format_shortcut(&self.shortcut()))
    }

    /// Whether the key was pressed; takes the press, so that nothing else sees it.
    pub(in crate::app) fn pressed(self, ctx: &Context) -> bool {
        let shortcut = self.shortcut();
        if shortcut.modifiers == Modifiers::NONE && ctx.egui_wants_keyboard_input() {
            return false;
        }
        ctx.input_mut(|input| {
            // the event's own modifiers: those of the frame may be released already. egui lets Ctrl+Alt+Enter pass
            // for Ctrl+Enter
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
}
