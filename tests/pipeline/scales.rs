//! Scales of quantised weights that cannot be right are refused before any work.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::{Path, PathBuf};

use wandeck::core::{Draft, Event, Kind, ProviderChoice, Resolution};
use wandeck::jobs::JobSpec;

use super::forms::model;
use crate::common::layouts::{Tensors, load, save};
use crate::common::{draft, events_of, finished, worker};

const QUERY: &str = "blocks.0.self_attn.q";

fn job(model: &Path) -> JobSpec {
    let size = Resolution::new(32, 32);
    let small = Draft { size, frames: 1, steps: 2, provider: ProviderChoice::Cpu, ..draft() };
    JobSpec::new(small, model.to_path_buf(), model.join("frames"))
}

/// A model whose component in this form is changed.
fn changed(dir: &Path, form: &str, change: &dyn Fn(&mut Tensors)) -> PathBuf {
    let model = model(dir, form);
    let file = if form.starts_with("umt5") {
        "text_encoders/umt5.safetensors"
    } else {
        "diffusion_models/wan2.2_t2v_high_noise_14B.safetensors"
    };
    let file = model.join(file);
    let mut tensors = load(&file);
    change(&mut tensors);
    save(&file, &tensors);
    model
}

/// Writes `value` as the scale with this index.
fn set(tensors: &mut Tensors, scale: &str, index: usize, value: f32) {
    let (.., data) = tensors.get_mut(scale).unwrap();
    data[4 * index..][..4].copy_from_slice(&value.to_le_bytes());
}

fn fill(tensors: &mut Tensors, name: &str, range: std::ops::Range<usize>) {
    tensors.get_mut(name).unwrap().2[range].fill(0);
}

#[test]
fn a_scale_that_cannot_be_right_is_refused_before_any_work() {
    let text = "encoder.block.0.layer.0.SelfAttention.q";
    let cases: [(&str, &str, usize, f32, &[&str]); 10] = [
        ("fp8_per_tensor", "scale_weight", 0, 0.0, &["attn1.to_q.weight", "is 0,", "not 0"]),
        ("fp8_per_tensor", "scale_weight", 0, f32::NAN, &["attn1.to_q.weight", "NaN"]),
        ("comfy_float8", "weight_scale", 0, f32::INFINITY, &["attn1.to_q.weight", "inf"]),
        ("fp8_per_row", "weight_scale", 3, f32::NAN, &["attn1.to_q.weight", "row 3", "NaN"]),
        ("fp8_per_row", "weight_scale", 5, 0.0, &["attn1.to_q.weight", "row 5"]),
        ("int8_of_lightx2v", "weight_scale", 7, 0.0, &["attn1.to_q.weight", "row 7"]),
        ("comfy_int8", "weight_scale", 0, f32::NEG_INFINITY, &["attn1.to_q.weight", "inf"]),
        ("comfy_nvfp4", "weight_scale_2", 0, 0.0, &["attn1.to_q.weight", "is 0,"]),
        // a scale for each tile is found when the tiles are read
        ("fp8_parts_of_rows", "scale_weight", 9, f32::NAN, &["attn1.to_q.weight", "NaN"]),
        ("umt5_comfy_int8", "weight_scale", 0, 0.0, &["SelfAttention.q.weight", "is 0,"]),
    ];
    let worker = worker();
    for (form, leaf, index, value, words) in cases {
        let dir = tempfile::tempdir().unwrap();
        let module = if form.starts_with("umt5") { text } else { QUERY };
        let scale = format!("{module}.{leaf}");
        let model = changed(dir.path(), form, &|tensors| set(tensors, &scale, index, value));
        let id = worker.submit(job(&model));
        let events = events_of(&worker, id);
        let Some(Event::Failed { error }) = events.last() else { panic!("{form}: {events:?}") };
        assert_eq!(error.kind, Kind::CorruptModel, "{form}: {error:#}");
        for word in words {
            assert!(format!("{error:#}").contains(word), "{form} {value}: {error:#}");
        }
        assert!(!events.iter().any(|event| matches!(event, Event::Step { .. })), "{form} {value}");
    }
}

#[test]
fn a_scale_of_zero_is_right_for_zeros() {
    let worker = worker();
    type Change<'a> = &'a dyn Fn(&mut Tensors);
    let cases: [(&str, &str, Change<'_>); 3] = [
        ("fp8_per_row", "", &|tensors| {
            // a row has 32 values
            set(tensors, &format!("{QUERY}.weight_scale"), 2, 0.0);
            fill(tensors, &format!("{QUERY}.weight"), 64..96);
        }),
        ("comfy_int8", "The weights of blocks.0.attn1.to_q.weight are all 0", &|tensors| {
            set(tensors, &format!("{QUERY}.weight_scale"), 0, 0.0);
            fill(tensors, &format!("{QUERY}.weight"), 0..1024);
        }),
        ("comfy_nvfp4", "", &|tensors| {
            // what a quantiser writes for a block of values that are too small
            fill(tensors, &format!("{QUERY}.weight_scale"), 0..1);
        }),
    ];
    for (form, note, change) in cases {
        let dir = tempfile::tempdir().unwrap();
        let id = worker.submit(job(&changed(dir.path(), form, change)));
        let events = events_of(&worker, id);
        finished(&events);
        let said = |event: &Event| matches!(event, Event::Note { message } if message.contains("all 0") && message.contains(note));
        assert_eq!(events.iter().any(said), !note.is_empty(), "{form}: {events:?}");
    }
}
