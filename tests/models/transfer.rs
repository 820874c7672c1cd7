//! What a card computes around a transformer in 16 bits: the numbers of the steps on the host, rounded to 16 bits.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use half::{bf16, f16};
use ndarray::{Array1, ArrayD, Axis, concatenate};
use wandeck::core::{CancelToken, Provider};
use wandeck::engine::{Input, Session, check_kernels};
use wandeck::onnx::{Dtype, Graph, Weights};
use wandeck::wan::graphs::{guided_velocity, widened_latent};

use super::graph_parity::{TRANSFORMER, load};
use crate::common;

fn weights() -> Weights {
    Weights::open(&common::golden_model("tiny-i2v").join("transformer"), TRANSFORMER).unwrap()
}

/// A session on the CPU of a graph that CUDA can run, too.
fn session(graph: &Graph) -> Session {
    check_kernels(graph, Provider::Cuda).unwrap();
    load(graph)
}

/// A video of different values of both signs, none of which 16 bits can hold.
fn video(channels: usize, seed: f32) -> ArrayD<f32> {
    ArrayD::from_shape_fn(vec![1, channels, 3, 4, 5], |at| {
        let at = (at[1] * 7 + at[2] * 5 + at[3] * 3 + at[4]) as f32;
        (at * seed).sin() * 3.0 + 1e-5
    })
}

fn rounded(value: f32, dtype: Dtype) -> f32 {
    if dtype == Dtype::Bf16 { bf16::from_f32(value).to_f32() } else { f16::from_f32(value).to_f32() }
}

#[test]
fn a_latent_in_16_bits_is_the_rounded_one_with_the_channels_of_the_images_behind_it() {
    let (weights, latent, condition) = (weights(), video(4, 0.71), video(6, 0.37));
    for dtype in [Dtype::Bf16, Dtype::F16] {
        for has_condition in [false, true] {
            let mut session = session(&widened_latent(&weights, Provider::Cuda, dtype, has_condition));
            let mut bound = session.bind_staying().unwrap();
            let uploaded = session.upload(&latent.view(), dtype).unwrap();
            bound.set("latent", Input::Tensor(&uploaded)).unwrap();
            let mut expected = latent.clone();
            if has_condition {
                let uploaded = session.upload(&condition.view(), dtype).unwrap();
                bound.set("condition", Input::Tensor(&uploaded)).unwrap();
                expected = concatenate(Axis(1), &[latent.view(), condition.view()]).unwrap();
            }
            let hidden = session.run_bound(&mut bound, &CancelToken::new()).unwrap();
            let expected = expected.mapv(|value| rounded(value, dtype));
            assert_eq!(hidden[0].to_fp32().unwrap(), expected, "{dtype} {has_condition}");
        }
    }
}

/// What the graph makes of the velocities of both passes.
fn guided(prompt: &ArrayD<f32>, negative: &ArrayD<f32>, scale: f32) -> ArrayD<f32> {
    let mut session = session(&guided_velocity(&weights(), Provider::Cuda));
    let scale = Array1::from_elem(1, scale).into_dyn();
    let mut bound = session.bind().unwrap();
    for (name, value) in [("prompt", prompt), ("negative", negative), ("guidance", &scale)] {
        bound.set(name, Input::F32(value.view())).unwrap();
    }
    session.run_bound(&mut bound, &CancelToken::new()).unwrap()[0].to_fp32().unwrap()
}

#[test]
fn guidance_is_that_of_the_host_rounded_to_fp16() {
    let [prompt, negative] =
        [0.91, 0.53].map(|seed| video(4, seed).mapv(|value| rounded(value, Dtype::Bf16)));
    for scale in [1.5, 4.0, 5.0] {
        let host = |(with, without): (&f32, &f32)| f16::from_f32(without + scale * (with - without)).to_f32();
        let expected: Vec<_> = prompt.iter().zip(&negative).map(host).collect();
        assert_eq!(guided(&prompt, &negative, scale).into_iter().collect::<Vec<_>>(), expected, "{scale}");
    }
    // without guidance, what a transformer returns in 16 bits comes back as it is
    assert_eq!(guided(&prompt, &prompt, 1.0), prompt);
    // infinity and NaN are not hidden
    let broken = prompt.mapv(|value| if value > 0.0 { f32::NAN } else { 1e6 });
    assert!(guided(&broken, &broken, 1.0).iter().all(|value| !value.is_finite()));
}
