//! The default layout.

use eframe::egui::Vec2;
use egui_tiles::{Container, Linear, LinearDir, TileId, Tiles, Tree};

use super::layout::{PanelId, tree_id};
use super::sizes::{LEAST_CENTRE, LEAST_SIDE};

/// The default layout: compose on the left in full height, so that all basic fields are seen; the player above the
/// gallery; the queue on the right; the monitor below both.
pub(super) fn default_tree(room: Vec2) -> Tree<PanelId> {
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
    let (mut left, mut right) = ((room.x * 0.2).clamp(288.0, 420.0), (room.x * 0.25).clamp(250.0, 480.0));
    if room.x - left - right < LEAST_CENTRE[0] {
        (left, right) = (LEAST_SIDE[0], LEAST_SIDE[0]);
    }
    let below = (room.y * 0.28).clamp(150.0, 340.0);
    let above = (room.y - below).max(below);
    let gallery = (above * 0.36).max(LEAST_SIDE[1]);
    let parts = [(player, (above - gallery).max(gallery)), (library, gallery)];
    let centre = split(&mut tiles, LinearDir::Vertical, &parts);
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
