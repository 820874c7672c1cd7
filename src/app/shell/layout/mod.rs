//! The layout of the panels: a tree of tiles that the user can drag, split and close, saved in the data folder.

mod default_tree;
#[expect(clippy::module_inception, reason = "the folder is named after its main type")]
mod layout;
mod sizes;
#[cfg(test)]
mod tests;

pub(in crate::app) use layout::{Layout, PanelId, path_in};
pub(in crate::app) use sizes::GAP;
