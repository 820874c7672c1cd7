//! The layout of the panels: a tree of tiles that the user can drag, split and close, saved in the data folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use eframe::egui::{Id, Vec2};
use egui_tiles::{Tile, Tree};
use serde::{Deserialize, Serialize};

use super::default_tree::default_tree;
use super::sizes::{ChosenSizes, Sizes, above, give_new_parts_room, stretch};
use crate::core::read_edited_text;

const NAME: &str = "layout.ron";
/// Version of the file format; a file of another version is ignored.
const VERSION: u32 = 1;
/// Below this window height the monitor starts collapsed to one line.
const ROOM_FOR_MONITOR: f32 = 760.0;

/// A panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::app) enum PanelId {
    Compose,
    Player,
    Gallery,
    Compare,
    Models,
    Presets,
    Sweep,
    Settings,
    Log,
    Queue,
    Monitor,
}

impl PanelId {
    /// All of them, in the order of the View menu.
    pub(in crate::app) const ALL: [Self; 11] = [
        Self::Compose,
        Self::Player,
        Self::Queue,
        Self::Gallery,
        Self::Compare,
        Self::Models,
        Self::Presets,
        Self::Sweep,
        Self::Settings,
        Self::Log,
        Self::Monitor,
    ];

    /// The title of its tab.
    pub(in crate::app) fn title(self) -> &'static str {
        match self {
            Self::Compose => "Compose",
            Self::Player => "Player",
            Self::Gallery => "Gallery",
            Self::Compare => "Compare",
            Self::Models => "Models",
            Self::Presets => "Presets",
            Self::Sweep => "Sweep",
            Self::Settings => "Settings",
            Self::Log => "Log",
            Self::Queue => "Queue",
            Self::Monitor => "Monitor",
        }
    }
}

/// The layout of the panels.
pub(in crate::app) struct Layout {
    pub(in crate::app) tree: Tree<PanelId>,
    /// Whether the monitor is one line at the bottom.
    pub(in crate::app) monitor_is_line: bool,
    /// Whether the monitor became a line because the window was made small, so that it comes back with the room.
    is_line_for_room: bool,
    /// The area of the last frame.
    room: Option<Vec2>,
    /// The sizes that the person chose last, from which those for every other area follow.
    chosen: Option<ChosenSizes>,
    /// The sizes as they were fitted to the area; others are the person's.
    fitted: Sizes,
    /// The layout as last saved.
    saved: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct LayoutFile {
    version: u32,
    monitor_is_line: bool,
    #[serde(default)]
    is_line_for_room: bool,
    /// Width and height that the tree was made for.
    #[serde(default)]
    room: Option<(f32, f32)>,
    tree: Tree<PanelId>,
}

impl Layout {
    /// Loads the layout of a data folder. If there is none, the default layout is made once the area is known.
    pub(in crate::app) fn open(data_dir: &Path) -> Self {
        let text = read_edited_text(&path_in(data_dir)).ok();
        let file = text.as_deref().and_then(|text| ron::from_str::<LayoutFile>(text).ok());
        let file = file.filter(|file| file.version == VERSION && is_whole(&file.tree));
        match file {
            Some(file) => {
                let room = file.room.map(Vec2::from);
                let fitted = Sizes::of(&file.tree.tiles);
                Self {
                    chosen: room.map(|room| ChosenSizes { room, sizes: fitted.clone() }),
                    fitted,
                    room,
                    tree: file.tree,
                    monitor_is_line: file.monitor_is_line,
                    is_line_for_room: file.is_line_for_room,
                    saved: text,
                }
            }
            None => Self {
                tree: Tree::empty(tree_id()),
                monitor_is_line: false,
                is_line_for_room: false,
                room: None,
                chosen: None,
                fitted: Sizes::default(),
                saved: None,
            },
        }
    }

    /// Resets the layout to the default at the next frame.
    pub(in crate::app) fn reset(&mut self) {
        self.tree = Tree::empty(tree_id());
        (self.room, self.chosen, self.is_line_for_room) = (None, None, false);
    }

    /// Prepares the tree for the area `room`.
    pub(in crate::app) fn fit(&mut self, room: Vec2) {
        give_new_parts_room(&mut self.tree.tiles);
        if self.tree.is_empty() {
            self.tree = default_tree(room);
            self.monitor_is_line = room.y < ROOM_FOR_MONITOR;
            self.is_line_for_room = self.monitor_is_line;
            self.fitted = Sizes::of(&self.tree.tiles);
            self.chosen = Some(ChosenSizes { room, sizes: self.fitted.clone() });
        } else if let Some(before) = self.room.filter(|before| *before != room) {
            self.notice_choice();
            self.resize(room);
            self.collapse_monitor(before, room);
        }
        self.room = Some(room);
        if let Some(tile) = self.tree.tiles.find_pane(&PanelId::Monitor)
            && self.monitor_is_line
        {
            self.tree.set_visible(tile, false);
        }
    }

