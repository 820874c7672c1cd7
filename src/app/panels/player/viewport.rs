//! Zoom and position of the frame on the stage.

use eframe::egui::{Color32, Pos2, Rect, Response, TextureId, Ui, Vec2, pos2};

/// Smallest and largest zoom, in points per pixel of the frame.
const SCALES: [f32; 2] = [0.05, 32.0];

/// Scrolling this far doubles the zoom.
const WHEEL_POINTS: f32 = 200.0;

/// The visible part of the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::app::panels) struct Viewport {
    /// Points per pixel of the frame; `None` fits the frame to the stage.
    scale: Option<f32>,
    /// From the middle of the stage to the middle of the frame, in points.
    offset: Vec2,
}

impl Viewport {
    /// One pixel of the frame per pixel of the screen.
    pub(in crate::app::panels) fn full_size(pixels_per_point: f32) -> Self {
        Self { scale: Some(1.0 / pixels_per_point), offset: Vec2::ZERO }
    }

    /// Points per pixel of a frame of `size` pixels in `area`.
    pub(in crate::app::panels) fn scale(&self, area: Rect, size: Vec2) -> f32 {
        let fit = (area.size() / size.max(Vec2::splat(1.0))).min_elem().max(0.0);
        self.scale.unwrap_or(fit)
    }

    /// Where the frame is drawn.
    pub(in crate::app::panels) fn place(&self, area: Rect, size: Vec2) -> Rect {
        let size = size * self.scale(area, size);
        let offset = limited(self.offset, area.size(), size);
        Rect::from_center_size(area.center() + offset, size)
    }

    /// Zooms by `factor` around `pointer`.
    pub(in crate::app::panels) fn zoom(&mut self, area: Rect, size: Vec2, pointer: Pos2, factor: f32) {
        let before = self.place(area, size);
        let scale = (self.scale(area, size) * factor).clamp(SCALES[0], SCALES[1]);
        let factor = scale / self.scale(area, size).max(f32::MIN_POSITIVE);
        let centre = pointer + (before.center() - pointer) * factor;
        self.scale = Some(scale);
        self.offset = limited(centre - area.center(), area.size(), size * scale);
    }

    /// Moves the frame without leaving a gap at its sides.
    pub(in crate::app::panels) fn pan(&mut self, area: Rect, size: Vec2, by: Vec2) {
        let shown = size * self.scale(area, size);
        self.offset = limited(self.offset + by, area.size(), shown);
    }
}

impl Viewport {
    /// Follows the hand on a frame of `size` pixels in `area`: the wheel zooms at `pointer`, a drag moves the frame.
    pub(in crate::app::panels) fn follow(
        &mut self,
        ui: &Ui,
        area: Rect,
        size: Vec2,
        pointer: Option<Pos2>,
        response: &Response,
    ) {
        let factor =
            ui.input(|input| input.zoom_delta() * (input.smooth_scroll_delta().y / WHEEL_POINTS).exp2());
        if let Some(pointer) = pointer
            && (factor - 1.0).abs() > f32::EPSILON
        {
            self.zoom(area, size, pointer, factor);
        }
        if response.dragged() {
            self.pan(area, size, response.drag_delta());
        }
    }
}

/// Draws a frame at `place`, as far as it is in `visible`.
pub(in crate::app::panels) fn frame_ui(ui: &Ui, visible: Rect, place: Rect, texture: TextureId) {
    let all = Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0));
    let clip = visible.intersect(ui.clip_rect());
    ui.painter().with_clip_rect(clip).image(texture, place, all, Color32::WHITE);
}

/// Limits the offset: no gap beside a frame larger than the area, and a smaller one is centred.
fn limited(offset: Vec2, area: Vec2, shown: Vec2) -> Vec2 {
    let most = ((shown - area) / 2.0).max(Vec2::ZERO);
    offset.clamp(-most, most)
}

#[cfg(test)]
mod tests {
    use eframe::egui::{pos2, vec2};

    use super::*;

    const AREA: Rect = Rect { min: Pos2::ZERO, max: Pos2 { x: 200.0, y: 100.0 } };

    #[test]
    fn a_frame_fits_until_it_is_zoomed() {
        let size = vec2(100.0, 100.0);
        let mut viewport = Viewport::default();
        assert_eq!(viewport.place(AREA, size), Rect::from_min_max(pos2(50.0, 0.0), pos2(150.0, 100.0)));
        viewport.pan(AREA, size, vec2(30.0, 30.0));
        assert_eq!(viewport, Viewport::default());
        let place = Viewport::full_size(2.0).place(AREA, size);
        assert_eq!(place.size(), vec2(50.0, 50.0));
    }

    #[test]
    fn zoom_keeps_the_point_under_the_pointer_and_panning_shows_no_gap() {
        let size = vec2(200.0, 100.0);
        let mut viewport = Viewport::default();
        viewport.zoom(AREA, size, pos2(50.0, 25.0), 2.0);
        assert_eq!(viewport.place(AREA, size), Rect::from_min_max(pos2(-50.0, -25.0), pos2(350.0, 175.0)));
        viewport.pan(AREA, size, vec2(1000.0, -1000.0));
        assert_eq!(viewport.place(AREA, size), Rect::from_min_max(pos2(0.0, -100.0), pos2(400.0, 100.0)));
    }
}
