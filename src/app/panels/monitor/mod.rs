//! The monitor panel: load of the machine on a common time axis with the stages of jobs.

mod panel;
mod plots;
mod series;
mod side;
#[cfg(test)]
mod tests;
mod toolbar;
mod view;

pub(in crate::app) use panel::{MonitorPanel, meter};
pub(in crate::app) use view::{EarlierJob, ExportFormat, MonitorAction, MonitorView, export};