    /// Takes the sizes as the person's, if they are not those that were fitted to the area.
    fn notice_choice(&mut self) {
        let sizes = Sizes::of(&self.tree.tiles);
        if sizes != self.fitted
            && let Some(room) = self.room
        {
            self.fitted = sizes.clone();
            self.chosen = Some(ChosenSizes { room, sizes });
        }
    }

    /// Fits the sizes to the area. They follow from those that were chosen, so that what had to shrink grows back.
    fn resize(&mut self, room: Vec2) {
        let Some(chosen) = &self.chosen else { return };
        if chosen.sizes == Sizes::of(&default_tree(chosen.room).tiles) {
            Sizes::of(&default_tree(room).tiles).apply(&mut self.tree.tiles);
        } else {
            chosen.sizes.apply(&mut self.tree.tiles);
            let path = above(&self.tree.tiles, PanelId::Player);
            if let Some(root) = self.tree.root() {
                stretch(&mut self.tree.tiles, root, &path, chosen.room, room);
            }
        }
        self.fitted = Sizes::of(&self.tree.tiles);
    }

    /// Makes the monitor a line where the window got too small for all of it, because the form needs what is left;
    /// shows it again where that was the reason.
    fn collapse_monitor(&mut self, before: Vec2, room: Vec2) {
        if before.y >= ROOM_FOR_MONITOR && room.y < ROOM_FOR_MONITOR && self.is_open(PanelId::Monitor) {
            (self.monitor_is_line, self.is_line_for_room) = (true, true);
        } else if self.is_line_for_room && room.y >= ROOM_FOR_MONITOR {
            if let Some(tile) = self.tree.tiles.find_pane(&PanelId::Monitor) {
                self.tree.set_visible(tile, true);
            }
            (self.monitor_is_line, self.is_line_for_room) = (false, false);
        }
    }

    /// Shows the monitor as one line, or as a panel again.
    pub(in crate::app) fn toggle_monitor_line(&mut self) {
        if self.monitor_is_line {
            self.show(PanelId::Monitor);
        } else {
            self.monitor_is_line = true;
        }
    }

    /// Whether a panel is open, possibly behind another tab.
    pub(in crate::app) fn is_open(&self, panel: PanelId) -> bool {
        self.tree.tiles.find_pane(&panel).is_some_and(|tile| self.tree.is_visible(tile))
    }

    /// Whether a panel is seen: open, and in front of the other tabs of its tile.
    pub(in crate::app) fn is_shown(&self, panel: PanelId) -> bool {
        self.tree.tiles.find_pane(&panel).is_some_and(|tile| self.tree.active_tiles().contains(&tile))
    }

    /// Shows a panel, and brings it to the front of its tabs.
    pub(in crate::app) fn show(&mut self, panel: PanelId) {
        if panel == PanelId::Monitor {
            (self.monitor_is_line, self.is_line_for_room) = (false, false);
        }
        let Some(tile) = self.tree.tiles.find_pane(&panel) else { return };
        self.tree.set_visible(tile, true);
        self.tree.make_active(|id, _| id == tile);
    }

    /// Closes a panel; it is reopened at the same place.
    pub(in crate::app) fn close(&mut self, panel: PanelId) {
        if let Some(tile) = self.tree.tiles.find_pane(&panel) {
            self.tree.set_visible(tile, false);
        }
    }

    /// The layout to save if it has changed; it counts as saved then. Not to be called while a border is dragged.
    pub(in crate::app) fn unsaved(&mut self) -> Option<String> {
        self.notice_choice();
        let mut tree = self.tree.clone();
        if let Some(chosen) = &self.chosen {
            chosen.sizes.apply(&mut tree.tiles);
        }
        let file = LayoutFile {
            version: VERSION,
            monitor_is_line: self.monitor_is_line,
            is_line_for_room: self.is_line_for_room,
            room: self.chosen.as_ref().map(|chosen| (chosen.room.x, chosen.room.y)),
            tree,
        };
        let text = ron::to_string(&file).ok()?;
        if self.saved.as_deref() == Some(text.as_str()) || self.tree.is_empty() {
            return None;
        }
        self.saved = Some(text.clone());
        Some(text)
    }
}

/// Path of the layout file in a data folder.
pub(in crate::app) fn path_in(data_dir: &Path) -> PathBuf {
    data_dir.join(NAME)
}

pub(super) fn tree_id() -> Id {
    Id::unique("panels")
}

/// Whether a tree contains each panel exactly once.
fn is_whole(tree: &Tree<PanelId>) -> bool {
    let mut times = BTreeMap::new();
    for tile in tree.tiles.tiles() {
        if let Tile::Pane(panel) = tile {
            *times.entry(*panel).or_insert(0) += 1;
        }
    }
    PanelId::ALL.iter().all(|panel| times.get(panel) == Some(&1)) && tree.root().is_some()
}
