//! The settings panel.

mod folders;
mod import;
mod panel;
mod row;
#[cfg(test)]
mod tests;

pub(in crate::app) use import::ImportPreview;
pub(in crate::app) use panel::{SettingsAction, SettingsPanel, SettingsView};
