//! A model that `torch.onnx` exported (`tests/golden/export_onnx.py`), against diffusers; and exports that do not fit.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{self, events_of, finished, frames, worker};
use prost::Message as _;
use wandeck::core::{Draft, Event, Kind, Resolution, Stage};
use wandeck::jobs::JobSpec;
use wandeck::models::{self, Layout};
use wandeck::onnx::ModelProto;

/// The exported folder with the tokenizer that it shares with tiny-t2v.
fn model(parent: &Path) -> PathBuf {
    let whole = parent.join("tiny-t2v-onnx");
    common::copy_all(&common::golden_model("tiny-t2v-onnx"), &whole);
    common::copy_all(&common::golden_model("tiny-t2v").join("tokenizer"), &whole.join("tokenizer"));
    whole
}

/// The request of `refs/pipeline_t2v.json`.
fn work(model: PathBuf, output: &Path) -> JobSpec {
    let draft = Draft { model: "tiny-t2v-onnx".into(), ..common::draft() };
    JobSpec::new(draft, model, output.into())
}

fn failure(work: JobSpec) -> wandeck::core::Error {
    let worker = worker();
    let id = worker.submit(work);
    let events = events_of(&worker, id);
    assert!(!events.iter().any(|event| matches!(event, Event::StageStarted { stage: Stage::Text })));
    match events.last() {
        Some(Event::Failed { error }) => error.clone(),
        other => panic!("not failed: {other:?}"),
    }
}

/// Writes the file again with another signature; its nodes lose what a session would need.
fn change(path: &Path, edit: impl FnOnce(&mut ModelProto)) {
    let mut model = ModelProto::decode(&*std::fs::read(path).unwrap()).unwrap();
    edit(&mut model);
    std::fs::write(path, model.encode_to_vec()).unwrap();
}

#[test]
fn an_exported_model_gives_the_same_frames_as_diffusers() {
    let dir = tempfile::tempdir().unwrap();
    let worker = worker();
    let id = worker.submit(work(model(dir.path()), &dir.path().join("frames")));
    let events = events_of(&worker, id);
    let outcome = finished(&events);
    assert_eq!(outcome.steps.len(), 6);
    let golden = common::golden("pipeline_t2v");
    common::assert_same_frames("exported t2v", &frames(&outcome.output), &golden.u8("frames"));
}

#[test]
fn one_error_lists_every_mistake_of_every_component() {
    let dir = tempfile::tempdir().unwrap();
    let model = model(dir.path());
    change(&model.join("transformer/model.onnx"), |model| {
        let graph = model.graph.as_mut().unwrap();
        graph.input.retain(|input| input.name() != "timestep");
    });
    let of = |config: &str| std::fs::read_to_string(model.join(config)).unwrap();
    let fewer = of("transformer_2/config.json").replace("\"in_channels\": 16", "\"in_channels\": 36");
    std::fs::write(model.join("transformer_2/config.json"), fewer).unwrap();
    change(&model.join("text_encoder/model.onnx"), |model| {
        let ids = &mut model.graph.as_mut().unwrap().input[0];
        ids.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().elem_type = Some(1);
    });
    std::fs::remove_file(model.join("vae_decoder/model.onnx")).unwrap();
    let error = failure(work(model, &dir.path().join("never")));
    assert_eq!(error.kind, Kind::CorruptModel);
    for words in [
        "transformer: the input timestep is missing",
        "transformer_2: the input hidden_states is float32 [1, 16, ",
        "expected float32 [1, 36, T, H, W]",
        "text_encoder: the input input_ids is float32 [1, ",
        "expected int64 [1, L]",
        "vae_decoder/model.onnx is missing",
    ] {
        assert!(error.message.contains(words), "{words} in {error:#}");
    }
}

#[test]
fn weights_that_are_cut_off_or_gone_are_found_before_the_work() {
    let dir = tempfile::tempdir().unwrap();
    let model = model(dir.path());
    let data = model.join("transformer/model.onnx.data");
    let bytes = std::fs::read(&data).unwrap();
    std::fs::write(&data, &bytes[..bytes.len() / 2]).unwrap();
    std::fs::remove_file(model.join("vae_decoder/model.onnx.data")).unwrap();
    let error = failure(work(model, &dir.path().join("never")));
    assert!(error.message.contains("truncated"), "{error:#}");
    assert!(error.message.contains("The weights are missing"), "{error:#}");
}

#[test]
fn a_size_that_the_export_cannot_make_is_refused_before_the_work() {
    let dir = tempfile::tempdir().unwrap();
    let mut job = work(model(dir.path()), &dir.path().join("never"));
    job.draft.size = Resolution::new(64, 64);
    let error = failure(job);
    assert_eq!(error.kind, Kind::Unsupported);
    let words = "vae_decoder accepts latent_sample as float32 [1, 16, 3, 8, 12]";
    assert!(error.message.contains(words), "{error:#}");
}

#[test]
fn models_show_tells_that_it_is_exported() {
    let dir = tempfile::tempdir().unwrap();
    let model = model(dir.path());
    assert_eq!(models::inspect(&model).unwrap().info.layout, Layout::ExportedOnnx);
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_wandeck"))
            .args(args)
            .arg("--data-dir")
            .arg(dir.path())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    };
    let path = model.to_str().unwrap();
    let shown = run(&["models", "show", path]);
    assert!(shown.contains("exported ONNX folder") && shown.contains("t2v"), "{shown}");
    assert!(run(&["models", "show", path, "--json"]).contains("\"layout\":\"exported_onnx\""));
    let refused = run(&["graph", "export", path, dir.path().join("out").to_str().unwrap()]);
    assert!(refused.contains("consists of exported ONNX graphs already"), "{refused}");
}
