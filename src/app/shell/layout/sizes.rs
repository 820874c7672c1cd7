//! The sizes of panels: as a person chose them, and as they fit a window that has another size now.

use std::collections::BTreeMap;

use eframe::egui::Vec2;
use egui_tiles::{Container, Linear, LinearDir, Tile, TileId, Tiles};

use super::layout::PanelId;

/// Between two tiles.
pub(in crate::app) const GAP: f32 = 1.0;
/// Minimum width and height of the player's tile while panels at the sides keep their size.
pub(super) const LEAST_CENTRE: [f32; 2] = [420.0, 300.0];
/// Width and height that panels at the sides keep where the window gets too small.
pub(super) const LEAST_SIDE: [f32; 2] = [250.0, 200.0];

/// The share of each part of each row and column.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sizes(BTreeMap<[u64; 2], f32>);

/// Sizes with the area that they were chosen in.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ChosenSizes {
    pub(super) room: Vec2,
    pub(super) sizes: Sizes,
}

impl Sizes {
    /// The sizes in a tree.
    pub(super) fn of(tiles: &Tiles<PanelId>) -> Self {
        let mut sizes = BTreeMap::new();
        for (id, linear) in rows_and_columns(tiles) {
            for child in &linear.children {
                sizes.insert([id.0, child.0], linear.shares[*child]);
            }
        }
        Self(sizes)
    }

    /// Gives the parts of a tree these sizes.
    pub(super) fn apply(&self, tiles: &mut Tiles<PanelId>) {
        for (&[parent, child], share) in &self.0 {
            if let Some(Tile::Container(Container::Linear(linear))) = tiles.get_mut(TileId(parent)) {
                linear.shares.set_share(TileId(child), *share);
            }
        }
    }
}

fn rows_and_columns(tiles: &Tiles<PanelId>) -> impl Iterator<Item = (TileId, &Linear)> {
    tiles.iter().filter_map(|(id, tile)| match tile {
        Tile::Container(Container::Linear(linear)) => Some((*id, linear)),
        _ => None,
    })
}

/// Gives parts that were just dropped into a row or column the mean share of the others. `egui_tiles` gives them a share
/// of 1, which is one point where the others have hundreds.
pub(super) fn give_new_parts_room(tiles: &mut Tiles<PanelId>) {
    let mut missing = Vec::new();
    for (id, linear) in rows_and_columns(tiles) {
        let known: BTreeMap<_, _> = linear.shares.iter().map(|(child, share)| (child.0, *share)).collect();
        let without = linear.children.iter().filter(|child| !known.contains_key(&child.0));
        if !known.is_empty() {
            let mean = known.values().sum::<f32>() / known.len() as f32;
            missing.extend(without.map(|child| ([id.0, child.0], mean)));
        }
    }
    Sizes(missing.into_iter().collect()).apply(tiles);
}

/// Adapts the tree to a resized window: the part with the player changes, panels at its sides keep their size.
///
/// Where the player would become too small, the sides get smaller, too, down to [`LEAST_SIDE`].
pub(super) fn stretch(tiles: &mut Tiles<PanelId>, tile: TileId, path: &[TileId], before: Vec2, room: Vec2) {
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
        let mut sizes: Vec<_> =
            sizes.iter().map(|size| (size * scale).max(size.min(LEAST_SIDE[axis]))).collect();
        // too many for the window: the player still gets its part
        let most = available * sides.len() as f32 / shown.len().max(1) as f32;
        let too_large = sizes.iter().sum::<f32>() / most.max(1.0);
        if available < LEAST_CENTRE[axis] + sizes.iter().sum::<f32>() && too_large > 1.0 {
            for size in &mut sizes {
                *size /= too_large;
            }
        }
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
pub(super) fn above(tiles: &Tiles<PanelId>, panel: PanelId) -> Vec<TileId> {
    let mut found: Vec<_> = tiles.find_pane(&panel).into_iter().collect();
    while let Some(parent) = found.last().and_then(|last| tiles.parent_of(*last)) {
        found.push(parent);
    }
    found
}
