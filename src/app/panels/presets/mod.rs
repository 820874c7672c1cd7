//! The presets panel.

mod fields;
mod panel;
mod saving;
#[cfg(test)]
mod tests;

pub(in crate::app) use panel::{PresetUndo, PresetsAction, PresetsPanel, PresetsView};
