//! The gallery: all finished work, with search, filters, stars and what can be done with a result.

mod panel;
#[cfg(test)]
mod tests;
mod tile;
mod verb;

pub(in crate::app) use panel::{GalleryPanel, GalleryView};
pub(in crate::app) use verb::GalleryAction;
