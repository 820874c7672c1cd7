//! Start and end images: decoding with limits, EXIF orientation, scaling and cropping to the video's size.

use std::path::Path;

use image::imageops::{FilterType, crop_imm, resize};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, Rgb, RgbImage};

use super::fault::io_error;
use super::foreign::to_mp4;
use super::gif_blocks;
use super::jpeg;
use super::metadata::Container;
use super::reader::{Reader, decode_limits};
use crate::core::{Bytes, CancelToken, Error, Frame, Kind, Resolution, Result, read_bounded, sha256_hex};

/// Largest number of pixels that is decoded.
const MAX_PIXELS: u64 = 100_000_000;
/// Largest file that is read; no image of [`MAX_PIXELS`] needs more.
const MAX_FILE: Bytes = Bytes(512 << 20);
/// The fix for a file that is not an image.
const READABLE: &str = "Choose a PNG, JPEG, WebP, BMP, TIFF or PNM file";
/// Shortest side that is accepted.
const MIN_SIDE: u32 = 16;

/// A decoded image before it is fitted to a video.
#[derive(Clone, Debug)]
pub struct SourceImage {
    /// 8-bit RGB with the EXIF orientation applied.
    pub frame: Frame,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Notes for the user about changes to the image.
    pub notes: Vec<String>,
}

/// How an image of another size is fitted to the video's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageFit {
    /// Bicubic; stretched if the aspect ratios differ by at most the side of a token, else cropped (i2v-A14B).
    Stretch,
    /// Lanczos, cropped around the centre to the video's aspect ratio (ti2v-5B).
    Crop,
}

/// The part of an image that a video shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptPart {
    /// Width and height in pixels of the image; the part is in the middle.
    pub size: Resolution,
    /// Whether something visible is cut off.
    pub is_cut: bool,
}

