//! The presets panel.

mod panel;

pub(in crate::app) use panel::{PresetsAction, PresetsPanel, PresetsView};
