//! The layout of the panels: a tree of tiles that the user can drag, split and close, saved in the data folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use eframe::egui::{Id, Vec2};
use egui_tiles::{Container, Linear, LinearDir, Tile, TileId, Tiles, Tree};
use serde::{Deserialize, Serialize};

use crate::core::read_edited_text;

const NAME: &str = "layout.ron";
/// Version of the file format; a file of another version is ignored.
const VERSION: u32 = 1;
/// Between two tiles.
pub(in crate::app) const GAP: f32 = 1.0;
/// Minimum width and height of the player's tile while panels at the sides keep their size.
const LEAST_CENTRE: [f32; 2] = [420.0, 300.0];
/// Width and height that panels at the sides keep where the window gets too small.
const LEAST_SIDE: [f32; 2] = [250.0, 190.0];
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
    /// The area of the last frame, to keep the width of side panels when it changes.
    room: Option<Vec2>,
    /// The layout as last saved.
    saved: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct LayoutFile {
    version: u32,
    monitor_is_line: bool,
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
                Self { tree: file.tree, monitor_is_line: file.monitor_is_line, room, saved: text }
            }
            None => Self { tree: Tree::empty(tree_id()), monitor_is_line: false, room: None, saved: None },
        }
    }

    /// Resets the layout to the default at the next frame.
    pub(in crate::app) fn reset(&mut self) {
        self.tree = Tree::empty(tree_id());
        self.room = None;
    }

    /// Prepares the tree for the area `room`.
    pub(in crate::app) fn fit(&mut self, room: Vec2) {
        if self.tree.is_empty() {
            self.tree = first_tree(room);
            self.monitor_is_line = room.y < ROOM_FOR_MONITOR;
        } else if let Some(before) = self.room.filter(|before| *before != room) {
            let path = above(&self.tree.tiles, PanelId::Player);
            if let Some(root) = self.tree.root() {
                stretch(&mut self.tree.tiles, root, &path, before, room);
            }
            // the person made the window too small for all of it; the form needs what is left
            self.monitor_is_line |= before.y >= ROOM_FOR_MONITOR && room.y < ROOM_FOR_MONITOR;
        }
        self.room = Some(room);
        if let Some(tile) = self.tree.tiles.find_pane(&PanelId::Monitor)
            && self.monitor_is_line
        {
            self.tree.set_visible(tile, false);
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
            self.monitor_is_line = false;
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
        let file = LayoutFile {
            version: VERSION,
            monitor_is_line: self.monitor_is_line,
            room: self.room.map(|room| (room.x, room.y)),
            tree: self.tree.clone(),
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
pub(super) fn path_in(data_dir: &Path) -> PathBuf {
    data_dir.join(NAME)
}

fn tree_id() -> Id {
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

/// The default layout: compose on the left in full height, so that all basic fields are seen; the player above the
/// gallery; the queue on the right; the monitor below both.
fn first_tree(room: Vec2) -> Tree<PanelId> {
    let mut tiles = Tiles::default();
    let tabs = |tiles: &mut Tiles<PanelId>, panels: &[PanelId]| {
        let panes = panels.iter().map(|panel| tiles.insert_pane(*panel)).collect();
        tiles.insert_tab_tile(panes)
    };
    let compose = tabs(&mut tiles, &[PanelId::Compose]);
    // the pages need the room that the player has
    let player = tabs(
        &mut tiles,
        &[
            PanelId::Player,
            PanelId::Compare,
            PanelId::Models,
            PanelId::Presets,
            PanelId::Sweep,
            PanelId::Settings,
            PanelId::Log,
        ],
    );
    let library = tabs(&mut tiles, &[PanelId::Gallery]);
    let queue = tabs(&mut tiles, &[PanelId::Queue]);
    let monitor = tabs(&mut tiles, &[PanelId::Monitor]);
    let (left, right) = ((room.x * 0.2).clamp(288.0, 420.0), (room.x * 0.25).clamp(248.0, 480.0));
    let below = (room.y * 0.28).clamp(150.0, 340.0);
    let above = (room.y - below).max(below);
    let centre = split(&mut tiles, LinearDir::Vertical, &[(player, above * 0.64), (library, above * 0.36)]);
    let middle = (room.x - left - right).max(right);
    let top = split(&mut tiles, LinearDir::Horizontal, &[(centre, middle), (queue, right)]);
    let work = split(&mut tiles, LinearDir::Vertical, &[(top, above), (monitor, below)]);
    let root = split(&mut tiles, LinearDir::Horizontal, &[(compose, left), (work, middle + right)]);
    Tree::new(tree_id(), root, tiles)
}

fn split(tiles: &mut Tiles<PanelId>, dir: LinearDir, parts: &[(TileId, f32)]) -> TileId {
    let mut linear = Linear::new(dir, parts.iter().map(|(tile, _)| *tile).collect());
    for (tile, share) in parts {
        linear.shares.set_share(*tile, *share);
    }
    tiles.insert_container(Container::Linear(linear))
}

/// Adapts the tree to a resized window: the part with the player changes, panels at its sides keep their size.
///
/// Where the player would become too small, the sides get smaller, too, down to [`LEAST_SIDE`].
fn stretch(tiles: &mut Tiles<PanelId>, tile: TileId, path: &[TileId], before: Vec2, room: Vec2) {
    let children = match tiles.get(tile) {
        Some(Tile::Container(container)) => container.children_vec(),
        _ => return,
    };
    let Some(elastic) = children.iter().copied().find(|child| path.contains(child)) else { return };
    let (mut inner_before, mut inner) = (before, room);
    if let Some(Tile::Container(Container::Linear(linear))) = tiles.get(tile) {
        let axis = usize::from(linear.dir == LinearDir::Vertical);
        let shown: Vec<_> = children.into_iter().filter(|child| tiles.is_visible(*child)).collect();
        let gaps = GAP * shown.len().saturating_sub(1) as f32;
        let sum: f32 = shown.iter().map(|child| linear.shares[*child]).sum();
        let size_before =
            |child: TileId| (before[axis] - gaps) * linear.shares[child] / sum.max(f32::EPSILON);
        let sides: Vec<_> = shown.iter().copied().filter(|child| *child != elastic).collect();
        let sizes: Vec<_> = sides.iter().map(|child| size_before(*child)).collect();
        let available = room[axis] - gaps;
        let total: f32 = sizes.iter().sum();
        let scale = ((available - LEAST_CENTRE[axis]) / total.max(1.0)).clamp(0.0, 1.0);
        let sizes: Vec<_> = sizes.iter().map(|size| (size * scale).max(size.min(LEAST_SIDE[axis]))).collect();
        inner_before[axis] = size_before(elastic);
        inner[axis] = (available - sizes.iter().sum::<f32>()).max(1.0);
        if let Some(Tile::Container(Container::Linear(linear))) = tiles.get_mut(tile) {
            for (child, size) in sides.into_iter().zip(sizes).chain([(elastic, inner[axis])]) {
                linear.shares.set_share(child, size.max(1.0));
            }
        }
    }
    stretch(tiles, elastic, path, inner_before, inner);
}

/// A panel's tile and all its ancestors.
fn above(tiles: &Tiles<PanelId>, panel: PanelId) -> Vec<TileId> {
    let mut found: Vec<_> = tiles.find_pane(&panel).into_iter().collect();
    while let Some(parent) = found.last().and_then(|last| tiles.parent_of(*last)) {
        found.push(parent);
    }
    found
}

#[cfg(test)]
mod tests {
    use eframe::egui::vec2;

    use super::*;

    #[test]
    fn a_layout_is_kept_and_a_broken_one_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let mut layout = Layout::open(dir.path());
        layout.fit(vec2(1600.0, 950.0));
        layout.close(PanelId::Log);
        let text = layout.unsaved().unwrap();
        std::fs::write(path_in(dir.path()), text).unwrap();
        assert_eq!(layout.unsaved(), None);
        let mut again = Layout::open(dir.path());
        again.fit(vec2(1600.0, 950.0));
        assert_eq!(again.tree, layout.tree);
        assert!(!again.is_open(PanelId::Log) && again.is_open(PanelId::Models));
        again.show(PanelId::Log);
        assert!(again.is_open(PanelId::Log));
        std::fs::write(path_in(dir.path()), "(version: 1, tree: ").unwrap();
        let mut broken = Layout::open(dir.path());
        broken.fit(vec2(1600.0, 950.0));
        assert!(PanelId::ALL.into_iter().all(|panel| broken.is_open(panel)));
    }

    #[test]
    fn a_panel_behind_another_tab_is_open_but_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let mut layout = Layout::open(dir.path());
        layout.fit(vec2(1600.0, 950.0));
        assert!(layout.is_shown(PanelId::Player) && layout.is_shown(PanelId::Queue));
        for behind in [PanelId::Compare, PanelId::Sweep] {
            assert!(layout.is_open(behind) && !layout.is_shown(behind), "{behind:?}");
        }
        layout.show(PanelId::Sweep);
        assert!(layout.is_shown(PanelId::Sweep) && !layout.is_shown(PanelId::Player));
        layout.close(PanelId::Sweep);
        assert!(!layout.is_shown(PanelId::Sweep));
    }

    #[test]
    fn a_small_window_begins_with_the_monitor_as_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let mut layout = Layout::open(dir.path());
        layout.fit(vec2(1024.0, 550.0));
        assert!(layout.monitor_is_line && !layout.is_open(PanelId::Monitor));
        layout.show(PanelId::Monitor);
        layout.fit(vec2(1024.0, 550.0));
        assert!(layout.is_open(PanelId::Monitor));
    }

    #[test]
    fn a_window_made_small_has_the_monitor_as_a_line_until_it_is_shown_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut layout = Layout::open(dir.path());
        layout.fit(vec2(1600.0, 950.0));
        assert!(layout.is_open(PanelId::Monitor));
        layout.fit(vec2(1024.0, 550.0));
        assert!(layout.monitor_is_line && !layout.is_open(PanelId::Monitor));
        layout.show(PanelId::Monitor);
        layout.fit(vec2(1024.0, 540.0));
        assert!(layout.is_open(PanelId::Monitor));
    }

    #[test]
    fn a_smaller_window_keeps_the_sides_wide_enough_to_read() {
        let dir = tempfile::tempdir().unwrap();
        let mut layout = Layout::open(dir.path());
        layout.fit(vec2(1600.0, 950.0));
        let text = layout.unsaved().unwrap();
        std::fs::write(path_in(dir.path()), text).unwrap();
        // as after a restart in a smaller window
        let mut layout = Layout::open(dir.path());
        layout.fit(vec2(1024.0, 540.0));
        let tiles = &layout.tree.tiles;
        let tabs = |panel| tiles.parent_of(tiles.find_pane(&panel).unwrap()).unwrap();
        // a panel at the side, and all that is beside it
        let widths = |panel| {
            let row = tiles.parent_of(tabs(panel)).unwrap();
            let Some(Tile::Container(Container::Linear(linear))) = tiles.get(row) else { panic!("no row") };
            let own = linear.shares[tabs(panel)];
            (own, linear.children.iter().map(|child| linear.shares[*child]).sum::<f32>() - own)
        };
        for side in [PanelId::Compose, PanelId::Queue] {
            let (own, rest) = widths(side);
            assert!(own >= LEAST_SIDE[0] && rest >= LEAST_CENTRE[0] - 0.01, "{side:?}: {own} {rest}");
        }
    }
}