impl SourceImage {
    /// Opens a PNG, JPEG, WebP, BMP, TIFF or PNM image or the first frame of an animation. Applies the EXIF orientation and puts transparent
    /// pixels on white.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = read(path)?;
        let sha256 = sha256_hex(&bytes);
        let refuse = |what: &str, remedy: &str| refused(path, what, remedy);
        match Container::of(path).map_err(|error| io_error("Cannot read", path, error))? {
            Container::Mp4 => {
                return Err(refuse(
                    "is a video, not an image",
                    "To continue from its last frame, use it as the clip to continue from",
                ));
            }
            Container::Foreign(format) => return Err(given("start_image", format.error(path))),
            Container::Unknown | Container::Folder => {
                return Err(refuse("is not an image", READABLE));
            }
            Container::Gif => {
                gif_blocks::summary_of(&bytes, path).map_err(|error| given("start_image", error))?;
            }
            Container::Still if bytes.starts_with(&[0xff, 0xd8]) && !jpeg::is_complete(&bytes) => {
                return Err(refuse("is a truncated JPEG image", "Copy or download it again"));
            }
            Container::Png | Container::Still => {}
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
            let words = format!(
                "has {width}x{height} pixels, more than the limit of {} million",
                MAX_PIXELS / 1_000_000
            );
            return Err(refuse(
                &words,
                "Reduce its size: no model makes videos of more than 2 million pixels",
            ));
        }
        check_sides(path, Resolution::new(width, height))?;
        decoder.set_limits(decode_limits()).map_err(damaged)?;
        // a missing or invalid EXIF entry means no rotation
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let mut image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
        image.apply_orientation(orientation);
        let mut notes = Vec::new();
        if animated {
            notes.push(format!("Only the first frame of the animated image is used: {}", path.display()));
        }
        let (rgb, transparent) = on_white(&image);
        if transparent {
            notes.push(format!("Transparent pixels of the image are put on white: {}", path.display()));
        }
        Ok(Self { frame: frame(rgb), sha256, notes })
    }

    /// The last frame of a video, animation or folder of frames. `cancel` stops it between two frames.
    pub fn last_of(path: &Path, cancel: &CancelToken) -> Result<Self> {
        let as_field = |error: Error| given("continue_from", error);
        let container =
            Container::of(path).map_err(|error| as_field(io_error("Cannot read", path, error)))?;
        if matches!(container, Container::Png | Container::Still) {
            return Self::image_as_clip(path).map_err(as_field);
        }
        let mut reader = Reader::open(path).map_err(as_field)?;
        let mut last = None;
        while let Some(frame) = reader.next_frame().map_err(as_field)? {
            last = Some(frame);
            cancel.check()?;
        }
        let frame = last.ok_or_else(|| {
            as_field(Error::new(Kind::Input, format!("The clip has no frames: {}", path.display())))
                .remedy("Choose another clip")
        })?;
        let sha256 = sha256_hex(&frame.rgb);
        Ok(Self { frame, sha256, notes: Vec::new() })
    }

    /// An image as a clip of one frame. Fails for an animation, of which only the first frame could be read.
    fn image_as_clip(path: &Path) -> Result<Self> {
        let bytes = read(path)?;
        if is_animated(&bytes) {
            let message = format!("An animated PNG or WebP cannot be continued: {}", path.display());
            let remedy = format!("Convert it: {}", to_mp4(path));
            return Err(Error::new(Kind::Unsupported, message).remedy(remedy));
        }
        let image = Self::open(path)?;
        Ok(Self { sha256: sha256_hex(&image.frame.rgb), ..image })
    }

    /// The image fitted to `size`, and a note if it was cropped. `token` is the side of a token in pixels.
    pub fn fitted(&self, size: Resolution, fit: ImageFit, token: u32) -> (Frame, Option<String>) {
        let from = self.frame.size;
        if from == size {
            return (self.frame.clone(), None);
        }
        let kept = self.kept(size, fit, token);
        let filter = if fit == ImageFit::Stretch { FilterType::CatmullRom } else { FilterType::Lanczos3 };
        let Some(whole) = RgbImage::from_raw(from.width, from.height, self.frame.rgb.clone()) else {
            return (self.frame.clone(), None);
        };
        let corner = [(from.width - kept.size.width) / 2, (from.height - kept.size.height) / 2];
        let part = crop_imm(&whole, corner[0], corner[1], kept.size.width, kept.size.height);
        let note = kept
            .is_cut
            .then(|| format!("The {from} image is cropped to {} to fit a {size} video", kept.size));
        (frame(resize(&*part, size.width, size.height, filter)), note)
    }

    /// The part in the middle of the image that is left when it is fitted to `size`.
    pub fn kept(&self, size: Resolution, fit: ImageFit, token: u32) -> KeptPart {
        let from = self.frame.size;
        let (width, height) = (f64::from(from.width), f64::from(from.height));
        let scale = (f64::from(size.width) / width).max(f64::from(size.height) / height);
        let over = [width * scale - f64::from(size.width), height * scale - f64::from(size.height)];
        let cut = fit == ImageFit::Crop || over.iter().any(|&over| over > f64::from(token));
        let kept = if cut {
            let side = |wanted: u32, most: u32| ((f64::from(wanted) / scale).round() as u32).clamp(1, most);
            Resolution::new(side(size.width, from.width), side(size.height, from.height))
        } else {
            from
        };
        KeptPart { size: kept, is_cut: cut && over.iter().any(|&over| over >= 1.0) }
    }
}

/// Whether a file is an image that can be opened, according to its first bytes. Fails for an image in an unsupported
/// format, with a command that converts it.
pub fn is_image(path: &Path) -> Result<bool> {
    let container = Container::of(path).map_err(|error| io_error("Cannot read", path, error))?;
    if let Container::Foreign(format) = container
        && format.is_image()
    {
        return Err(format.error(path));
    }
    Ok(matches!(container, Container::Gif | Container::Png | Container::Still))
}

/// Size of an image after its EXIF orientation, or of a video's frames. Reads only the file's header.
pub fn image_size(path: &Path) -> Result<Resolution> {
    let stored = Reader::open(path).map_err(|error| given("start_image", error))?.info().size;
    check_sides(path, stored)?;
    // a missing or invalid EXIF entry means no rotation
    let turned = image::ImageReader::open(path)
        .and_then(image::ImageReader::with_guessed_format)
        .ok()
        .and_then(|reader| reader.into_decoder().ok()?.orientation().ok())
        .is_some_and(|orientation| orientation.to_exif() >= 5);
    Ok(if turned { Resolution::new(stored.height, stored.width) } else { stored })
}

/// [`image_size`] of an image to start from, which a folder of frames is not.
pub fn start_image_size(path: &Path) -> Result<Resolution> {
    if path.is_dir() { Err(is_folder(path)) } else { image_size(path) }
}

