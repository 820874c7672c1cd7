//! The WebGPU plugin on a device of software: a device interface with memory of its own, for which no card is needed.
//!
//! Run with `tests/webgpu_plugin/run.sh`. On `SwiftShader` attention is wrong from 64 tokens on, so the transformer, which
//! attends to 512 rows of prompt embeddings, is only run.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::Path;

use ndarray::ArrayD;
use wandeck::core::{CancelToken, DeviceId, Provider};
use wandeck::engine::{Input, Session, SessionOptions, Tensor};
use wandeck::models;
use wandeck::onnx::{ComputeType, Graph};

use crate::common;
use crate::common::layouts::{all_graphs_on, inputs_of, outputs, outputs_of};

/// Largest difference from the CPU provider, for values up to about 3. Measured at most: 1e-5.
const NEAR: f32 = 1e-4;

fn graphs() -> Vec<(&'static str, Graph)> {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B");
    all_graphs_on(&models::open(&model).unwrap(), [ComputeType::Fp32; 3], |_| Provider::WebGpu)
}

fn on(provider: Provider, graph: &Graph) -> Session {
    let device = DeviceId { provider, ..DeviceId::CPU };
    let options = SessionOptions { device, ..SessionOptions::default() };
    Session::load(&common::runtime(), graph, &options, &CancelToken::new()).unwrap()
}

fn furthest(found: &ArrayD<f32>, expected: &ArrayD<f32>) -> f32 {
    assert_eq!(found.shape(), expected.shape());
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
#[ignore = "needs the plugin and a Vulkan driver: tests/webgpu_plugin/run.sh"]
fn graphs_compute_on_webgpu_what_they_compute_on_the_cpu() {
    for (name, graph) in graphs() {
        let found = outputs_of(on(Provider::WebGpu, &graph), &graph);
        assert!(found.values().flatten().all(|value| value.is_finite()), "{name}");
        if name.starts_with("transformer") {
            continue;
        }
        for (output, expected) in outputs(&graph) {
            let difference = furthest(&found[&output], &expected);
            println!("{name} {output}: {difference:.1e}");
            assert!(difference < NEAR, "{name} {output}: {difference:e}");
        }
    }
}

/// What the provider does not take runs on the CPU, and the session says how much and which.
#[test]
#[ignore = "needs the plugin and a Vulkan driver: tests/webgpu_plugin/run.sh"]
fn a_session_says_which_nodes_run_elsewhere() {
    let mut num_elsewhere = 0;
    for (name, graph) in graphs() {
        assert_eq!(on(Provider::Cpu, &graph).placement(), None, "{name}");
        let session = on(Provider::WebGpu, &graph);
        let placement = session.placement().unwrap();
        println!("{name}: {placement}");
        assert!(placement.num_taken > placement.others.len() && !placement.is_mostly_on_cpu(), "{name}");
        assert!(placement.others.iter().all(|node| node.provider == "CPUExecutionProvider"), "{placement}");
        num_elsewhere += placement.others.len();
    }
    assert!(num_elsewhere > 0, "some work on sizes is the CPU's");
}

/// Frames of several calls of the VAE decoder, whose caches stay where it computes.
fn frames(provider: Provider, graph: &Graph) -> Vec<ArrayD<f32>> {
    let mut session = on(provider, graph);
    let mut bound = session.bind().unwrap();
    let (floats, ints) = inputs_of(graph);
    for (name, value) in &floats {
        bound.set(name, Input::F32(value.view())).unwrap();
    }
    for (name, value) in &ints {
        bound.set(name, Input::I64(value.view())).unwrap();
    }
    let names = session.outputs().to_vec();
    let mut shown = Vec::new();
    for _ in 0..3 {
        let outputs: Vec<Tensor> = session.run_bound(&mut bound, &CancelToken::new()).unwrap();
        shown.push(outputs[0].view().unwrap().to_owned());
        for (name, cache) in names.iter().zip(&outputs).skip(1) {
            assert_eq!(cache.view().is_err(), provider == Provider::WebGpu, "{name} is on the device");
            bound.set(&name.replace("_out_", "_in_"), Input::Tensor(cache)).unwrap();
        }
    }
    shown
}

#[test]
#[ignore = "needs the plugin and a Vulkan driver: tests/webgpu_plugin/run.sh"]
fn state_stays_on_the_device_between_calls() {
    let graphs = graphs();
    let (_, decoder) = graphs.iter().find(|(name, _)| *name == "vae_decoder").unwrap();
    let (found, expected) = (frames(Provider::WebGpu, decoder), frames(Provider::Cpu, decoder));
    for (call, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let difference = furthest(found, expected);
        println!("call {call}: {difference:.1e}");
        assert!(difference < NEAR, "call {call}: {difference:e}");
    }
    assert!(furthest(&expected[0], &expected[2]) > 10.0 * NEAR, "the caches change the frames");
}
