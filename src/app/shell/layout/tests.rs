//! Layouts are kept, fit small windows and grow back.

use eframe::egui::{Vec2, vec2};
use egui_tiles::{Container, LinearDir, Tile};

use super::layout::{Layout, PanelId, path_in};
use super::sizes::{LEAST_CENTRE, LEAST_SIDE, above};

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
    // made a line by the person: a larger window leaves it so
    layout.toggle_monitor_line();
    layout.fit(vec2(1600.0, 950.0));
    assert!(layout.monitor_is_line);
}

/// Width and height of a panel's tile in an area.
fn size_of(layout: &Layout, panel: PanelId, room: Vec2) -> Vec2 {
    let own = above(&layout.tree.tiles, panel);
    let mut size = room;
    for pair in own.windows(2).rev() {
        if let Some(Tile::Container(Container::Linear(linear))) = layout.tree.tiles.get(pair[1]) {
            let axis = usize::from(linear.dir == LinearDir::Vertical);
            let shown = linear.children.iter().filter(|child| layout.tree.is_visible(**child));
            let sum: f32 = shown.map(|child| linear.shares[*child]).sum();
            size[axis] *= linear.shares[pair[0]] / sum;
        }
    }
    size
}

fn sizes(layout: &mut Layout, room: Vec2) -> Vec<Vec2> {
    layout.fit(room);
    let panels = [PanelId::Compose, PanelId::Player, PanelId::Gallery, PanelId::Queue, PanelId::Monitor];
    panels.into_iter().map(|panel| size_of(layout, panel, room)).collect()
}

#[test]
fn what_shrank_with_the_window_grows_back_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let (large, small) = (vec2(1600.0, 950.0), vec2(820.0, 460.0));
    let mut layout = Layout::open(dir.path());
    let default = sizes(&mut layout, large);
    assert_ne!(sizes(&mut layout, small), default);
    assert_eq!(sizes(&mut layout, large), default, "the default layout");
    assert!(layout.is_open(PanelId::Monitor) && !layout.monitor_is_line);

    // the person drags borders
    let row = layout.tree.tiles.parent_of(above(&layout.tree.tiles, PanelId::Compose)[1]).unwrap();
    if let Some(Tile::Container(Container::Linear(linear))) = layout.tree.tiles.get_mut(row) {
        let compose = linear.children[0];
        linear.shares.set_share(compose, 600.0);
    }
    let dragged = sizes(&mut layout, large);
    assert_ne!(dragged, default);
    for room in [vec2(1000.0, 700.0), small, vec2(900.0, 500.0)] {
        let narrow = sizes(&mut layout, room);
        assert_ne!(narrow, dragged, "{room:?}");
    }
    // as after a restart in the small window
    std::fs::write(path_in(dir.path()), layout.unsaved().unwrap()).unwrap();
    let mut layout = Layout::open(dir.path());
    sizes(&mut layout, small);
    let again = sizes(&mut layout, large);
    let same = again.iter().zip(&dragged).all(|(a, b)| (*a - *b).length() < 1.0);
    assert!(same && layout.is_open(PanelId::Monitor), "{again:?} {dragged:?}");
}

#[test]
fn the_default_layout_uses_the_room_of_a_large_screen() {
    let dir = tempfile::tempdir().unwrap();
    let mut layout = Layout::open(dir.path());
    sizes(&mut layout, vec2(1024.0, 540.0));
    let [compose, _, gallery, queue, monitor] = sizes(&mut layout, vec2(3840.0, 2100.0))[..] else {
        panic!("five panels")
    };
    assert!(compose.x > 400.0 && queue.x > 450.0 && monitor.y > 300.0 && gallery.y > 500.0);
}

#[test]
fn a_panel_dropped_between_others_gets_as_much_room_as_they_have() {
    let dir = tempfile::tempdir().unwrap();
    let mut layout = Layout::open(dir.path());
    let room = vec2(1600.0, 950.0);
    layout.fit(room);
    // as when the tab of the log is dropped at the left edge of the queue
    let queue = above(&layout.tree.tiles, PanelId::Queue)[1];
    let row = layout.tree.tiles.parent_of(queue).unwrap();
    let log = layout.tree.tiles.find_pane(&PanelId::Log).unwrap();
    layout.tree.move_tile_to_container(log, row, 1, false);
    let before = size_of(&layout, PanelId::Log, room);
    assert!(before.x < 5.0, "{before:?}");
    layout.fit(room);
    let after = size_of(&layout, PanelId::Log, room);
    assert!(after.x > 250.0, "{after:?}");
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
