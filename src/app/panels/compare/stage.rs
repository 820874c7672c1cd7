//! The frames: beside each other, on one place, or their difference; all with the same zoom and position.

use eframe::egui::text::{LayoutJob, TextWrapping};
use eframe::egui::{
    Align2, CornerRadius, FontId, Label, Pos2, Rect, Response, RichText, Role, Sense, Stroke, TextureId, Ui,
    Vec2, WidgetInfo, vec2,
};

use super::panel::CompareMode;
use super::view::CompareView;
use crate::app::panels::player::{Viewport, frame_ui};
use crate::app::theme;

/// Space between two frames.
const GAP: f32 = 4.0;
/// Distance from the line between two videos in which a drag moves it.
const GRIP: f32 = 14.0;
/// Space beside a name, at both sides.
const NAME_SPACE: f32 = 20.0;
/// Names of the videos.
pub(super) const LETTERS: [&str; 4] = ["A", "B", "C", "D"];

/// What is drawn.
pub(super) struct ShownVideos<'a> {
    pub(super) view: CompareView<'a>,
    pub(super) mode: CompareMode,
    /// The video that is shown beside the reference where two are.
    pub(super) other: usize,
    /// Whether names are hidden.
    pub(super) is_blind: bool,
}

/// Zoom and position of all frames, and which part of two is shown.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) viewport: Viewport,
    /// Where the line between two videos is, from 0 to 1.
    pub(super) split: f32,
    /// Whether a flip shows the other video.
    pub(super) shows_other: bool,
}

impl Stage {
    /// Draws the videos in `height` points.
    pub(super) fn ui(&mut self, ui: &mut Ui, shown: &ShownVideos<'_>, height: f32) {
        let size = vec2(ui.available_width(), height);
        let (rect, response) = ui.allocate_exact_size(size, Sense::click_and_drag());
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Compared videos"));
        ui.painter().rect_filled(rect, CornerRadius::same(6), theme::tokens(ui).stage);
        match shown.mode {
            CompareMode::SideBySide => self.beside_ui(ui, rect, &response, shown),
            CompareMode::Split => self.split_ui(ui, rect, &response, shown),
            CompareMode::Flip => self.flip_ui(ui, rect, &response, shown),
            CompareMode::Difference => {
                let texture = shown.view.comparison.difference();
                self.move_frames(ui, rect, texture, &response);
                if shown.have_same_size() {
                    self.frame_ui(ui, rect, rect, texture);
                } else {
                    let text = RichText::new("The videos have different sizes");
                    let ground = theme::tokens(ui).card;
                    ui.put(rect, Label::new(text.background_color(ground)));
                }
                label_ui(ui, rect, &format!("{} − {}", LETTERS[0], letter(shown.other)));
            }
        }
    }

    fn beside_ui(&mut self, ui: &Ui, rect: Rect, response: &Response, shown: &ShownVideos<'_>) {
        let areas = areas(rect, shown.view.comparison.videos().len());
        let pointer = response.hover_pos();
        let under = areas.iter().find(|area| pointer.is_some_and(|at| area.contains(at)));
        let first = shown.view.comparison.texture(0);
        self.move_frames(ui, under.copied().unwrap_or(areas[0]), first, response);
        for (video, area) in areas.into_iter().enumerate() {
            self.frame_ui(ui, area, area, shown.view.comparison.texture(video));
            label_ui(ui, area, &shown.name(video));
        }
    }

    fn split_ui(&mut self, ui: &Ui, rect: Rect, response: &Response, shown: &ShownVideos<'_>) {
        let line = rect.left() + rect.width() * self.split;
        let origin = ui.input(|input| input.pointer.press_origin());
        let grips = origin.is_some_and(|origin| rect.contains(origin) && (origin.x - line).abs() <= GRIP);
        let is_moved = ui.data(|data| data.get_temp::<bool>(response.id)).unwrap_or(false);
        if response.drag_started() {
            ui.data_mut(|data| data.insert_temp(response.id, grips));
        }
        if response.dragged() && (is_moved || (response.drag_started() && grips)) {
            if let Some(at) = response.interact_pointer_pos() {
                self.split = ((at.x - rect.left()) / rect.width().max(1.0)).clamp(0.0, 1.0);
            }
        } else {
            self.move_frames(ui, rect, shown.view.comparison.texture(0), response);
        }
        let line = rect.left() + rect.width() * self.split;
        let (left, right) = rect.split_left_right_at_x(line);
        self.frame_ui(ui, rect, left, shown.view.comparison.texture(0));
        self.frame_ui(ui, rect, right, shown.view.comparison.texture(shown.other));
        ui.painter().vline(line, rect.y_range(), Stroke::new(2.0, theme::tokens(ui).accent));
        label_ui(ui, left, &shown.name(0));
        let name = shown.name(shown.other);
        let at = rect.right_top() + vec2(-8.0, 6.0);
        text_ui(ui, Align2::RIGHT_TOP, at, &name, right.width() - NAME_SPACE);
    }

