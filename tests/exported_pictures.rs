//! Pictures given to models that `torch.onnx` exported (`tests/golden/export_onnx.py`), against the program's own graphs
//! on the same weights; exports in half precision; and previews.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

mod common;

use std::path::{Path, PathBuf};

use common::{TestWorker, finished, frames, golden_model, story, worker};
use ndarray::ArrayD;
use prost::Message as _;
use wandeck::core::{
    Draft, Error, Event, Frame, Kind, PrecisionChoice, ProviderChoice, Resolution, Sampler, Stage,
    WeightsChoice,
};
use wandeck::onnx::{DimensionValue, ModelProto};
use wandeck::queue::Work;

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

fn picture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/refs").join(name)
}

fn draft(count: u32) -> Draft {
    Draft {
        prompt: "a red circle moves left on a white background".into(),
        negative_prompt: "a blurred grey square".into(),
        model: "exported".into(),
        mode: None,
        image: Some(picture("input.png")),
        last_image: None,
        continue_from: None,
        loras: Vec::new(),
        vae_tile: None,
        weights: WeightsChoice::Auto,
        seed: 42,
        steps: 6,
        guidance: 3.5,
        guidance_low: None,
        shift: 5.0,
        step_list: None,
        sampler: Sampler::UniPc,
        size: Resolution::new(96, 64),
        frames: count,
        fps: 16,
        provider: ProviderChoice::Auto,
        precision: PrecisionChoice::Auto,
    }
}

/// The events of a run of `draft` on `model`, and its pixels.
fn run(worker: &TestWorker, draft: &Draft, model: &Path, preview: bool) -> (Vec<Event>, Vec<u8>) {
    let output = tempfile::tempdir().unwrap();
    let mut work = Work::new(draft.clone(), model.into(), output.path().join("frames"));
    work.preview = preview;
    let id = worker.submit(work);
    let events = story(worker, id);
    let pixels = frames(&finished(&events).output);
    (events, pixels)
}

fn failure(draft: &Draft, model: &Path) -> Error {
    let (worker, output) = (worker(), tempfile::tempdir().unwrap());
    let id = worker.submit(Work::new(draft.clone(), model.into(), output.path().join("never")));
    let events = story(&worker, id);
    assert!(!events.iter().any(|event| matches!(event, Event::StageStarted { stage: Stage::Text })));
    let Some(Event::Failed { error }) = events.last() else { panic!("not failed: {events:?}") };
    error.clone()
}

fn change(path: &Path, edit: impl FnOnce(&mut ModelProto)) {
    let mut model = ModelProto::decode(&*std::fs::read(path).unwrap()).unwrap();
    edit(&mut model);
    std::fs::write(path, model.encode_to_vec()).unwrap();
}

/// Every frame the previews showed, one event after the other.
fn previews(events: &[Event]) -> Vec<Frame> {
    let frames = |event: &Event| match event {
        Event::Preview { frames, .. } => frames.to_vec(),
        _ => Vec::new(),
    };
    events.iter().flat_map(frames).collect()
}

#[test]
fn pictures_give_the_same_frames_as_the_programs_own_graphs() {
    let dir = tempfile::tempdir().unwrap();
    let worker = worker();
    for (own, export, count, variants) in [
        ("tiny-i2v", "tiny-i2v-onnx", 9, &["picture", "no prompt", "last picture"][..]),
        ("tiny-ti2v", "tiny-ti2v-onnx", 5, &["picture", "no picture"]),
    ] {
        let own = common::whole_golden_model(own, dir.path());
        let export = exported(export, dir.path());
        for variant in variants {
            let mut asked = draft(count);
            match *variant {
                "no prompt" => asked.prompt.clear(),
                "last picture" => asked.last_image = Some(picture("input_last.png")),
                "no picture" => asked.image = None,
                _ => {}
            }
            let (_, expected) = run(&worker, &asked, &own, false);
            let (events, found) = run(&worker, &asked, &export, false);
            let expected = ArrayD::from_shape_vec(vec![expected.len()], expected).unwrap();
            common::assert_same_frames(&format!("{} {variant}", export.display()), &found, &expected);
            let encoded =
                events.iter().any(|event| matches!(event, Event::StageFinished { stage: Stage::Image, .. }));
            assert_eq!(encoded, asked.image.is_some(), "{variant}");
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
