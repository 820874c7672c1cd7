//! A sweep as a folder that anyone can open: a page with the videos in step, a contact sheet and a table.

mod folder;
mod html;
mod sheet;
mod table;
mod trials;

pub use folder::{ExportedSweep, export_sweep};
