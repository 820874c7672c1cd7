//! Files that other programs made: clips as players show them, and formats that are named but not read.
//!
//! `tests/fixtures/media` was made with ffmpeg 5.1: red and blue halves of 64x32 pixels, rotated by 90 degrees and with
//! pixels of 2:1; and a test pattern with B-frames, plain and in fragments.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs;
use std::path::{Path, PathBuf};

use wandeck::core::{CancelToken, Frame, FrameCount, Kind, Resolution};
use wandeck::media::{ImageFit, Reader, SourceImage, image_size, is_image};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/media").join(name)
}

fn frames(path: &Path) -> Vec<Frame> {
    let mut reader = Reader::open(path).unwrap();
    std::iter::from_fn(|| reader.next_frame().unwrap()).collect()
}

/// Whether the pixel is more red than blue.
fn is_red(frame: &Frame, x: u32, y: u32) -> bool {
    let at = ((y * frame.size.width + x) * 3) as usize;
    frame.rgb[at] > frame.rgb[at + 2]
}

#[test]
fn a_rotated_clip_is_upright() {
    let path = fixture("rotated.mp4");
    let upright = Resolution::new(32, 64);
    assert_eq!(Reader::open(&path).unwrap().info().size, upright);
    assert_eq!(image_size(&path).unwrap(), upright);
    let frames = frames(&path);
    assert_eq!(frames.len(), 4);
    for frame in &frames {
        // as ffmpeg shows it: the right half is on top
        assert_eq!((frame.size, is_red(frame, 16, 8), is_red(frame, 16, 56)), (upright, false, true));
    }
    let last = SourceImage::last_of(&path, &CancelToken::new()).unwrap();
    assert_eq!(last.frame, frames[3]);
    let (fitted, note) = last.fitted(Resolution::new(64, 128), ImageFit::Crop, 16);
    assert_eq!((fitted.size, note), (Resolution::new(64, 128), None), "nothing is cropped");
}

#[test]
fn wide_pixels_become_square() {
    let frames = frames(&fixture("wide_pixels.mp4"));
    assert_eq!((frames.len(), frames[0].size), (4, Resolution::new(128, 32)));
    assert!(is_red(&frames[0], 32, 16) && !is_red(&frames[0], 96, 16));
}

#[test]
fn fragments_give_the_frames_of_the_plain_file() {
    let (plain, fragmented) = (fixture("plain.mp4"), fixture("fragmented.mp4"));
    let info = *Reader::open(&fragmented).unwrap().info();
    assert_eq!(info, *Reader::open(&plain).unwrap().info());
    assert_eq!((info.frames, info.rate_hz), (FrameCount(12), Some(8.0)));
    assert!(frames(&plain) == frames(&fragmented));
    let mut reader = Reader::open(&fragmented).unwrap();
    for index in [11, 5, 6, 0] {
        reader.seek(index);
        assert!(reader.next_frame().unwrap().unwrap() == frames(&plain)[index as usize], "{index}");
    }
}

#[test]
fn a_truncated_fragmented_file_is_an_error_at_every_length() {
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read(fixture("fragmented.mp4")).unwrap();
    let path = dir.path().join("cut.mp4");
    for length in (0..whole.len()).step_by(97) {
        fs::write(&path, &whole[..length]).unwrap();
        // a file that ends between two fragments is complete
        if let Ok(mut reader) = Reader::open(&path) {
            while reader.next_frame().unwrap().is_some() {}
        }
    }
}

#[test]
fn formats_that_are_not_read_are_named_with_a_command() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let heic = b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf\0\0\0\x08meta";
    for (name, bytes, format, command) in [
        ("IMG_0001.JPG", &heic[..], "HEIC", "heif-convert"),
        ("a.avif", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", "AVIF", "ffmpeg -i"),
        ("a.jxl", b"\xff\x0a\xfa\x1f\x41", "JPEG XL", "djxl"),
    ] {
        let path = write(name, bytes);
        let error = SourceImage::open(&path).unwrap_err();
        let text = format!("{error:#}");
        assert_eq!((error.kind, error.field_name()), (Kind::Input, Some("start_image")), "{text}");
        assert!(text.contains(format) && text.contains(command) && !text.contains("damaged"), "{text}");
        assert!(format!("{:#}", is_image(&path).unwrap_err()).contains(format));
    }
    for (name, bytes, format) in [
        ("a.webm", &b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm"[..], "WebM"),
        ("a.mkv", b"\x1a\x45\xdf\xa3\xa3B\x86\x81\x01B\x82\x88matroska", "Matroska"),
        ("a.avi", b"RIFF\0\0\0\0AVI LIST", "AVI"),
    ] {
        let path = write(name, bytes);
        for error in [
            SourceImage::last_of(&path, &CancelToken::new()).unwrap_err(),
            SourceImage::open(&path).unwrap_err(),
        ] {
            let text = format!("{error:#}");
            assert!(text.contains(format) && text.contains("-c:v libx264 -pix_fmt yuv420p"), "{text}");
        }
    }
}
