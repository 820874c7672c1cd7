//! The gallery's data: one item per finished or failed job, filters and sorting, ratings, and thumbnails.
//!
//! Reads the history and the videos; draws nothing. Items are plain data, so that a window can filter thousands of
//! them without reading a disk.

mod filter;
mod item;
mod load;
mod ratings;
mod thumbnails;

pub use filter::{GalleryFilter, GalleryOrder};
pub use item::GalleryItem;
pub(crate) use item::MAX_RATING;
pub use load::load_gallery;
pub use ratings::Ratings;
pub use thumbnails::Thumbnails;
