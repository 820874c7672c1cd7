//! Frames that leave the decoder's graph with colours of 8 bits: the bits are those of its fp32 frames, rounded.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::Path;

use ndarray::{ArrayD, Axis, Slice};
use wandeck::core::CancelToken;
use wandeck::engine::{Input, Tensor};
use wandeck::onnx::{ComputeType, Weights};
use wandeck::wan::VaeConfig;
use wandeck::wan::graphs::{StreamGraph, vae_decoder, vae_decoder_in_bytes};

use super::graph_parity::{TRANSFORMER, load};
use crate::common::{self, layouts};

/// What the graph returns for each latent frame.
fn decoded(graph: &StreamGraph, latent: &ArrayD<f32>) -> Vec<Tensor> {
    let mut session = load(&graph.graph);
    let [rows, columns] = [latent.shape()[3], latent.shape()[4]];
    let zeros = graph.caches.iter().map(|cache| {
        Tensor::zeros(
            cache.dtype,
            &[1, cache.channels, cache.frames, rows << cache.level, columns << cache.level],
        )
    });
    let mut caches: Vec<_> = zeros.collect::<Result<_, _>>().unwrap();
    let names: Vec<_> = (0..caches.len()).map(|index| format!("cache_in_{index}")).collect();
    let mut frames = Vec::new();
    for index in 0..latent.shape()[2] {
        let cells = latent.slice_axis(Axis(2), Slice::from(index..=index)).as_standard_layout().into_owned();
        let numbers = graph.numbers.iter().map(|one| ArrayD::from_elem(vec![1], one.in_call(index)));
        let numbers: Vec<_> = numbers.collect();
        let mut inputs = vec![("latent", Input::F32(cells.view()))];
        let named = graph.numbers.iter().zip(&numbers);
        inputs.extend(named.map(|(number, value)| (number.name.as_str(), Input::I64(value.view()))));
        inputs.extend(names.iter().map(String::as_str).zip(caches.iter().map(Input::Tensor)));
        let mut results = session.run(inputs, &CancelToken::new()).unwrap().into_iter();
        frames.push(results.next().unwrap());
        caches = results.collect();
    }
    frames
}

/// An 8-bit colour of a value in [-1, 1]: rounded to the nearest, ties to even; 0 for NaN.
fn byte(value: f32) -> u8 {
    let scaled = (value / 2.0 + 0.5) * 255.0;
    if scaled.is_nan() { 0 } else { scaled.clamp(0.0, 255.0).round_ties_even() as u8 }
}

/// Compares both forms of a decoder, and returns the bytes of the first frame.
fn compare(config: &VaeConfig, weights: &Weights, latent: &ArrayD<f32>) -> Vec<u8> {
    let floats = vae_decoder(config, weights, ComputeType::Fp32).unwrap();
    let bytes = vae_decoder_in_bytes(config, weights, ComputeType::Fp32).unwrap();
    let (floats, bytes) = (decoded(&floats, latent), decoded(&bytes, latent));
    for (chunk, (floats, bytes)) in floats.iter().zip(&bytes).enumerate() {
        // [1, 3, T, H, W] -> [1, T, H, W, 3]
        let expected = floats.view().unwrap().permuted_axes(vec![0, 2, 3, 4, 1]).mapv(byte);
        let found = bytes.bytes().unwrap();
        assert_eq!(found.shape(), expected.shape());
        assert!(floats.bytes().is_none() && bytes.view().is_err());
        let wrong = found.iter().zip(&expected).filter(|(found, expected)| found != expected).count();
        assert_eq!(wrong, 0, "of {} values of chunk {chunk}", expected.len());
    }
    bytes[0].bytes().unwrap().iter().copied().collect()
}

#[test]
fn frames_of_bytes_are_the_rounded_ones() {
    for (model, reference) in [("tiny-t2v", "vae21"), ("tiny-ti2v", "vae22")] {
        let dir = common::golden_model(model).join("vae");
        let weights = Weights::open(&dir, TRANSFORMER).unwrap();
        let first = compare(&common::config(&dir), &weights, &common::golden(reference).f32("latent"));
        let shades: std::collections::BTreeSet<_> = first.iter().collect();
        assert!(shades.len() > 100 && shades.contains(&0) && shades.contains(&255), "{}", shades.len());
    }
}

/// A decoder whose colours are these, whatever it is given.
fn painting(dir: &Path, colours: [f32; 3]) -> Weights {
    let mut tensors =
        layouts::load(&common::golden_model("tiny-t2v").join("vae/diffusion_pytorch_model.safetensors"));
    tensors.get_mut("decoder.conv_out.weight").unwrap().2.fill(0);
    let bias = colours.iter().flat_map(|colour| colour.to_le_bytes()).collect();
    tensors.get_mut("decoder.conv_out.bias").unwrap().2 = bias;
    let path = dir.join("vae.safetensors");
    layouts::save(&path, &tensors);
    Weights::from_files(&[path]).unwrap()
}

#[test]
fn colours_are_rounded_to_even_and_clamped_and_nan_is_black() {
    let config: VaeConfig = common::config(&common::golden_model("tiny-t2v").join("vae"));
    let latent = ArrayD::zeros(vec![1, config.z_dim, 2, 2, 3]);
    for (colours, bytes) in [
        // 127.5 and, below 0.5, 126.5 in units of a byte
        ([0.0, -2.0 / 255.0, 0.5], [128, 126, 191]),
        ([2.0, -2.0, 1.0], [255, 0, 255]),
        ([f32::INFINITY, f32::NEG_INFINITY, -1.0], [255, 0, 0]),
        ([f32::NAN, 0.25, f32::NAN], [0, 159, 0]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let first = compare(&config, &painting(dir.path(), colours), &latent);
        let expected: Vec<_> = bytes.iter().cycle().take(first.len()).copied().collect();
        assert_eq!(first, expected, "{colours:?}");
    }
}
