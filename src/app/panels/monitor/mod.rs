//! The monitor panel: load of the machine on a common time axis with the stages of jobs.

mod advice;
mod cursor;
mod differences;
mod drawing;
mod panel;
mod plot_image;
mod plots;
mod raster;
mod row_choice;
mod rows;
mod series;
mod side;
mod stages;
#[cfg(test)]
mod tests;
mod time_axis;
mod toolbar;
mod view;

pub(in crate::app) use panel::{MonitorPanel, meter};
pub(in crate::app) use row_choice::RowChoice;
pub(in crate::app) use view::{EarlierJob, ExportFormat, MonitorAction, MonitorView, PeakView};
