//! Reading the gallery's items from the history.

use super::item::GalleryItem;
use super::ratings::Ratings;
use crate::core::Result;
use crate::library::History;
use crate::presets::Preset;

/// The newest `limit` entries of the history as gallery items, newest first, each with the one of `presets` that made it. Checks on disk whether each output
/// exists, so call it on a background thread.
pub fn load_gallery(
    history: &History,
    ratings: &Ratings,
    presets: &[Preset],
    limit: usize,
) -> Result<Vec<GalleryItem>> {
    let entries = history.recent(limit)?;
    let item = |entry| {
        let exists = entry_exists(&entry);
        GalleryItem::new(&entry, ratings.of(&entry.id), exists).with_preset(presets)
    };
    Ok(entries.into_iter().map(item).collect())
}

fn entry_exists(entry: &crate::jobs::HistoryEntry) -> bool {
    entry.output.as_ref().is_some_and(|output| output.exists())
}
