//! Images given to models that `torch.onnx` exported (`tests/golden/export_onnx.py`), against the program's own graphs
//! on the same weights; exports in half precision; and previews.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

use std::path::{Path, PathBuf};

use crate::common::{self, TestWorker, events_of, finished, frames, golden_model, worker};
use ndarray::ArrayD;
use prost::Message as _;
use wandeck::core::{Draft, Error, Event, Frame, Kind, Resolution, Stage};
use wandeck::jobs::JobSpec;
use wandeck::onnx::ModelProto;

/// A whole exported folder: `parts` over the text encoder and the VAE's decoder of tiny-t2v-onnx.
fn exported(parts: &str, parent: &Path) -> PathBuf {
    let whole = parent.join(parts);
    for part in ["text_encoder", "vae_decoder"] {
        common::copy_all(&golden_model("tiny-t2v-onnx").join(part), &whole.join(part));
    }
    common::copy_all(&golden_model("tiny-t2v").join("tokenizer"), &whole.join("tokenizer"));
    common::copy_all(&golden_model(parts), &whole);
    whole
}

fn image(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/refs").join(name)
}

fn draft(count: u32) -> Draft {
    Draft {
        model: "exported".into(),
        start_image: Some(image("input.png")),
        guidance: 3.5,
        guidance_low: None,
        shift: 5.0,
        frames: count,
        ..common::draft()
    }
}

/// The events of a run of `draft` on `model`, and its pixels.
fn run(worker: &TestWorker, draft: &Draft, model: &Path, preview: bool) -> (Vec<Event>, Vec<u8>) {
    let output = tempfile::tempdir().unwrap();
    let mut work = JobSpec::new(draft.clone(), model.into(), output.path().join("frames"));
    work.preview = preview;
    let id = worker.submit(work);
    let events = events_of(worker, id);
    let pixels = frames(&finished(&events).output);
    (events, pixels)
}

fn failure(draft: &Draft, model: &Path) -> Error {
    let (worker, output) = (worker(), tempfile::tempdir().unwrap());
    let id = worker.submit(JobSpec::new(draft.clone(), model.into(), output.path().join("never")));
    let events = events_of(&worker, id);
    assert!(!events.iter().any(|event| matches!(event, Event::StageStarted { stage: Stage::Text })));
    let Some(Event::Failed { error }) = events.last() else { panic!("not failed: {events:?}") };
    error.clone()
}

fn change(path: &Path, edit: impl FnOnce(&mut ModelProto)) {
    let mut model = ModelProto::decode(&*std::fs::read(path).unwrap()).unwrap();
    edit(&mut model);
    std::fs::write(path, model.encode_to_vec()).unwrap();
}

/// What the previews showed.
fn previews(events: &[Event]) -> Vec<Vec<Frame>> {
    let frames = |event: &Event| match event {
        Event::Preview { frames, .. } => Some(frames.to_vec()),
        _ => None,
    };
    events.iter().filter_map(frames).collect()
}

#[test]
fn images_give_the_same_frames_as_built_graphs() {
    let dir = tempfile::tempdir().unwrap();
    let worker = worker();
    for (own, export, count, variants) in [
        ("tiny-i2v", "tiny-i2v-onnx", 9, &["image", "no prompt", "last image"][..]),
        ("tiny-ti2v", "tiny-ti2v-onnx", 5, &["image", "no image"]),
    ] {
        let own = common::whole_golden_model(own, dir.path());
        let export = exported(export, dir.path());
        for variant in variants {
            let mut asked = draft(count);
            match *variant {
                "no prompt" => asked.prompt.clear(),
                "last image" => asked.end_image = Some(image("input_last.png")),
                "no image" => asked.start_image = None,
                _ => {}
            }
            let (_, expected) = run(&worker, &asked, &own, false);
            let (events, found) = run(&worker, &asked, &export, false);
            let expected = ArrayD::from_shape_vec(vec![expected.len()], expected).unwrap();
            common::assert_same_frames(&format!("{} {variant}", export.display()), &found, &expected);
            let encoded =
                events.iter().any(|event| matches!(event, Event::StageFinished { stage: Stage::Image, .. }));
            assert_eq!(encoded, asked.start_image.is_some(), "{variant}");
        }
    }
}

