//! Our videos before another decoder's eyes, and others' videos before ours.
//!
//! Ignored in an ordinary run, which needs no ffmpeg: `tests/ffmpeg_reads_our_video.sh` runs both halves.

#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is not there")]

use std::path::{Path, PathBuf};

use wandeck::core::{Fps, Frame, FrameCount, Kind, Resolution};
use wandeck::media::{Existing, Metadata, OutputTarget, Reader, Writer};

const SIZE: Resolution = Resolution::new(320, 192);
const FPS: Fps = Fps(24);
const NUM_FRAMES: u32 = 50;
const COLORS: [[u8; 3]; 6] =
    [[255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 255, 255], [255, 0, 255], [255, 255, 0]];

/// Made by `tests/ffmpeg_reads_our_video.sh`.
fn folder() -> PathBuf {
    std::env::var_os("WANDECK_TEST_FOLDER").unwrap().into()
}

/// A bar that moves over a gradient, so that no two frames are alike.
fn scene(time: u32) -> Frame {
    let mut rgb = Vec::new();
    for y in 0..SIZE.height {
        for x in 0..SIZE.width {
            let is_bar = (x + SIZE.width - time * 6 % SIZE.width) % SIZE.width < 30;
            let level = if is_bar { 220 } else { x * 120 / SIZE.width + y * 60 / SIZE.height };
            rgb.extend([level, level / 2 + 40, 200 - level / 2].map(|level| level as u8));
        }
    }
    Frame { size: SIZE, rgb }
}

fn mean_error(ours: &Frame, theirs: &Frame) -> f64 {
    let error: f64 = ours.rgb.iter().zip(&theirs.rgb).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
    error / ours.rgb.len() as f64
}

fn write(path: &Path, frames: &[Frame]) {
    let count = FrameCount(frames.len() as u32);
    let target = OutputTarget::parse(path, count, Existing::Replace).unwrap();
    let mut writer = Writer::create(&target, frames[0].size, FPS, count).unwrap();
    for frame in frames {
        writer.push(frame).unwrap();
    }
    writer
        .finish(&Metadata::new("a 🐈 \"你好\"", r#"{"prompt":"a 🐈 \"你好\""}"#))
        .unwrap()
        .place(&mut |_| Ok(()))
        .unwrap();
}

#[test]
#[ignore = "needs ffmpeg, see tests/ffmpeg_reads_our_video.sh"]
fn writes_videos_for_ffmpeg() {
    let frames: Vec<_> = (0..NUM_FRAMES).map(scene).collect();
    for name in ["scene.mp4", "scene.gif", "scene"] {
        write(&folder().join(name), &frames);
    }
    let patches = COLORS.map(|color| Frame { size: SIZE, rgb: color.repeat(SIZE.area() as usize) });
    write(&folder().join("patches.mp4"), &patches);
}

#[test]
#[ignore = "needs ffmpeg, see tests/ffmpeg_reads_our_video.sh"]
fn plays_what_ffmpeg_made() {
    for name in [
        "x264_b_frames.mp4",
        "x264_601_full.mp4",
        "x264_baseline.mp4",
        "fragmented.mp4",
        "fragmented_base.mp4",
    ] {
        let mut reader = Reader::open(&folder().join(name)).unwrap();
        let info = *reader.info();
        assert_eq!((info.size, info.frames.0, info.rate_hz), (SIZE, NUM_FRAMES, Some(24.0)), "{name}");
        for index in (0..NUM_FRAMES).chain([7, 49, 48, 30, 31, 0]) {
            reader.seek(index);
            let mean = mean_error(&reader.next_frame().unwrap().unwrap(), &scene(index));
            assert!(mean < 3.0, "{name}: frame {index} is off by {mean:.2} levels");
        }
    }
    let upright = Reader::open(&folder().join("rotated.mp4")).unwrap().info().size;
    assert_eq!(upright, Resolution::new(SIZE.height, SIZE.width));
    // its frames are only what changed, transparent where nothing did
    let mut reader = Reader::open(&folder().join("palette.gif")).unwrap();
    for index in 0..NUM_FRAMES {
        let mean = mean_error(&reader.next_frame().unwrap().unwrap(), &scene(index));
        assert!(mean < 5.0, "palette.gif: frame {index} is off by {mean:.2} levels");
    }
    assert_eq!(reader.next_frame().unwrap(), None);
    for (name, what) in [
        ("hevc.mp4", "HEVC"),
        ("ten_bits.mp4", "10 bits"),
        ("444.mp4", "full colour"),
        ("scene.webm", "WebM"),
        ("scene.mkv", "Matroska"),
        ("scene.avi", "AVI"),
        ("cut_off.mp4", "damaged"),
    ] {
        let error = Reader::open(&folder().join(name)).err().unwrap();
        assert!(matches!(error.kind, Kind::Unsupported | Kind::Io), "{error:#}");
        assert!(format!("{error:#}").contains(what), "{name}: {error:#}");
    }
}
