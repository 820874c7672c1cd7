//! Rasterises what egui drew, without a window or a GPU.

use std::collections::{BTreeMap, HashMap};

use eframe::egui::epaint::{ClippedPrimitive, ImageData, ImageDelta, Mesh, Primitive, Vertex};
use eframe::egui::{Color32, ColorImage, Rect, TextureId, TexturesDelta};

/// An image with premultiplied colours, drawn triangle by triangle.
pub(super) struct Canvas {
    width: usize,
    height: usize,
    pixels_per_point: f32,
    pixels: Vec<[f32; 4]>,
}

/// The textures that triangles refer to: the font atlas.
#[derive(Default)]
pub(super) struct Textures(HashMap<TextureId, ColorImage>);

impl Textures {
    /// Takes in new and changed textures.
    pub(super) fn update(&mut self, mut delta: TexturesDelta) {
        let changed: BTreeMap<_, _> = std::mem::take(&mut delta.set).into_iter().collect();
        for (id, changes) in changed {
            for change in changes {
                self.set(id, &change);
            }
        }
    }

    fn set(&mut self, id: TextureId, change: &ImageDelta) {
        let ImageData::Color(image) = &change.image;
        let Some([left, top]) = change.pos else {
            self.0.insert(id, ColorImage::clone(image));
            return;
        };
        let Some(whole) = self.0.get_mut(&id) else { return };
        let (row, width) = (whole.width(), image.width());
        for (index, line) in image.pixels.chunks(width.max(1)).enumerate() {
            let from = (top + index) * row + left;
            if let Some(place) = whole.pixels.get_mut(from..from + line.len()) {
                place.copy_from_slice(line);
            }
        }
    }
}

impl Canvas {
    /// A canvas of one colour; the size is in points.
    pub(super) fn new(size: [f32; 2], pixels_per_point: f32, background: Color32) -> Self {
        let [width, height] = size.map(|points| (points * pixels_per_point).round().max(1.0) as usize);
        Self { width, height, pixels_per_point, pixels: vec![channels(background); width * height] }
    }

    /// Draws everything in order.
    pub(super) fn draw(&mut self, primitives: &[ClippedPrimitive], textures: &Textures) {
        for ClippedPrimitive { clip_rect, primitive } in primitives {
            if let Primitive::Mesh(mesh) = primitive {
                self.draw_mesh(mesh, *clip_rect, textures.0.get(&mesh.texture_id));
            }
        }
    }

    fn draw_mesh(&mut self, mesh: &Mesh, clip: Rect, texture: Option<&ColorImage>) {
        for triangle in mesh.indices.chunks_exact(3) {
            let corner = |index: usize| mesh.vertices.get(*triangle.get(index)? as usize);
            if let (Some(a), Some(b), Some(c)) = (corner(0), corner(1), corner(2)) {
                self.draw_triangle([a, b, c], clip, texture);
            }
        }
    }

    fn draw_triangle(&mut self, corners: [&Vertex; 3], clip: Rect, texture: Option<&ColorImage>) {
        let scale = self.pixels_per_point;
        let [a, b, c] = corners.map(|corner| [corner.pos.x * scale, corner.pos.y * scale]);
        let area = cross(a, b, c);
        if area == 0.0 {
            return;
        }
        let bounds = |axis: usize, from: f32, to: f32, size: usize| {
            let low = a[axis].min(b[axis]).min(c[axis]).max(from * scale).max(0.0);
            let high = a[axis].max(b[axis]).max(c[axis]).min(to * scale).min(size as f32);
            (low.floor() as usize)..(high.ceil().max(0.0) as usize).min(size)
        };
        let columns = bounds(0, clip.min.x, clip.max.x, self.width);
        let inside = |at: f32, from: f32, to: f32| from * scale <= at && at < to * scale;
        for y in bounds(1, clip.min.y, clip.max.y, self.height) {
            for x in columns.clone() {
                let at = [x as f32 + 0.5, y as f32 + 0.5];
                let parts = [cross(b, c, at) / area, cross(c, a, at) / area, cross(a, b, at) / area];
                let is_seen = inside(at[0], clip.min.x, clip.max.x) && inside(at[1], clip.min.y, clip.max.y);
                if is_seen && parts.iter().all(|part| *part >= 0.0) {
                    let colour = shaded(corners, parts, texture);
                    if let Some(pixel) = self.pixels.get_mut(y * self.width + x) {
                        let below = 1.0 - colour[3];
                        *pixel = std::array::from_fn(|index| colour[index] + pixel[index] * below);
                    }
                }
            }
        }
    }