#[test]
fn the_same_frames_as_diffusers() {
    let dir = tempfile::tempdir().unwrap();
    let model = exported("tiny-ti2v-onnx", dir.path());
    let asked = Draft { guidance: 5.0, ..draft(5) };
    let (_, found) = run(&worker(), &asked, &model, false);
    let golden = common::golden("pipeline_ti2v_image");
    common::assert_same_frames("exported ti2v", &found, &golden.u8("frames"));
}

#[test]
fn a_clip_goes_on_from_its_last_frame() {
    let dir = tempfile::tempdir().unwrap();
    let (worker, model) = (worker(), exported("tiny-ti2v-onnx", dir.path()));
    let clip = dir.path().join("clip");
    let id = worker.submit(JobSpec::new(draft(5), model.clone(), clip.clone()));
    let clip = finished(&events_of(&worker, id)).output.clone();
    let last = Draft { start_image: Some(clip.join("frame_0004.png")), ..draft(5) };
    let end = Draft { start_image: None, continue_from: Some(clip), ..draft(5) };
    assert_eq!(run(&worker, &end, &model, false).1, run(&worker, &last, &model, false).1);
}

#[test]
fn half_precision_runs_on_the_cpu() {
    let dir = tempfile::tempdir().unwrap();
    let worker = worker();
    let whole = exported("tiny-t2v-onnx", dir.path());
    let asked = Draft { start_image: None, ..draft(9) };
    let (_, expected) = run(&worker, &asked, &whole, false);
    common::copy_all(&golden_model("tiny-t2v-onnx-fp16"), &whole);
    let (events, found) = run(&worker, &asked, &whole, false);
    assert_eq!(finished(&events).precision, "as exported");
    let off: u64 = found.iter().zip(&expected).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    let mean = off as f64 / found.len() as f64;
    assert!(found != expected && mean < 1.0, "{mean} levels off in the mean");
}

#[test]
fn bfloat16_is_refused_on_the_cpu_before_the_work() {
    let dir = tempfile::tempdir().unwrap();
    let model = exported("tiny-ti2v-onnx", dir.path());
    // an expert whose interface is bfloat16 and whose nodes are not
    change(&model.join("transformer/model.onnx"), |model| {
        let graph = model.graph.as_mut().unwrap();
        for value in graph.input.iter_mut().chain(&mut graph.output) {
            let tensor = value.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap();
            tensor.elem_type = Some(16);
        }
    });
    let error = failure(&draft(5), &model);
    assert_eq!(error.kind, Kind::Unsupported);
    let said = format!("{error:#}");
    assert!(said.contains("transformer computes in bf16") && said.contains("float32"), "{said}");
}

#[test]
fn an_image_without_an_encoder_is_refused_with_the_missing_file() {
    let dir = tempfile::tempdir().unwrap();
    let model = exported("tiny-ti2v-onnx", dir.path());
    std::fs::remove_dir_all(model.join("vae_encoder")).unwrap();
    let error = failure(&draft(5), &model);
    assert_eq!((error.kind, error.field_name()), (Kind::MissingModel, Some("start_image")));
    assert!(error.message.contains("no vae_encoder/model.onnx"), "{error:#}");
    // words alone are enough
    run(&worker(), &Draft { start_image: None, ..draft(5) }, &model, false);
    // a model that cannot do without is not one
    let model = exported("tiny-i2v-onnx", dir.path());
    std::fs::remove_dir_all(model.join("vae_encoder")).unwrap();
    let error = failure(&draft(9), &model);
    assert!(error.message.contains("vae_encoder/model.onnx is missing"), "{error:#}");
}

