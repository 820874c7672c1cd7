//! A video decoded, and a image encoded, in tiles: nearly what comes out in one piece.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use crate::common::{self, events_of, finished, frames, worker};

use std::path::{Path, PathBuf};

use wandeck::core::{Draft, Resolution};
use wandeck::jobs::JobSpec;

fn toy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name)
}

fn draft(model: &str, image: Option<PathBuf>) -> Draft {
    Draft {
        negative_prompt: String::new(),
        model: model.into(),
        start_image: image,
        seed: 3,
        steps: 4,
        guidance: 1.0,
        guidance_low: None,
        shift: 3.0,
        size: Resolution::new(128, 96),
        ..common::draft()
    }
}

/// Mean difference of all bytes, and whether the run reported tiles.
fn difference(model: &str, image: Option<&Path>) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let worker = worker();
    let mut videos = Vec::new();
    for vae_tile in [None, Some(64)] {
        let name = if vae_tile.is_some() { "tiles" } else { "whole" };
        let output = dir.path().join(name);
        let draft = Draft { vae_tile, ..draft(model, image.map(Path::to_owned)) };
        let id = worker.submit(JobSpec::new(draft, toy(model), output.clone()));
        let events = events_of(&worker, id);
        let outcome = finished(&events);
        let tells = outcome.optimizations.iter().any(|said| said.contains("tiles of "));
        assert_eq!(tells, vae_tile.is_some(), "{:?}", outcome.optimizations);
        videos.push(frames(&output));
    }
    let (whole, tiles) = (&videos[0], &videos[1]);
    assert_eq!((whole.len(), tiles.len()), (128 * 96 * 3 * 9, 128 * 96 * 3 * 9));
    assert_ne!(whole, tiles, "the tiles were not used");
    let sum: f64 = whole.iter().zip(tiles).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
    sum / whole.len() as f64
}

#[test]
fn a_video_in_tiles_is_nearly_the_same() {
    let mean = difference("toy-t2v-A14B", None);
    println!("mean difference of 8-bit values: {mean:.3}");
    assert!(mean < 6.0, "{mean}");
}

#[test]
fn a_start_image_in_tiles_makes_nearly_the_same_video() {
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/images/cmyk.jpg");
    let mean = difference("toy-i2v-A14B", Some(&image));
    println!("mean difference of 8-bit values: {mean:.3}");
    assert!(mean < 12.0, "{mean}");
}
