//! The monitor: what the machine does while jobs run, on one time axis with their stages.

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