    /// The image, opaque.
    pub(super) fn into_image(self) -> image::RgbImage {
        let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
        let bytes = self.pixels.iter().flat_map(|pixel| [pixel[0], pixel[1], pixel[2]].map(byte)).collect();
        image::RgbImage::from_raw(self.width as u32, self.height as u32, bytes).unwrap_or_default()
    }
}

/// Twice the signed area of a triangle.
fn cross(a: [f32; 2], b: [f32; 2], c: [f32; 2]) -> f32 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

/// The colour at a point, given by the weights of the corners.
fn shaded(corners: [&Vertex; 3], parts: [f32; 3], texture: Option<&ColorImage>) -> [f32; 4] {
    let mut colour = [0.0; 4];
    let mut place = [0.0; 2];
    for (corner, part) in corners.iter().zip(parts) {
        for (sum, channel) in colour.iter_mut().zip(channels(corner.color)) {
            *sum += part * channel;
        }
        place = [place[0] + part * corner.uv.x, place[1] + part * corner.uv.y];
    }
    let texel = texture.map_or([1.0; 4], |texture| sampled(texture, place));
    std::array::from_fn(|index| colour[index] * texel[index])
}

/// The texture's colour at `place` (0 to 1), interpolated between four texels.
fn sampled(texture: &ColorImage, place: [f32; 2]) -> [f32; 4] {
    let [width, height] = texture.size;
    let at = |part: f32, size: usize| (part * size as f32 - 0.5).clamp(0.0, size.saturating_sub(1) as f32);
    let (x, y) = (at(place[0], width), at(place[1], height));
    let texel = |x: usize, y: usize| {
        let index = y.min(height - 1) * width + x.min(width - 1);
        texture.pixels.get(index).map_or([0.0; 4], |pixel| channels(*pixel))
    };
    let (left, top) = (x as usize, y as usize);
    let mix = |a: [f32; 4], b: [f32; 4], part: f32| -> [f32; 4] {
        std::array::from_fn(|index| a[index] + (b[index] - a[index]) * part)
    };
    let upper = mix(texel(left, top), texel(left + 1, top), x.fract());
    let lower = mix(texel(left, top + 1), texel(left + 1, top + 1), x.fract());
    mix(upper, lower, y.fract())
}

fn channels(colour: Color32) -> [f32; 4] {
    colour.to_array().map(|channel| f32::from(channel) / 255.0)
}

#[cfg(test)]
mod tests {
    use eframe::egui::{pos2, vec2};

    use super::*;

    #[test]
    fn a_rectangle_fills_its_pixels_and_no_others() {
        let mut mesh = Mesh::default();
        let half = Color32::RED.gamma_multiply(0.5);
        mesh.add_colored_rect(Rect::from_min_size(pos2(1.0, 1.0), vec2(2.0, 1.0)), half);
        let clip = Rect::from_min_size(pos2(0.0, 0.0), vec2(2.0, 4.0));
        let mut canvas = Canvas::new([4.0, 4.0], 2.0, Color32::BLUE);
        canvas.draw(
            &[ClippedPrimitive { clip_rect: clip, primitive: Primitive::Mesh(mesh) }],
            &Textures::default(),
        );
        let image = canvas.into_image();
        assert_eq!(image.dimensions(), (8, 8));
        assert_eq!((image.get_pixel(1, 2).0, image.get_pixel(4, 2).0), ([0, 0, 255], [0, 0, 255]), "clipped");
        let [red, _, blue] = image.get_pixel(3, 3).0;
        assert!((126..=129).contains(&red) && (126..=129).contains(&blue), "{red} {blue}");
    }
}
