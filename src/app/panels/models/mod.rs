//! The models panel.

mod available;
mod detail;
mod list;
mod loras;
mod others;
mod panel;
#[cfg(test)]
mod tests;

pub(in crate::app) use available::{AvailableModel, FetchStatus};
pub(in crate::app) use loras::LorasView;
pub(in crate::app) use panel::{ModelTask, ModelsAction, ModelsPanel, ModelsView, RuntimeStatus};
