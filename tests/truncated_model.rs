//! Weights that are truncated while a session reads them in place.
//!
//! One test in a process of its own, because every session that runs at that moment fails.

#![cfg(target_os = "linux")]

mod common;

use std::fs;

use ndarray::{ArrayD, IxDyn};
use wandeck::core::{CancelToken, Kind};
use wandeck::engine::{Input, Prepack, Session, SessionOptions, StateTensor};
use wandeck::onnx::Weights;
use wandeck::wan::graphs::{self, BandLimits, StreamCall};

#[test]
fn a_run_in_place_that_misses_weights_fails_with_the_name_of_the_component() {
    let dir = tempfile::tempdir().unwrap();
    common::copy_all(&common::golden_model("tiny-t2v").join("vae"), dir.path());
    let (config, weights) =
        (common::config(dir.path()), Weights::open(dir.path(), "diffusion_pytorch_model").unwrap());
    let size = [4, 4];
    let load = |call| {
        let stream =
            graphs::vae_decoder_in_bands(&config, &weights, size, call, BandLimits::default()).unwrap();
        let options = SessionOptions { prepack: Prepack::InPlace, ..SessionOptions::default() };
        Session::load(&common::runtime(), &stream.graph, &options, &CancelToken::new()).unwrap()
    };
    let latent = ArrayD::<f32>::from_elem(IxDyn(&[1, config.z_dim, 1, size[0], size[1]]), 0.5);
    let inputs = || vec![("latent", Input::F32(latent.view()))];
    let results = load(StreamCall::First).run(inputs(), &CancelToken::new()).unwrap();
    let caches = results.into_iter().skip(1).enumerate().map(|(index, value)| StateTensor {
        input: format!("cache_in_{index}"),
        output: format!("cache_out_{index}"),
        value,
    });
    let mut session = load(StreamCall::Later);
    let (_, caches) =
        session.run_in_place(inputs(), caches.collect(), "frames", &CancelToken::new()).unwrap();

    fs::File::options().write(true).open(&weights.files()[0]).unwrap().set_len(4096).unwrap();
    let run = session.run_in_place(inputs(), caches, "frames", &CancelToken::new());
    let error = run.err().expect("the weights were read as zeros");
    assert_eq!(error.kind, Kind::CorruptModel, "{error:#}");
    assert!(error.message.contains("A file of the vae_decoder was truncated"), "{error:#}");
}
