//! The compare panel: two to four videos in sync, what differs between them, and blind comparisons.

mod blind;
mod controls;
mod curves;
mod panel;
mod stage;
mod table;
#[cfg(test)]
mod tests;
mod view;

pub(in crate::app) use panel::ComparePanel;
pub(in crate::app) use view::{CompareAction, CompareView};
