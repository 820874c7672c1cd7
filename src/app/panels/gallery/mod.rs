//! The gallery panel: finished videos with search, filters, ratings and actions.

mod age;
mod panel;
#[cfg(test)]
mod tests;
mod tile;
mod verb;

pub(in crate::app) use panel::{GalleryPanel, GalleryView};
pub(in crate::app) use verb::{GalleryAction, keys};
