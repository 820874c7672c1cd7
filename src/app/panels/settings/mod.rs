//! The settings panel.

mod panel;

pub(in crate::app) use panel::{SettingsAction, SettingsPanel, SettingsView};
