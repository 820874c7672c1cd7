//! The sweep panel: the axes of a new sweep with its cost, and the grid of a sweep that runs or is done.

mod axis_row;
mod choice;
mod editor;
mod grid;

mod panel;
#[cfg(test)]
mod tests;
mod trials;
mod view;

pub(in crate::app) use panel::SweepPanel;
pub(in crate::app) use view::{SweepAction, SweepView};
