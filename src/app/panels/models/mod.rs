//! The models panel.

mod available;
mod conversion;
mod detail;
mod fitting;
mod list;
mod loras;
mod others;
mod panel;
mod report;
mod roles;
mod runtime;
#[cfg(test)]
mod tests;

pub(in crate::app) use available::{AvailableModel, FetchStatus};
pub(in crate::app) use loras::LorasView;
pub(in crate::app) use panel::{ModelTask, ModelsAction, ModelsPanel, ModelsView, RemovedModel};
pub(in crate::app) use report::ModelDetail;
pub(in crate::app) use roles::RoleChoice;
pub(in crate::app) use runtime::{PackageRow, RuntimeStatus};
