//! Two columns beside each other.

use eframe::egui::{Align, Layout, Rect, Ui, UiBuilder};

/// Draws two columns of the same width in the room that is left. Unlike egui's own columns they end above a panel below
/// them, and stretch neither the words of a text nor a button to the full width.
pub(in crate::app) fn halves_ui(ui: &mut Ui, content: impl FnOnce(&mut Ui, &mut Ui)) {
    let room = ui.available_rect_before_wrap();
    let gap = ui.spacing().item_spacing.x;
    let width = (room.width() - gap) / 2.0;
    let column = |ui: &mut Ui, place: Rect, name: &str| {
        let builder = UiBuilder::new().id_salt(name).max_rect(place).layout(Layout::top_down(Align::Min));
        let mut column = ui.new_child(builder);
        column.set_width(width);
        column
    };
    let mut left = column(ui, room.with_max_x(room.left() + width), "left");
    let mut right = column(ui, room.with_min_x(room.right() - width), "right");
    content(&mut left, &mut right);
    let drawn = left.min_rect().union(right.min_rect());
    ui.advance_cursor_after_rect(Rect::from_min_max(room.min, drawn.max.max(room.min)));
}

#[cfg(test)]
mod tests {
    use eframe::egui::{Label, Panel, vec2};
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;

    use super::*;

    #[test]
    fn they_end_above_a_panel_and_stretch_no_words() {
        let text = "some words that need more than one line of their column";
        let size = vec2(400.0, 200.0);
        let mut harness = Harness::builder().with_size(size).build_ui(|ui| {
            Panel::bottom("below").exact_size(30.0).show(ui, |ui| ui.label("below"));
            halves_ui(ui, |left, right| {
                left.add(Label::new(text).wrap());
                right.label(format!("{:.0}", right.max_rect().bottom()));
                left.allocate_space(left.available_size());
            });
            ui.label("after");
        });
        harness.run();
        let below = harness.get_by_label("below").rect();
        let bottom = |label: &str| harness.get_by_label(label).rect().bottom();
        assert!(bottom(text) < below.top());
        assert!(harness.get_by_label(text).rect().width() < 200.0);
        let is_above = (0..=below.top() as u32).any(|at| harness.query_by_label(&at.to_string()).is_some());
        assert!(is_above, "the columns go down to the panel");
    }
}
