//! The presets panel.

mod panel;
#[cfg(test)]
mod tests;

pub(in crate::app) use panel::{PresetsAction, PresetsPanel, PresetsView};