fn is_folder(path: &Path) -> Error {
    Error::new(Kind::Input, format!("The path is a folder, not an image: {}", path.display()))
        .field("start_image")
        .remedy("Choose one of its files, or use it as the clip to continue from if it holds frames")
}

/// An error about an image: "The file is not an image: a.txt".
fn refused(path: &Path, what: &str, remedy: &str) -> Error {
    Error::new(Kind::Input, format!("The file {what}: {}", path.display()))
        .field("start_image")
        .remedy(remedy)
}

/// Fails for an image that is too small to start a video from.
fn check_sides(path: &Path, size: Resolution) -> Result<()> {
    if size.width >= MIN_SIDE && size.height >= MIN_SIDE {
        return Ok(());
    }
    let words = format!("has {size} pixels, and each side must have at least {MIN_SIDE}");
    Err(refused(path, &words, "Choose a larger image"))
}

/// An error about a file that the user chose, as an input error of `field`.
fn given(field: &'static str, mut error: Error) -> Error {
    error.kind = Kind::Input;
    error.field(field)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let size = std::fs::metadata(path)
        .map_err(|error| given("start_image", io_error("Cannot read", path, error)))?;
    if size.is_dir() {
        return Err(is_folder(path));
    }
    read_bounded(path, MAX_FILE).map_err(|error| given("start_image", io_error("Cannot read", path, error)))
}

fn frame(image: RgbImage) -> Frame {
    Frame { size: Resolution::new(image.width(), image.height()), rgb: image.into_raw() }
}