#[test]
fn one_error_lists_every_mistake_of_an_encoder() {
    let dir = tempfile::tempdir().unwrap();
    let model = exported("tiny-i2v-onnx", dir.path());
    change(&model.join("vae_encoder/model.onnx"), |model| {
        let graph = model.graph.as_mut().unwrap();
        let mut other = graph.input[0].clone();
        graph.input[0].name = Some("image".into());
        // a second input, known by its name, of another type and shape
        let tensor = other.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap();
        tensor.elem_type = Some(7);
        tensor.shape.as_mut().unwrap().dim.remove(2);
        graph.input.push(other);
        let output = graph.output[0].r#type.as_mut().unwrap().tensor_type.as_mut().unwrap();
        output.shape.as_mut().unwrap().dim.remove(0);
    });
    std::fs::remove_file(model.join("vae_decoder/model.onnx")).unwrap();
    let error = failure(&draft(9), &model);
    assert_eq!(error.kind, Kind::CorruptModel);
    for words in [
        "vae_encoder: the input sample is int64 [1, 3, 64, 96]",
        "expected float32 or float16 or bfloat16 [1, 3, F, H, W]",
        "vae_encoder: the input image is unknown",
        "vae_encoder: the output latent_parameters is float32 [32, 3, 8, 12], expected",
        "[1, 32, T, H, W] or [1, 16, T, H, W]",
        "vae_decoder/model.onnx is missing",
    ] {
        assert!(error.message.contains(words), "{words} in {error:#}");
    }
}

#[test]
fn what_an_export_cannot_do_with_an_image_is_reported_first() {
    let dir = tempfile::tempdir().unwrap();
    let model = exported("tiny-ti2v-onnx", dir.path());
    change(&model.join("transformer/model.onnx"), |model| {
        let graph = model.graph.as_mut().unwrap();
        let time = graph.input.iter_mut().find(|value| value.name() == "timestep").unwrap();
        time.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().shape.as_mut().unwrap().dim.pop();
    });
    let error = failure(&draft(5), &model);
    assert!(
        error.message.contains("timestep as float32 [1], and a start image needs one for each token"),
        "{error:#}"
    );
    let other = Draft { size: Resolution::new(64, 64), ..draft(9) };
    let error = failure(&other, &exported("tiny-i2v-onnx", dir.path()));
    assert!(
        error.message.contains("the vae_encoder accepts sample as float32 [1, 3, 9, 64, 96]"),
        "{error:#}"
    );
}

#[test]
fn an_exported_model_shows_previews() {
    let dir = tempfile::tempdir().unwrap();
    let worker = worker();
    for (name, count, size) in [("tiny-i2v-onnx", 9, [12, 8]), ("tiny-ti2v-onnx", 5, [6, 4])] {
        let model = exported(name, dir.path());
        let (events, _) = run(&worker, &draft(count), &model, true);
        assert!(finished(&events).warnings.is_empty());
        let shown = previews(&events);
        // the budget may leave out some
        assert!(!shown.is_empty(), "{name}");
        for frames in shown {
            assert_eq!(frames.len() as u32, (count - 1) / 4 + 1, "{name}");
            assert_eq!(frames[0].size, Resolution::new(size[0], size[1]), "{name}");
        }
    }
}

#[test]
fn previews_without_an_encoder_are_learned_from_the_first_video() {
    let dir = tempfile::tempdir().unwrap();
    let (worker, model) = (worker(), exported("tiny-t2v-onnx", dir.path()));
    let asked = Draft { start_image: None, ..draft(9) };
    let (events, pixels) = run(&worker, &asked, &model, true);
    assert!(previews(&events).is_empty());
    let printed =
        |event: &Event| matches!(event, Event::Note { message } if message.contains("are learned from"));
    assert!(events.iter().any(printed));
    let (events, _) = run(&worker, &asked, &model, true);
    let shown: Vec<u8> = previews(&events).pop().unwrap().into_iter().flat_map(|frame| frame.rgb).collect();
    // about the colours of the video, which at the last preview still lacks a step
    let mean = |rgb: &[u8], c: usize| {
        let values = rgb.iter().skip(c).step_by(3);
        values.clone().map(|&byte| f64::from(byte)).sum::<f64>() / values.count() as f64
    };
    for c in 0..3 {
        let (preview, video) = (mean(&shown, c), mean(&pixels, c));
        assert!((preview - video).abs() < 20.0, "{preview} {video}");
    }
}
