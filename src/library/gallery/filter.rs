//! Which items the gallery shows, and in which order.

use std::cmp::Reverse;

use super::item::GalleryItem;
use crate::core::{Mode, Secs, Utc};
use crate::jobs::EndStatus;

/// Conditions for items to be shown; the default shows all items whose output exists.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct GalleryFilter {
    /// Words that must all occur in prompt, negative prompt, model or file name, in any order and case.
    pub search: String,
    /// Only this mode.
    pub mode: Option<Mode>,
    /// Only this model id.
    pub model: Option<String>,
    /// Only items that a preset with this name made.
    pub preset: Option<String>,
    /// Only items with at least this rating.
    pub min_rating: u8,
    /// Only items that ended at this time or later.
    pub since: Option<Utc>,
    /// Show failed and cancelled jobs instead of videos.
    pub failed: bool,
}

/// The order of the shown items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GalleryOrder {
    /// The last one that ended comes first.
    #[default]
    Newest,
    /// The first one that ended comes first.
    Oldest,
    /// The highest rating comes first, newest first among equals.
    Rating,
    /// The longest generation time comes first.
    Slowest,
}

impl GalleryOrder {
    /// Every order, as a menu lists them.
    pub const ALL: [Self; 4] = [Self::Newest, Self::Oldest, Self::Rating, Self::Slowest];

    /// The label of a menu.
    pub fn label(self) -> &'static str {
        match self {
            Self::Newest => "Newest",
            Self::Oldest => "Oldest",
            Self::Rating => "Best rated",
            Self::Slowest => "Longest to make",
        }
    }
}

impl GalleryFilter {
    /// Whether `item` is shown.
    pub fn matches(&self, item: &GalleryItem) -> bool {
        let shown = if self.failed { item.status != EndStatus::Done } else { item.exists };
        shown
            && self.mode.is_none_or(|mode| item.mode == Some(mode))
            && self.model.as_ref().is_none_or(|model| item.model == *model)
            && self.preset.as_ref().is_none_or(|preset| item.preset.as_ref() == Some(preset))
            && item.rating >= self.min_rating
            && self.since.is_none_or(|since| item.ended >= since)
            && self.search.split_whitespace().all(|word| item.search_text.contains(&word.to_lowercase()))
    }

    /// Indices into `items` of those that are shown, in `order`. Sorting is stable, so equal items keep their places.
    pub fn apply(&self, items: &[GalleryItem], order: GalleryOrder) -> Vec<usize> {
        let mut shown: Vec<usize> = (0..items.len()).filter(|&index| self.matches(&items[index])).collect();
        match order {
            GalleryOrder::Newest => shown.sort_by_key(|&index| Reverse(items[index].ended)),
            GalleryOrder::Oldest => shown.sort_by_key(|&index| items[index].ended),
            GalleryOrder::Rating => {
                shown.sort_by_key(|&index| Reverse((items[index].rating, items[index].ended)));
            }
            GalleryOrder::Slowest => {
                let seconds =
                    |index: &usize| items[*index].generation_time.map_or(0.0, |Secs(seconds)| seconds);
                shown.sort_by(|a, b| seconds(b).total_cmp(&seconds(a)));
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::draft;
    use crate::jobs::HistoryEntry;

    fn item(prompt: &str, ended: i64, rating: u8) -> GalleryItem {
        let entry = HistoryEntry {
            id: prompt.to_owned(),
            prompt: prompt.to_owned(),
            model: "toy-t2v-A14B".to_owned(),
            mode: Some(Mode::T2V),
            ended: Utc(ended),
            generation_time_s: Some(Secs(ended as f64)),
            request: serde_json::to_value(draft()).unwrap(),
            output: Some("out/Video_7.mp4".into()),
            ..HistoryEntry::default()
        };
        GalleryItem::new(&entry, rating, true)
    }

    fn shown(items: &[GalleryItem], filter: &GalleryFilter, order: GalleryOrder) -> Vec<String> {
        filter.apply(items, order).into_iter().map(|index| items[index].prompt.clone()).collect()
    }

    #[test]
    fn words_are_found_in_any_order_and_case() {
        let items = [item("A red circle", 1, 0), item("a blue square", 2, 0)];
        let found = |search: &str| {
            let filter = GalleryFilter { search: search.to_owned(), ..GalleryFilter::default() };
            shown(&items, &filter, GalleryOrder::Newest)
        };
        assert_eq!(found("CIRCLE red"), ["A red circle"]);
        assert_eq!(found("video_7.mp4"), ["a blue square", "A red circle"]);
        assert_eq!(found("green"), [""; 0]);
    }

    #[test]
    fn filters_narrow_and_orders_sort() {
        let mut items = [item("a", 1, 5), item("b", 2, 0), item("c", 3, 3)];
        let all = GalleryFilter::default();
        assert_eq!(shown(&items, &all, GalleryOrder::Newest), ["c", "b", "a"]);
        assert_eq!(shown(&items, &all, GalleryOrder::Oldest), ["a", "b", "c"]);
        assert_eq!(shown(&items, &all, GalleryOrder::Rating), ["a", "c", "b"]);
        assert_eq!(shown(&items, &all, GalleryOrder::Slowest), ["c", "b", "a"]);
        items[0].preset = Some("lightning".to_owned());
        let preset = GalleryFilter { preset: items[0].preset.clone(), ..all.clone() };
        assert_eq!(shown(&items, &preset, GalleryOrder::Newest), ["a"]);
        let starred = GalleryFilter { min_rating: 3, ..all.clone() };
        assert_eq!(shown(&items, &starred, GalleryOrder::Newest), ["c", "a"]);
        let recent = GalleryFilter { since: Some(Utc(3)), ..all.clone() };
        assert_eq!(shown(&items, &recent, GalleryOrder::Newest), ["c"]);
        let other = GalleryFilter { mode: Some(Mode::I2V), ..all.clone() };
        assert_eq!(shown(&items, &other, GalleryOrder::Newest), [""; 0]);
        items[1].status = EndStatus::Failed;
        items[2].exists = false;
        let failed = GalleryFilter { failed: true, ..all.clone() };
        assert_eq!(shown(&items, &failed, GalleryOrder::Newest), ["b"]);
        assert_eq!(shown(&items[1..], &all, GalleryOrder::Newest), ["b"]);
    }
}