/// The image as RGB on white, and whether it had transparent pixels.
fn on_white(image: &DynamicImage) -> (RgbImage, bool) {
    if !image.color().has_alpha() {
        return (image.to_rgb8(), false);
    }
    let mut transparent = false;
    let mut out = RgbImage::new(image.width(), image.height());
    for (from, to) in image.to_rgba8().pixels().zip(out.pixels_mut()) {
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
                .is_ok_and(|decoder| decoder.into_frames().take(2).flatten().count() > 1)
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    fn write(dir: &Path, name: &str, image: &DynamicImage) -> PathBuf {
        let path = dir.join(name);
        image.save(&path).unwrap();
        path
    }

    fn rgb(width: u32, height: u32) -> DynamicImage {
        RgbImage::from_fn(width, height, |x, y| Rgb([(x * 7) as u8, (y * 5) as u8, 60])).into()
    }

    #[test]
    fn every_common_format_gives_the_same_image() {
        let dir = tempfile::tempdir().unwrap();
        let wanted = rgb(32, 24).to_rgb8().into_raw();
        let deep = DynamicImage::ImageRgb16(rgb(32, 24).to_rgb16());
        for path in [
            write(dir.path(), "a.png", &rgb(32, 24)),
            write(dir.path(), "deep.png", &deep),
            write(dir.path(), "a.webp", &rgb(32, 24)),
            write(dir.path(), "a.bmp", &rgb(32, 24)),
            write(dir.path(), "a.tiff", &rgb(32, 24)),
            write(dir.path(), "a.ppm", &rgb(32, 24)),
        ] {
            let image = SourceImage::open(&path).unwrap();
            assert_eq!((image.frame.size, &image.frame.rgb), (Resolution::new(32, 24), &wanted), "{path:?}");
            assert_eq!(image.notes, [""; 0]);
        }
        let lossy = SourceImage::open(&write(dir.path(), "a.jpg", &rgb(32, 24))).unwrap();
        let worst = lossy.frame.rgb.iter().zip(&wanted).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(worst < 40, "{worst}");
    }

    #[test]
    fn a_truncated_jpeg_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), "a.jpg", &rgb(64, 48));
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() * 2 / 3]).unwrap();
        let error = SourceImage::open(&path).unwrap_err();
        assert!(error.message.contains("truncated") && error.kind == Kind::Input, "{error:#}");
        let error = SourceImage::last_of(&path, &CancelToken::new()).unwrap_err();
        assert_eq!(error.field_name(), Some("continue_from"), "{error:#}");
    }

    #[test]
    fn an_animated_png_is_a_start_image_but_not_a_clip() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        let mut encoder = png::Encoder::new(fs::File::create(&path).unwrap(), 16, 16);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_animated(2, 0).unwrap();
        let mut writer = encoder.write_header().unwrap();
        for level in [10, 200] {
            writer.write_image_data(&[level; 16 * 16 * 3]).unwrap();
        }
        writer.finish().unwrap();
        let image = SourceImage::open(&path).unwrap();
        assert!(image.frame.rgb[0] == 10 && image.notes[0].contains("first frame"), "{:?}", image.notes);
        let error = format!("{:#}", SourceImage::last_of(&path, &CancelToken::new()).unwrap_err());
        assert!(error.contains("animated PNG") && error.contains("ffmpeg"), "{error}");
    }

    #[test]
    fn transparent_pixels_are_put_on_white_with_a_note() {
        let dir = tempfile::tempdir().unwrap();
        let clear =
            image::RgbaImage::from_fn(16, 16, |x, _| image::Rgba([200, 0, 0, if x < 8 { 0 } else { 255 }]));
        let image = SourceImage::open(&write(dir.path(), "a.png", &clear.into())).unwrap();
        assert_eq!((&image.frame.rgb[..3], &image.frame.rgb[45..48]), (&[255; 3][..], &[200, 0, 0][..]));
        assert!(image.notes[0].contains("white"), "{:?}", image.notes);
    }

    #[test]
    fn the_exif_orientation_is_applied() {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), "a.jpg", &rgb(32, 16));
        let plain = fs::read(&path).unwrap();
        // an EXIF block behind the start marker: one entry, orientation (0x0112) = 6, turn clockwise
        let tiff = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let mut turned = plain[..2].to_vec();
        turned.extend([0xff, 0xe1, 0, (tiff.len() + 2) as u8]);
        turned.extend(tiff);
        turned.extend(&plain[2..]);
        fs::write(&path, turned).unwrap();
        assert_eq!(SourceImage::open(&path).unwrap().frame.size, Resolution::new(16, 32));
    }

    #[test]
    fn cmyk_gives_the_colours_of_pillow() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/images/cmyk.jpg");
        let image = SourceImage::open(&path).unwrap();
        // Pillow 12: Image.open(..).convert("RGB"), in the middle of each quarter
        let expected =
            [(0, 0, [255, 0, 0]), (1, 0, [0, 255, 127]), (0, 1, [131, 119, 106]), (1, 1, [245, 235, 225])];
        for (x, y, colour) in expected {
            let at = ((16 + 32 * y) * 64 + 16 + 32 * x) * 3;
            let found = &image.frame.rgb[at..at + 3];
            let near = found.iter().zip(colour).all(|(&a, b)| a.abs_diff(b) <= 3);
            assert!(near, "{found:?} and not {colour:?} at {x}, {y}");
        }
    }

    #[test]
    fn too_large_and_too_small_images_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        // only the header is read, so 400 million pixels need not be decoded
        let mut huge = fs::read(write(dir.path(), "huge.png", &DynamicImage::new_luma8(20_000, 20))).unwrap();
        huge[20..24].copy_from_slice(&20_000_u32.to_be_bytes());
        let crc = crc32(&huge[12..29]);
        huge[29..33].copy_from_slice(&crc.to_be_bytes());
        let path = dir.path().join("huge.png");
        fs::write(&path, huge).unwrap();
        for (path, words) in [(path, "20000x20000"), (write(dir.path(), "dot.png", &rgb(1, 1)), "1x1")] {
            let error = SourceImage::open(&path).unwrap_err();
            assert!(error.message.contains(words) && error.kind == Kind::Input, "{error:#}");
        }
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
        })
    }

    #[test]
    fn aspect_ratios_are_cropped_or_stretched_by_model() {
        let image = |width, height| SourceImage {
            frame: frame(rgb(width, height).to_rgb8()),
            sha256: String::new(),
            notes: vec![],
        };
        let size = Resolution::new(64, 64);
        let (same, note) = image(64, 64).fitted(size, ImageFit::Crop, 16);
        assert_eq!((same, note), (image(64, 64).frame, None));
        // 4 pixels too wide: within a token
        let (stretched, note) = image(136, 128).fitted(size, ImageFit::Stretch, 16);
        assert_eq!((stretched.size, note), (size, None));
        for fit in [ImageFit::Stretch, ImageFit::Crop] {
            let (cut, note) = image(200, 100).fitted(size, fit, 16);
            assert_eq!(cut.size, size);
            assert!(note.unwrap().contains("cropped to 100x100"));
            // the middle is kept
            let middle = cut.rgb[(32 * 64 + 32) * 3];
            assert!(middle.abs_diff(((100 * 7) % 256) as u8) < 12, "{middle}");
        }
    }
}
