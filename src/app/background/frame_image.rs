//! Frames as images on the screen: their pixels, their filter, and how long each is shown.

use std::time::Duration;

use eframe::egui::{ColorImage, Context, ImageData, TextureHandle, TextureId, TextureOptions, Vec2};

use crate::core::Frame;

/// Rate of images that carry none, frames per second; Wan's own (`sample_fps` of the A14B models).
const DEFAULT_RATE_HZ: f64 = 16.0;
/// Videos up to this width are shown without interpolation, such as those of the toy model.
const PIXEL_ART_WIDTH: usize = 256;

/// The pixels of a frame.
pub(super) fn color_image(frame: &Frame) -> ColorImage {
    ColorImage::from_rgb([frame.size.width as usize, frame.size.height as usize], &frame.rgb)
}

/// How a frame of this width in pixels is enlarged.
pub(super) fn filter_of(width: usize) -> TextureOptions {
    if width <= PIXEL_ART_WIDTH { TextureOptions::NEAREST } else { TextureOptions::LINEAR }
}

/// Uploads an image into a texture that is used again; returns it with its size.
pub(super) fn upload(
    texture: &mut Option<TextureHandle>,
    ctx: &Context,
    name: &str,
    image: impl Into<ImageData>,
    filter: TextureOptions,
) -> (TextureId, Vec2) {
    let texture = match texture {
        Some(texture) => {
            texture.set(image, filter);
            texture
        }
        none => none.insert(ctx.load_texture(name, image, filter)),
    };
    (texture.id(), texture.size_vec2())
}

/// The rate in which a video is shown, frames per second.
pub(super) fn shown_rate_hz(rate_hz: Option<f64>) -> f64 {
    rate_hz.filter(|rate| rate.is_finite() && *rate > 0.0).unwrap_or(DEFAULT_RATE_HZ).clamp(0.1, 240.0)
}

/// How long a frame of a video is shown.
pub(super) fn frame_interval(rate_hz: Option<f64>) -> Duration {
    Duration::from_secs_f64(1.0 / shown_rate_hz(rate_hz))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_video_without_a_usable_rate_has_the_default_one() {
        for rate in [None, Some(0.0), Some(-3.0), Some(f64::NAN), Some(f64::INFINITY)] {
            assert_eq!(frame_interval(rate), Duration::from_micros(62_500), "{rate:?}");
        }
        assert_eq!(frame_interval(Some(25.0)), Duration::from_millis(40));
        assert_eq!(frame_interval(Some(1e-9)), Duration::from_secs(10));
    }
}
