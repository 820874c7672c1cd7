//! A picture that a video starts or ends with: opened with care, turned upright, brought to size.

use std::path::Path;

use image::imageops::{FilterType, crop_imm, resize};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, Rgb, RgbImage};

use super::fault::io_error;
use super::metadata::Container;
use super::reader::Reader;
use crate::core::{Error, Frame, Kind, Resolution, Result, sha256_hex};

/// Pixels that are decoded; more is a mistake or a trap.
const MAX_PIXELS: u64 = 100_000_000;
/// Shorter sides hold no picture.
const MIN_SIDE: u32 = 16;

/// A picture as it was given.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Upright 8-bit RGB.
    pub frame: Frame,
    /// SHA-256 of the file.
    pub sha256: String,
    /// What was done to it that a person should know.
    pub notes: Vec<String>,
}

/// How a picture of another shape is brought to a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Bicubic, and only what sticks out by more than a token is cut off (i2v-A14B, which stretches by less).
    Stretch,
    /// Lanczos, cut to the shape around the centre (ti2v-5B).
    Crop,
}

impl Picture {
    /// Opens PNG, JPEG, WebP or the first picture of a GIF. EXIF orientation is applied; what is transparent is put
    /// on white.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = read(path)?;
        let sha256 = sha256_hex(&bytes);
        let refuse = |what: &str, remedy: &str| {
            Error::new(Kind::Input, format!("{} {what}", path.display())).field("image").remedy(remedy)
        };
        match Container::of(path).map_err(|error| io_error("Cannot read", path, error))? {
            Container::Mp4 => {
                return Err(refuse(
                    "is a video, not a picture",
                    "To go on from its last frame, give it as the clip to continue from",
                ));
            }
            Container::Unknown | Container::Folder => {
                return Err(refuse("is no picture", "Choose a PNG, JPEG or WebP file"));
            }
            Container::Gif | Container::Png | Container::Still => {}
        }
        let damaged = |error: image::ImageError| {
            refuse("cannot be decoded", "Open it in another program and save it again as PNG").because(error)
        };
        let reader = image::ImageReader::new(std::io::Cursor::new(&bytes)).with_guessed_format();
        let reader = reader.map_err(|error| io_error("Cannot read", path, error))?;
        let animated = is_animated(&bytes);
        let mut decoder = reader.into_decoder().map_err(damaged)?;
        let (width, height) = decoder.dimensions();
        if u64::from(width) * u64::from(height) > MAX_PIXELS {
            let words =
                format!("has {width}x{height} pixels, which is more than {} million", MAX_PIXELS / 1_000_000);
            return Err(refuse(&words, "Make it smaller: no model draws more than 2 million"));
        }
        if width < MIN_SIDE || height < MIN_SIDE {
            let words = format!("has {width}x{height} pixels, and {MIN_SIDE} on each side are needed");
            return Err(refuse(&words, "Choose a larger picture"));
        }
        // a file without the entry, or with a broken one, is taken as it is
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let mut picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
        picture.apply_orientation(orientation);
        let mut notes = Vec::new();
        if animated {
            notes.push(format!("{} moves: its first frame is used", path.display()));
        }
        let (rgb, transparent) = on_white(&picture);
        if transparent {
            notes.push(format!("{} is transparent in parts: it is put on white", path.display()));
        }
        Ok(Self { frame: frame(rgb), sha256, notes })
    }

    /// The last frame of a video, animation or folder of frames.
    pub fn last_of(path: &Path) -> Result<Self> {
        let as_field = |error: Error| error.field("continue_from");
        let mut reader = Reader::open(path).map_err(as_field)?;
        let mut last = None;
        while let Some(frame) = reader.next_frame().map_err(as_field)? {
            last = Some(frame);
        }
        let frame = last.ok_or_else(|| {
            as_field(Error::new(Kind::Input, format!("{} has no frames", path.display())))
                .remedy("Choose another clip")
        })?;
        let sha256 = sha256_hex(&frame.rgb);
        Ok(Self { frame, sha256, notes: Vec::new() })
    }

    /// The picture at `size`, and a sentence if something was cut off. `token` is the side of a token in pixels.
    pub fn fitted(&self, size: Resolution, fit: Fit, token: u32) -> (Frame, Option<String>) {
        let from = self.frame.size;
        if from == size {
            return (self.frame.clone(), None);
        }
        let (width, height) = (f64::from(from.width), f64::from(from.height));
        let scale = (f64::from(size.width) / width).max(f64::from(size.height) / height);
        let over = [width * scale - f64::from(size.width), height * scale - f64::from(size.height)];
        let cut = fit == Fit::Crop || over.iter().any(|&over| over > f64::from(token));
        let kept = if cut {
            let side = |wanted: u32, most: u32| ((f64::from(wanted) / scale).round() as u32).clamp(1, most);
            Resolution::new(side(size.width, from.width), side(size.height, from.height))
        } else {
            from
        };
        let filter = if fit == Fit::Stretch { FilterType::CatmullRom } else { FilterType::Lanczos3 };
        let Some(whole) = RgbImage::from_raw(from.width, from.height, self.frame.rgb.clone()) else {
            return (self.frame.clone(), None);
        };
        let corner = [(from.width - kept.width) / 2, (from.height - kept.height) / 2];
        let part = crop_imm(&whole, corner[0], corner[1], kept.width, kept.height);
        let note = (cut && over.iter().any(|&over| over >= 1.0))
            .then(|| format!("The picture of {from} is cut to {kept} to fit a video of {size}"));
        (frame(resize(&*part, size.width, size.height, filter)), note)
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let size =
        std::fs::metadata(path).map_err(|error| io_error("Cannot read", path, error).field("image"))?;
    if size.is_dir() {
        return Err(Error::new(Kind::Input, format!("{} is a folder, not a picture", path.display()))
            .field("image")
            .remedy("Choose a PNG, JPEG or WebP file"));
    }
    std::fs::read(path).map_err(|error| io_error("Cannot read", path, error).field("image"))
}

fn frame(picture: RgbImage) -> Frame {
    Frame { size: Resolution::new(picture.width(), picture.height()), rgb: picture.into_raw() }
}

/// Opaque RGB, and whether there was anything to cover.
fn on_white(picture: &DynamicImage) -> (RgbImage, bool) {
    if !picture.color().has_alpha() {
        return (picture.to_rgb8(), false);
    }
    let mut transparent = false;
    let mut out = RgbImage::new(picture.width(), picture.height());
    for (from, to) in picture.to_rgba8().pixels().zip(out.pixels_mut()) {
        let [r, g, b, alpha] = from.0.map(u32::from);
        transparent |= alpha < 255;
        *to = Rgb([r, g, b].map(|value| ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8));
    }
    (out, transparent)
}

/// Whether a GIF, PNG or WebP has more than one frame.
fn is_animated(bytes: &[u8]) -> bool {
    let cursor = || std::io::Cursor::new(bytes);
    match image::guess_format(bytes) {
        Ok(image::ImageFormat::Gif) => {
            use image::AnimationDecoder as _;
            image::codecs::gif::GifDecoder::new(cursor())
                .is_ok_and(|decoder| decoder.into_frames().take(2).filter(Result::is_ok).count() > 1)
        }
        Ok(image::ImageFormat::Png) => image::codecs::png::PngDecoder::new(cursor())
            .and_then(|decoder| decoder.is_apng())
            .unwrap_or(false),
        Ok(image::ImageFormat::WebP) => {
            image::codecs::webp::WebPDecoder::new(cursor()).is_ok_and(|decoder| decoder.has_animation())
        }
        _ => false,
    }
}
