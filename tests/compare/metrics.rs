//! The metrics against ffmpeg's filters, scikit-image and scipy, as tests/golden/metrics.py asked them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs;
use std::path::Path;

use serde::Deserialize;
use wandeck::core::{Frame, Resolution};
use wandeck::media::Reader;
use wandeck::metrics::{ClipMeter, ClipMetric, DifferenceCurves, DifferenceMetric, frame_difference};

/// SSIMULACRA2 of the clips by another implementation, the crate ssimulacra2 0.5.1 of rust-av.
const SSIMULACRA2: [f64; 4] = [10.380177, 2.920422, 13.556393, 9.029939];

#[derive(Deserialize)]
struct Expected {
    psnr: Vec<f64>,
    ssim: Vec<f64>,
    ms_ssim: Vec<f64>,
    ffmpeg_psnr: Vec<f64>,
    ffmpeg_ssim: Vec<f64>,
    reference: ExpectedClip,
    changed: ExpectedClip,
}

#[derive(Deserialize)]
struct ExpectedClip {
    motion: Vec<f64>,
    flicker: Vec<f64>,
    colour_drift: Vec<f64>,
    sharpness: Vec<f64>,
}

fn expected() -> Expected {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/refs/metrics.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn clip(name: &str) -> Vec<Frame> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/compare").join(name);
    let mut reader = Reader::open(&path).unwrap();
    std::iter::from_fn(|| reader.next_frame().unwrap()).collect()
}

fn assert_close(what: &str, found: &[Option<f64>], expected: &[f64], bound: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        let found = found.unwrap();
        assert!((found - expected).abs() <= bound, "{what}: {found}, not {expected}");
    }
}

#[test]
fn differences_are_those_of_other_programs() {
    let mut curves = DifferenceCurves::default();
    for (reference, changed) in clip("reference").iter().zip(&clip("changed")) {
        curves.push(&frame_difference(reference, changed).unwrap());
    }
    let expected = expected();
    assert_close("PSNR of scikit-image", &curves.psnr, &expected.psnr, 1e-9);
    // ffmpeg prints two digits
    assert_close("PSNR of ffmpeg", &curves.psnr, &expected.ffmpeg_psnr, 0.0051);
    assert_close("SSIM of scikit-image", &curves.ssim, &expected.ssim, 1e-9);
    // ffmpeg takes 8x8 blocks instead of the paper's window; with these, metrics.py gets ffmpeg's own values
    assert_close("SSIM of ffmpeg", &curves.ssim, &expected.ffmpeg_ssim, 0.07);
    assert_close("MS-SSIM", &curves.ms_ssim, &expected.ms_ssim, 1e-9);
    assert_close("SSIMULACRA2", &curves.ssimulacra2, &SSIMULACRA2, 0.02);
    let psnr = curves.mean(DifferenceMetric::Psnr).unwrap();
    assert!(curves.psnr.iter().flatten().any(|frame| *frame < psnr), "the mean lies among the frames");
    assert!(!curves.is_identical());
}

#[test]
fn properties_of_clips_are_those_of_numpy() {
    let expected = expected();
    for (name, expected) in [("reference", expected.reference), ("changed", expected.changed)] {
        let mut meter = ClipMeter::default();
        for frame in clip(name) {
            meter.push(&frame);
        }
        let curves = meter.finish();
        let of = |values: &[f64]| values.iter().copied().map(Some).collect::<Vec<_>>();
        assert_close("motion", &of(&curves.motion), &expected.motion, 1e-9);
        assert_close("flicker", &of(&curves.flicker), &expected.flicker, 1e-9);
        assert_close("colour drift", &of(&curves.colour_drift), &expected.colour_drift, 1e-3);
        assert_close("sharpness", &of(&curves.sharpness), &expected.sharpness, 1e-6);
        let largest = curves.summary(ClipMetric::ColourDrift).unwrap();
        assert!(curves.colour_drift.iter().all(|value| *value <= largest));
    }
}

#[test]
fn the_same_frames_differ_in_nothing_and_small_ones_lack_what_needs_size() {
    let frames = clip("reference");
    let same = frame_difference(&frames[0], &frames[0]).unwrap();
    assert_eq!((same.mean_square, same.ssimulacra2), (0.0, Some(100.0)));
    assert!((same.ssim.unwrap() - 1.0).abs() < 1e-12 && (same.ms_ssim.unwrap() - 1.0).abs() < 1e-12);
    let mut curves = DifferenceCurves::default();
    curves.push(&same);
    assert_eq!((curves.psnr[0], curves.is_identical()), (None, true));
    let small = |side: u32, value: u8| Frame {
        size: Resolution::new(side, side),
        rgb: vec![value; (side * side * 3) as usize],
    };
    let tiny = frame_difference(&small(4, 0), &small(4, 10)).unwrap();
    assert_eq!((tiny.mean_square, tiny.ssim, tiny.ms_ssim, tiny.ssimulacra2), (100.0, None, None, None));
    // two scales fit into 24 pixels
    let difference = frame_difference(&small(24, 100), &small(24, 120)).unwrap();
    assert!(difference.ms_ssim.unwrap() < 1.0);
    assert!(frame_difference(&small(24, 0), &small(16, 0)).is_err());
}
