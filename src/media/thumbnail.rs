//! Small images: one frame of a video, made smaller; and whole images read and written as PNG.

use std::path::Path;

use image::imageops::{FilterType, resize};
use image::{ImageBuffer, ImageFormat, Rgb, Rgba};

use super::fault::{damaged, io_error};
use super::reader::Reader;
use crate::core::{Error, Frame, Kind, Resolution, Result};

/// The middle frame of a video, GIF, image or folder of frames, at most `max_side` pixels wide and high, in its own
/// shape. A smaller one keeps its size.
pub fn thumbnail(path: &Path, max_side: u32) -> Result<Frame> {
    let mut reader = Reader::open(path)?;
    reader.seek(reader.info().frames.0 / 2);
    let frame = reader.next_frame()?.ok_or_else(|| damaged(path, "it has no frames"))?;
    smaller(frame, max_side)
}

/// A frame of at most `max_side` pixels width and height, in its own shape. A smaller one keeps its size.
pub fn smaller(frame: Frame, max_side: u32) -> Result<Frame> {
    let longest = frame.size.width.max(frame.size.height);
    if longest <= max_side {
        return Ok(frame);
    }
    let scaled = |side: u32| (u64::from(side) * u64::from(max_side) / u64::from(longest)).max(1) as u32;
    let size = Resolution::new(scaled(frame.size.width), scaled(frame.size.height));
    resized(frame, size)
}

/// A frame in another size. Each pixel of a smaller one is made of all that it covers.
pub fn resized(frame: Frame, size: Resolution) -> Result<Frame> {
    let small = resize(&rgb_image(frame)?, size.width, size.height, FilterType::Triangle);
    Ok(Frame { size, rgb: small.into_raw() })
}

/// Reads an image file as 8-bit RGB.
pub fn read_image(path: &Path) -> Result<Frame> {
    let mut reader = Reader::open(path)?;
    reader.next_frame()?.ok_or_else(|| damaged(path, "it has no frames"))
}

/// Writes a frame as a PNG file, replacing what is there. Metadata is not written.
pub fn write_png(path: &Path, frame: &Frame) -> Result<()> {
    rgb_image(frame.clone())?.save_with_format(path, ImageFormat::Png).map_err(|error| match error {
        image::ImageError::IoError(error) => io_error("Cannot write", path, error),
        error => Error::new(Kind::Bug, format!("Cannot write {}", path.display())).because(error),
    })
}

/// Writes RGBA pixels, rows from top to bottom, as a PNG file, replacing what is there.
pub fn write_rgba_png(path: &Path, size: Resolution, rgba: Vec<u8>) -> Result<()> {
    let image = ImageBuffer::<Rgba<u8>, _>::from_raw(size.width, size.height, rgba)
        .ok_or_else(|| Error::new(Kind::Bug, format!("An image of {size} has too few bytes")))?;
    image.save_with_format(path, ImageFormat::Png).map_err(|error| match error {
        image::ImageError::IoError(error) => io_error("Cannot write", path, error),
        error => Error::new(Kind::Bug, format!("Cannot write {}", path.display())).because(error),
    })
}

fn rgb_image(frame: Frame) -> Result<ImageBuffer<Rgb<u8>, Vec<u8>>> {
    let Resolution { width, height } = frame.size;
    ImageBuffer::from_raw(width, height, frame.rgb)
        .ok_or_else(|| Error::new(Kind::Bug, format!("A frame of {width}x{height} has too few bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbnail_keeps_the_shape_and_a_small_image_its_size() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        let frame = Frame { size: Resolution::new(300, 100), rgb: vec![7; 300 * 100 * 3] };
        write_png(&path, &frame).unwrap();
        assert_eq!(thumbnail(&path, 150).unwrap().size, Resolution::new(150, 50));
        assert_eq!(thumbnail(&path, 300).unwrap(), frame);
        assert_eq!(read_image(&path).unwrap(), frame);
    }
}
