//! One result in the grid.

use eframe::egui::{
    Align2, Color32, CornerRadius, FontId, Image, Rect, Response, Role, Sense, Stroke, StrokeKind, TextureId,
    Ui, Vec2, WidgetInfo, load::SizedTexture, pos2, vec2,
};

use crate::app::theme;
use crate::app::widgets::duration::short_time;
use crate::core::counted;
use crate::jobs::EndStatus;
use crate::library::GalleryItem;

/// Size of a tile without its gap.
pub(super) const TILE: Vec2 = vec2(152.0, 116.0);
/// Height of the line under the image.
const CAPTION: f32 = 22.0;
/// Characters of the prompt that a screen reader says.
const SPOKEN: usize = 80;

/// Draws a result; the response contains the clicks.
pub(super) fn tile_ui(
    ui: &mut Ui,
    item: &GalleryItem,
    texture: Option<(TextureId, Vec2)>,
    selected: bool,
) -> Response {
    let (rect, _) = ui.allocate_exact_size(TILE, Sense::hover());
    // an id that is the same wherever the tile is, so that the keyboard stays with it
    let response = ui.interact(rect, ui.scope_id().with("tile"), Sense::click());
    let name: String = item.prompt.chars().take(SPOKEN).collect();
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, selected, name.clone()));
    if !ui.is_rect_visible(rect) {
        return response;
    }
    let tokens = theme::tokens(ui);
    let image_rect = Rect::from_min_max(rect.min, pos2(rect.max.x, rect.max.y - CAPTION));
    ui.painter().rect_filled(image_rect, CornerRadius::same(4), tokens.stage);
    if let Some(texture) = texture {
        let (id, size) = texture;
        Image::from_texture(SizedTexture::new(id, size))
            .uv(filling(size, image_rect.size()))
            .corner_radius(4)
            .paint_at(ui, image_rect);
    } else {
        let text = if item.status == EndStatus::Failed { "failed" } else { "…" };
        let weak = ui.visuals().weak_text_color();
        ui.painter().text(image_rect.center(), Align2::CENTER_CENTER, text, FontId::proportional(13.0), weak);
    }
    caption_ui(ui, rect, item);
    if selected || response.has_focus() {
        let stroke = Stroke::new(2.0, tokens.accent);
        ui.painter().rect_stroke(image_rect, CornerRadius::same(4), stroke, StrokeKind::Inside);
    }
    response.on_hover_ui(|ui| hover_ui(ui, item))
}

/// The part of an image of `size` that fills `area` without stretching: its middle, in texture coordinates.
fn filling(size: Vec2, area: Vec2) -> Rect {
    let scale = (area / size.max(Vec2::splat(1.0))).max_elem();
    let shown = area / (size.max(Vec2::splat(1.0)) * scale);
    Rect::from_center_size(pos2(0.5, 0.5), shown)
}

fn caption_ui(ui: &Ui, rect: Rect, item: &GalleryItem) {
    let weak = ui.visuals().weak_text_color();
    let at = pos2(rect.min.x + 2.0, rect.max.y - CAPTION / 2.0);
    let number = if item.job == 0 { String::new() } else { item.job.to_string() };
    let time = item.generation_time.map(short_time).unwrap_or_default();
    let text = [number, time].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ");
    ui.painter().text(at, Align2::LEFT_CENTER, text, FontId::proportional(12.0), weak);
    if item.rating > 0 {
        let stars = format!("{} of 5", item.rating);
        let right = pos2(rect.max.x - 2.0, at.y);
        let colour: Color32 = theme::tokens(ui).warning;
        ui.painter().text(right, Align2::RIGHT_CENTER, stars, FontId::proportional(12.0), colour);
    }
}

fn hover_ui(ui: &mut Ui, item: &GalleryItem) {
    ui.set_max_width(360.0);
    ui.label(&item.prompt);
    let size = item.size.map(|size| format!("{}x{}", size.width, size.height));
    let frames = item.frames.map(|frames| counted(frames.0, "frame"));
    let steps = item.steps.map(|steps| counted(steps, "step"));
    let seed = item.seed.map(|seed| format!("seed {}", seed.0));
    let parts = [Some(item.model.clone()), size, frames, steps, seed];
    ui.weak(parts.into_iter().flatten().collect::<Vec<_>>().join(" · "));
    if let Some(failure) = &item.failure {
        ui.colored_label(theme::tokens(ui).error, failure);
    }
    if item.status == EndStatus::Done && !item.exists {
        ui.colored_label(theme::tokens(ui).warning, "The file was moved or deleted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbnail_is_cut_and_not_stretched() {
        let wide = filling(vec2(200.0, 100.0), vec2(100.0, 100.0));
        assert_eq!((wide.width(), wide.height()), (0.5, 1.0));
        let same = filling(vec2(30.0, 20.0), vec2(150.0, 100.0));
        assert_eq!((same.width(), same.height()), (1.0, 1.0));
    }
}
