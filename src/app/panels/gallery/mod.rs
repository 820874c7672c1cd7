//! What was made.

mod panel;

pub(in crate::app) use panel::{GalleryAction, GalleryPanel, GalleryView};
