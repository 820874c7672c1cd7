//! What is set, and where it lies.

mod panel;

pub(in crate::app) use panel::{SettingsAction, SettingsPanel, SettingsView};