    fn flip_ui(&mut self, ui: &Ui, rect: Rect, response: &Response, shown: &ShownVideos<'_>) {
        if response.clicked() {
            self.shows_other = !self.shows_other;
        }
        let video = if self.shows_other { shown.other } else { 0 };
        let texture = shown.view.comparison.texture(video);
        self.move_frames(ui, rect, texture, response);
        self.frame_ui(ui, rect, rect, texture);
        label_ui(ui, rect, &shown.name(video));
    }

    /// The wheel zooms at the pointer, a drag moves the frames.
    fn move_frames(&mut self, ui: &Ui, area: Rect, texture: Option<(TextureId, Vec2)>, response: &Response) {
        let Some((_, size)) = texture else { return };
        let pointer = response.hover_pos().filter(|at| area.contains(*at));
        self.viewport.follow(ui, area, size, pointer, response);
    }

    /// A frame placed in `area`, of which `visible` is drawn.
    fn frame_ui(&self, ui: &Ui, area: Rect, visible: Rect, texture: Option<(TextureId, Vec2)>) {
        let Some((texture, size)) = texture else {
            text_ui(ui, Align2::CENTER_CENTER, area.center(), "No frame at this time", area.width());
            return;
        };
        frame_ui(ui, visible, self.viewport.place(area, size), texture);
    }
}

impl ShownVideos<'_> {
    /// Whether the two videos can be subtracted.
    fn have_same_size(&self) -> bool {
        let videos = self.view.comparison.videos();
        let size = |at: usize| videos.get(at).map(|video| video.info.size);
        size(0) == size(self.other)
    }

    /// The letter of a video with its name, if that is not hidden.
    fn name(&self, video: usize) -> String {
        let letter = letter(video);
        match self.view.comparison.videos().get(video) {
            Some(found) if !self.is_blind => format!("{letter} · {}", found.name()),
            _ => letter.to_owned(),
        }
    }
}

/// The letter of a video.
pub(super) fn letter(video: usize) -> &'static str {
    LETTERS.get(video).copied().unwrap_or_default()
}

/// Places of `count` frames: in one row, four of them in two rows.
fn areas(rect: Rect, count: usize) -> Vec<Rect> {
    let (columns, rows) = match count {
        0 | 1 => (1, 1),
        4 => (2, 2),
        count => (count, 1),
    };
    let size = vec2(
        (rect.width() - GAP * (columns - 1) as f32) / columns as f32,
        (rect.height() - GAP * (rows - 1) as f32) / rows as f32,
    );
    let at = |index: usize| vec2((index % columns) as f32, (index / columns) as f32);
    let place = |index| Rect::from_min_size(rect.min + at(index) * (size + Vec2::splat(GAP)), size);
    (0..count.max(1)).map(place).collect()
}

fn label_ui(ui: &Ui, area: Rect, text: &str) {
    text_ui(ui, Align2::LEFT_TOP, area.left_top() + vec2(8.0, 6.0), text, area.width() - NAME_SPACE);
}

/// Text on the stage, on a dark ground of its own, cut where it needs more than `room` points.
fn text_ui(ui: &Ui, align: Align2, at: Pos2, text: &str, room: f32) {
    let tokens = theme::tokens(ui);
    let font = FontId::proportional(12.0);
    let mut words = LayoutJob::simple_singleline(text.to_owned(), font, ui.visuals().text_color());
    words.wrap = TextWrapping::truncate_at_width(room.max(0.0));
    let galley = ui.painter().layout_job(words);
    let place = align.anchor_size(at, galley.size());
    ui.painter().rect_filled(place.expand(3.0), CornerRadius::same(3), tokens.card);
    ui.painter().galley(place.min, galley, ui.visuals().text_color());
}

#[cfg(test)]
mod tests {
    use eframe::egui::pos2;

    use super::*;

    #[test]
    fn frames_share_the_stage_without_overlap() {
        let rect = Rect::from_min_size(pos2(10.0, 10.0), vec2(404.0, 204.0));
        for count in 1..=4 {
            let areas = areas(rect, count);
            assert_eq!(areas.len(), count);
            for (at, area) in areas.iter().enumerate() {
                assert!(rect.expand(0.01).contains_rect(*area), "{count}: {area:?}");
                assert!(areas[at + 1..].iter().all(|other| !area.shrink(0.1).intersects(*other)), "{count}");
            }
        }
        assert_eq!(areas(rect, 4)[3].size(), vec2(200.0, 100.0));
    }

    #[test]
    fn a_long_name_ends_before_the_next_video() {
        let harness = egui_kittest::Harness::builder().with_context_setup(theme::install).build_ui(|ui| {
            let area = Rect::from_min_size(Pos2::ZERO, vec2(150.0, 100.0));
            label_ui(ui, area, &"a red circle moves right on a black background".repeat(2));
        });
        let rights = harness.output().shapes.iter().filter_map(|shape| match &shape.shape {
            eframe::egui::Shape::Text(text) => Some(text.visual_bounding_rect().right()),
            _ => None,
        });
        let rights: Vec<_> = rights.collect();
        assert!(!rights.is_empty() && rights.iter().all(|right| *right <= 145.0), "{rights:?}");
    }
}
