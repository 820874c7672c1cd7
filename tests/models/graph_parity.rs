//! Every graph against diffusers and transformers on the same weights, at fp32 rounding level.
//!
//! The references are made by tests/golden/make.py.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop"
)]

use ndarray::{ArrayD, ArrayViewD, Axis, Slice};
use wandeck::core::{CancelToken, Provider};
use wandeck::engine::{Input, Session, SessionOptions, StateTensor, Tensor};
use wandeck::models::convert::{ConversionOptions, ConversionTarget, convert};
use wandeck::models::synth::{
    self, Shapes, SynthComponent, SynthDtype, SynthLayout, SynthModel, SynthWeights,
};
use wandeck::onnx::{ComputeType, Dtype, Graph, GraphTarget, Weights};
use wandeck::wan::graphs::{
    self, BandLimits, RowChunks, Segments, StreamCall, StreamGraph, TEXT_TOKENS, TransformerForm,
};
use wandeck::wan::{TextEncoderConfig, TransformerConfig, VaeConfig, rope, text};

use crate::common;

/// On data of unit scale.
const TOLERANCE: f32 = 1e-5;
/// For the long text, where attention without a scale amplifies rounding: the reference's own fp32 is 5e-6 off its
/// fp64 there, half of what is allowed elsewhere.
const AMPLIFIED: f32 = 2e-5;
/// For a decoder whose convolutions are all computed with fewer products, which round twice as much; a step of an 8-bit
/// colour is 8e-3.
const FEWER_PRODUCTS: f32 = 3e-5;
/// Bounds of the relative L2 distance from fp32 of transformers, and of the text encoder, where attention without a
/// scale amplifies it.
const INT8: [f64; 2] = [1e-2, 4e-2];
const INT4: [f64; 2] = [8e-2, 3.5e-1];
const FP8: [f64; 2] = [2.5e-2, 1e-1];
pub(crate) const TRANSFORMER: &str = "diffusion_pytorch_model";

pub(crate) fn load(graph: &Graph) -> Session {
    Session::load(&common::runtime(), graph, &SessionOptions::default(), &CancelToken::new()).unwrap()
}

fn run(session: &mut Session, inputs: Vec<(&str, Input<'_>)>) -> Vec<Tensor> {
    session.run(inputs, &CancelToken::new()).unwrap()
}

fn assert_close(what: &str, found: &ArrayViewD<'_, f32>, expected: &ArrayViewD<'_, f32>) {
    let tolerance = if what == "umt5_long" { AMPLIFIED } else { TOLERANCE };
    assert_near(what, found, expected, tolerance);
}

fn assert_near(what: &str, found: &ArrayViewD<'_, f32>, expected: &ArrayViewD<'_, f32>, tolerance: f32) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    let worst = found.iter().zip(expected.iter()).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
    assert!(worst <= tolerance, "{what}: off by {worst:e}");
    assert!(found.iter().all(|value| value.is_finite()), "{what}");
    println!("{what}: max |d| {worst:.1e}");
}

#[test]
fn transformers_agree() {
    for (model, part, reference, segments) in [
        ("tiny-t2v", "transformer", "dit_t2v_high", Segments::One),
        ("tiny-t2v", "transformer_2", "dit_t2v_low", Segments::One),
        ("tiny-i2v", "transformer", "dit_i2v", Segments::One),
        ("tiny-ti2v", "transformer", "dit_ti2v_one", Segments::One),
        ("tiny-ti2v", "transformer", "dit_ti2v_two", Segments::Two),
    ] {
        let dir = common::golden_model(model).join(part);
        let config: TransformerConfig = common::config(&dir);
        let weights = Weights::open(&dir, TRANSFORMER).unwrap();
        let golden = common::golden(reference);
        // the CPU computes the form for cards too
        for provider in [Provider::Cpu, Provider::Cuda] {
            let target = GraphTarget { provider, compute: ComputeType::Fp32 };
            let mut session = load(&graphs::transformer(&config, &weights, segments, target).unwrap());
            for suffix in ["", "_b"] {
                let hidden = golden.f32(&format!("hidden_states{suffix}"));
                let sample = transform(&mut session, &config, &golden, &hidden, segments);
                let expected = golden.f32(&format!("sample{suffix}"));
                let what = format!("{reference}{suffix} for {provider}");
                assert_close(&what, &sample.view().unwrap(), &expected.view());
            }
        }
    }
}

/// What follows the attention to the tokens is computed for each row by itself: all rows at once or in chunks.
#[test]
fn a_transformer_in_row_chunks_computes_the_same() {
    for (model, reference, segments) in [
        ("tiny-t2v", "dit_t2v_high", Segments::One),
        ("tiny-i2v", "dit_i2v", Segments::One),
        ("tiny-ti2v", "dit_ti2v_two", Segments::Two),
    ] {
        let dir = common::golden_model(model).join("transformer");
        let config: TransformerConfig = common::config(&dir);
        let weights = Weights::open(&dir, TRANSFORMER).unwrap();
        let golden = common::golden(reference);
        let target = GraphTarget { provider: Provider::Cuda, compute: ComputeType::Fp32 };
        let graphs = RowChunks::ALL.map(|row_chunks| {
            let form = TransformerForm { segments, row_chunks };
            graphs::transformer(&config, &weights, form, target).unwrap()
        });
        let [whole, two, four] = graphs.each_ref().map(|graph| graph.to_bytes().len());
        assert!(whole < two && two < four, "{model}: {whole} {two} {four}");
        let mut sessions = graphs.each_ref().map(load);
        for suffix in ["", "_b"] {
            let hidden = golden.f32(&format!("hidden_states{suffix}"));
            let [whole, two, four] =
                sessions.each_mut().map(|session| transform(session, &config, &golden, &hidden, segments));
            assert_eq!(two.view().unwrap(), whole.view().unwrap(), "{model}{suffix}");
            assert_eq!(four.view().unwrap(), whole.view().unwrap(), "{model}{suffix}");
        }
    }
}

#[test]
fn one_token_is_enough() {
    let dir = common::golden_model("tiny-t2v").join("transformer");
    let config: TransformerConfig = common::config(&dir);
    let weights = Weights::open(&dir, TRANSFORMER).unwrap();
    let mut session =
        load(&graphs::transformer(&config, &weights, Segments::One, ComputeType::Fp32).unwrap());
    let golden = common::golden("dit_t2v_high");
    let hidden = golden.f32("hidden_states");
    let one = hidden
        .slice_each_axis(|axis| Slice::from(..[1, isize::MAX, 1, 2, 2][axis.axis.0].min(axis.len as isize)));
    let sample = transform(&mut session, &config, &golden, &one.to_owned(), Segments::One);
    assert_eq!(sample.view().unwrap().shape(), [1, config.channels_out(), 1, 2, 2]);
    assert!(sample.view().unwrap().iter().all(|value| value.is_finite()));
}

pub(crate) fn transform(
    session: &mut Session,
    config: &TransformerConfig,
    golden: &common::TensorFile,
    hidden: &ArrayD<f32>,
    segments: Segments,
) -> Tensor {
    with_inputs(config, golden, hidden, segments, |inputs| run(session, inputs).swap_remove(0))
}

/// Calls `run` with the inputs of a transformer.
pub(crate) fn with_inputs<R>(
    config: &TransformerConfig,
    golden: &common::TensorFile,
    hidden: &ArrayD<f32>,
    segments: Segments,
    run: impl FnOnce(Vec<(&str, Input<'_>)>) -> R,
) -> R {
    let [_, _, t, h, w] = hidden.shape() else { panic!("five dimensions") };
    let (h, w) = (h / config.patch_size[1], w / config.patch_size[2]);
    let half = config.attention_head_dim / 2;
    let (cos, sin) = rope::tables(*t, h, w, config.attention_head_dim);
    let table = |values| ArrayD::from_shape_vec(vec![t * h * w, half], values).unwrap();
    let (cos, sin) = (table(cos), table(sin));
    // the reference has 512 rows; those behind the text's end are one row of zeros here
    let rows = golden.f32("text");
    let tokens = rows.shape()[0];
    let mut text = ArrayD::zeros(vec![tokens + 1, config.text_dim]);
    text.slice_axis_mut(Axis(0), Slice::from(..tokens)).assign(&rows);
    let index = (0..TEXT_TOKENS).map(|row| row.min(tokens) as i64).collect();
    let index = ArrayD::from_shape_vec(vec![TEXT_TOKENS], index).unwrap();
    let timestep = golden.f32("timestep");
    let position = ArrayD::zeros(vec![1]);
    let split = ArrayD::from_elem(vec![1], (h * w) as i64);
    let mut inputs = vec![
        ("hidden_states", Input::F32(hidden.view())),
        ("timestep", Input::F32(timestep.view())),
        ("encoder_hidden_states", Input::F32(text.view())),
        ("text_index", Input::I64(index.view())),
        ("rope_cos", Input::F32(cos.view())),
        ("rope_sin", Input::F32(sin.view())),
        ("pos", Input::I64(position.view())),
    ];
    if segments == Segments::Two {
        inputs.push(("seg_split", Input::I64(split.view())));
    }
    run(inputs)
}

#[test]
fn text_encoder_agrees() {
    for (model, reference) in [("tiny-t2v/text_encoder", "umt5"), ("umt5-bf16", "umt5_bf16")] {
        encoder_agrees(model, reference);
    }
}

fn encoder_agrees(model: &str, reference: &str) {
    let dir = common::golden_model(model);
    let config: TextEncoderConfig = common::config(&dir);
    let mut session = load(
        &graphs::text_encoder(&config, &Weights::open(&dir, "model").unwrap(), ComputeType::Fp32).unwrap(),
    );
    let golden = common::golden(reference);
    for suffix in ["", "_empty", "_long"] {
        let ids = golden.i64(&format!("ids{suffix}"));
        let length = ids.len();
        let buckets = text::relative_buckets(length);
        let buckets = ArrayD::from_shape_vec(vec![length, length], buckets).unwrap();
        let inputs = vec![("input_ids", Input::I64(ids.view())), ("rel_bucket", Input::I64(buckets.view()))];
        let hidden = run(&mut session, inputs).swap_remove(0);
        let expected = golden.f32(&format!("hidden{suffix}"));
        assert_close(&format!("{reference}{suffix}"), &hidden.view().unwrap(), &expected.view());
    }
}

fn vae(model: &str) -> (VaeConfig, Weights) {
    let dir = common::golden_model(model).join("vae");
    (common::config(&dir), Weights::open(&dir, TRANSFORMER).unwrap())
}

/// Zero caches for a graph whose input has `h` x `w` cells; `grow` tells a decoder from an encoder.
fn zero_caches(graph: &StreamGraph, [h, w]: [usize; 2], grow: bool) -> Vec<Tensor> {
    let side = |cells: usize, level: u32| if grow { cells << level } else { cells >> level };
    let zeros = |cache: &graphs::CacheSpec| {
        let [height, width] = [h, w].map(|cells| side(cells, cache.level));
        Tensor::zeros(cache.dtype, &[1, cache.channels, cache.frames, height, width]).unwrap()
    };
    graph.caches.iter().map(zeros).collect()
}

fn names(caches: &[Tensor]) -> Vec<String> {
    (0..caches.len()).map(|index| format!("cache_in_{index}")).collect()
}

/// The frames of `latent`, decoded without bands.
fn decoded(config: &VaeConfig, weights: &Weights, latent: &ArrayD<f32>) -> ArrayD<f32> {
    let graph = graphs::vae_decoder(config, weights, ComputeType::Fp32).unwrap();
    let mut session = load(&graph.graph);
    let mut caches = zero_caches(&graph, [latent.shape()[3], latent.shape()[4]], true);
    let names = names(&caches);
    let mut chunks = Vec::new();
    for frame in 0..latent.shape()[2] {
        let one = chunk(latent, frame..frame + 1);
        let numbers: Vec<_> =
            graph.numbers.iter().map(|number| ArrayD::from_elem(vec![1], number.in_call(frame))).collect();
        let mut inputs = vec![("latent", Input::F32(one.view()))];
        let named = graph.numbers.iter().zip(&numbers);
        inputs.extend(named.map(|(number, value)| (number.name.as_str(), Input::I64(value.view()))));
        inputs.extend(names.iter().map(String::as_str).zip(caches.iter().map(Input::Tensor)));
        let mut results = run(&mut session, inputs).into_iter();
        chunks.push(results.next().unwrap());
        caches = results.collect();
    }
    joined(&chunks)
}

#[test]
fn vae_decoders_agree() {
    for (model, reference) in [("tiny-t2v", "vae21"), ("tiny-ti2v", "vae22")] {
        let (config, weights) = vae(model);
        let golden = common::golden(reference);
        let frames = decoded(&config, &weights, &golden.f32("latent"));
        let expected = golden.f32("frames");
        assert!(expected.iter().any(|value| value.abs() >= 1.0), "the clamp is exercised");
        assert_close(&format!("{reference} decode"), &frames.view(), &expected.view());
    }
}

/// Weights of 16 bits are cast while a graph in bands runs, or when its session is made.
#[test]
fn weights_of_16_bits_agree_in_bands() {
    let dir = tempfile::tempdir().unwrap();
    let mut shapes = Shapes::official(SynthModel::Ti2v5b);
    (shapes.vae.base_dim, shapes.vae.decoder_base_dim) = (8, Some(8));
    let only = [SynthComponent::Vae];
    let plan = synth::plan(&shapes, SynthLayout::Diffusers, SynthDtype::Bf16, &only).unwrap();
    let small = dir.path().join("small");
    let random = SynthWeights { seed: 1, sparse: false };
    plan.write(&small, random, &CancelToken::new(), &mut |_| {}).unwrap();
    let dir = small.join("vae");
    let config: VaeConfig = common::config(&dir);
    let weights = Weights::open(&dir, TRANSFORMER).unwrap();
    assert_eq!(weights.get("decoder.mid_block.resnets.0.conv1.weight").unwrap().dtype, Dtype::Bf16);
    let latent = ArrayD::from_shape_fn(vec![1, config.z_dim, 3, 7, 5], |at| {
        ((at[1] * 7 + at[2] * 5 + at[3] * 3 + at[4]) % 11) as f32 / 5.0 - 1.0
    });
    let size = [latent.shape()[3], latent.shape()[4]];
    let chunks: Vec<_> = (0..latent.shape()[2]).map(|at| chunk(&latent, at..at + 1)).collect();
    let graph = |call| graphs::vae_decoder_in_bands(&config, &weights, size, call, SMALL_BANDS).unwrap();
    let frames = joined(&run_in_bands(graph, ["latent", "frames"], &chunks));
    let expected = decoded(&config, &weights, &latent);
    assert_near("bf16 in bands", &frames.view(), &expected.view(), FEWER_PRODUCTS);
}

#[test]
fn vae_encoders_agree() {
    for (model, reference) in [("tiny-t2v", "vae21"), ("tiny-ti2v", "vae22")] {
        let (config, weights) = vae(model);
        let golden = common::golden(reference);
        let frames = golden.f32("encode_frames");
        let patch = config.patch_size.unwrap_or(1);
        let cells = [frames.shape()[3] / patch, frames.shape()[4] / patch];
        let (mut chunks, mut caches, mut at) = (Vec::new(), Vec::new(), 0);
        while at < frames.shape()[2] {
            let (chunk, length) = if at == 0 { (StreamCall::First, 1) } else { (StreamCall::Later, 4) };
            let graph = graphs::vae_encoder(&config, &weights, chunk, ComputeType::Fp32).unwrap();
            if at == 0 {
                caches = zero_caches(&graph, cells, false);
            }
            let mut session = load(&graph.graph);
            let part =
                frames.slice_axis(Axis(2), Slice::from(at..at + length)).as_standard_layout().into_owned();
            let names = names(&caches);
            let mut inputs = vec![("frames", Input::F32(part.view()))];
            inputs.extend(names.iter().map(String::as_str).zip(caches.iter().map(Input::Tensor)));
            let mut results = run(&mut session, inputs).into_iter();
            chunks.push(results.next().unwrap());
            caches = results.collect();
            at += length;
        }
        let views: Vec<_> = chunks.iter().map(|chunk| chunk.view().unwrap()).collect();
        let latent = ndarray::concatenate(Axis(2), &views).unwrap();
        assert_close(&format!("{reference} encode"), &latent.view(), &golden.f32("encode_latent").view());
    }
}

/// Bands of a few rows, the last of which may be shorter, and every form of convolution.
const SMALL_BANDS: BandLimits = BandLimits { operation: 0, frame_bytes: 0, rows: 3, channels: 1 };
/// Layers as a whole, and convolutions by the definition.
const ONE_BAND: BandLimits =
    BandLimits { operation: u64::MAX, frame_bytes: u64::MAX, rows: 1, channels: usize::MAX };

/// Runs the graphs of a first and of later calls over `chunks`; the first result of each call is returned.
fn run_in_bands(
    graph: impl Fn(StreamCall) -> StreamGraph,
    [input, output]: [&str; 2],
    chunks: &[ArrayD<f32>],
) -> Vec<Tensor> {
    let mut session = load(&graph(StreamCall::First).graph);
    let mut results = run(&mut session, vec![(input, Input::F32(chunks[0].view()))]).into_iter();
    let mut found = vec![results.next().unwrap()];
    let caches = results.enumerate().map(|(index, value)| StateTensor {
        input: format!("cache_in_{index}"),
        output: format!("cache_out_{index}"),
        value,
    });
    let (mut caches, mut session) = (caches.collect::<Vec<_>>(), load(&graph(StreamCall::Later).graph));
    for chunk in &chunks[1..] {
        let inputs = vec![(input, Input::F32(chunk.view()))];
        let (result, state) = session.run_in_place(inputs, caches, output, &CancelToken::new()).unwrap();
        found.push(result);
        caches = state;
    }
    found
}

fn chunk(values: &ArrayD<f32>, range: std::ops::Range<usize>) -> ArrayD<f32> {
    values.slice_axis(Axis(2), Slice::from(range)).as_standard_layout().into_owned()
}

fn joined(chunks: &[Tensor]) -> ArrayD<f32> {
    let views: Vec<_> = chunks.iter().map(|chunk| chunk.view().unwrap()).collect();
    ndarray::concatenate(Axis(2), &views).unwrap()
}

#[test]
fn vae_decoders_in_bands_agree() {
    for (model, reference) in [("tiny-t2v", "vae21"), ("tiny-ti2v", "vae22")] {
        let (config, weights) = vae(model);
        let golden = common::golden(reference);
        let latent = golden.f32("latent");
        let size = [latent.shape()[3], latent.shape()[4]];
        let chunks: Vec<_> = (0..latent.shape()[2]).map(|at| chunk(&latent, at..at + 1)).collect();
        for limits in [SMALL_BANDS, ONE_BAND, BandLimits::default()] {
            let graph = |call| graphs::vae_decoder_in_bands(&config, &weights, size, call, limits).unwrap();
            let frames = joined(&run_in_bands(graph, ["latent", "frames"], &chunks));
            let tolerance = if limits.channels == 1 { FEWER_PRODUCTS } else { TOLERANCE };
            let what = format!("{reference} decode {limits:?}");
            assert_near(&what, &frames.view(), &golden.f32("frames").view(), tolerance);
        }
    }
}

#[test]
fn vae_encoders_in_bands_agree() {
    for (model, reference) in [("tiny-t2v", "vae21"), ("tiny-ti2v", "vae22")] {
        let (config, weights) = vae(model);
        let golden = common::golden(reference);
        let frames = golden.f32("encode_frames");
        let size = [frames.shape()[3], frames.shape()[4]];
        let mut chunks = vec![chunk(&frames, 0..1)];
        chunks.extend((1..frames.shape()[2]).step_by(4).map(|at| chunk(&frames, at..at + 4)));
        for limits in [SMALL_BANDS, ONE_BAND, BandLimits::default()] {
            let graph = |call| graphs::vae_encoder_in_bands(&config, &weights, size, call, limits).unwrap();
            let latent = joined(&run_in_bands(graph, ["frames", "latent"], &chunks));
            let what = format!("{reference} encode {limits:?}");
            assert_close(&what, &latent.view(), &golden.f32("encode_latent").view());
        }
    }
}

/// Root of the summed squares of the difference over that of what is expected.
fn relative_l2(found: &ArrayViewD<'_, f32>, expected: &ArrayViewD<'_, f32>) -> f64 {
    assert_eq!(found.shape(), expected.shape());
    let square = |value: f32| f64::from(value).powi(2);
    let error: f64 = found.iter().zip(expected).map(|(a, b)| square(a - b)).sum();
    (error / expected.iter().map(|&value| square(value)).sum::<f64>()).sqrt()
}

/// Converts tiny-t2v; gives the relative L2 distance of its transformers and its text encoder from full precision.
fn distances(target: ConversionTarget, look: impl Fn(&Graph, &TransformerConfig)) -> [f64; 3] {
    let dir = tempfile::tempdir().unwrap();
    let small = dir.path().join("small");
    let source = common::golden_model("tiny-t2v");
    convert(&source, &small, ConversionOptions::new(target), &CancelToken::new(), &mut |_| {}).unwrap();
    let transformer = |(part, reference)| {
        let dir = small.join(part);
        let config: TransformerConfig = common::config(&dir);
        let weights = Weights::open(&dir, TRANSFORMER).unwrap();
        let graph = graphs::transformer(&config, &weights, Segments::One, ComputeType::Fp32).unwrap();
        look(&graph, &config);
        let mut session = load(&graph);
        let golden = common::golden(reference);
        let hidden = golden.f32("hidden_states");
        let sample = transform(&mut session, &config, &golden, &hidden, Segments::One);
        relative_l2(&sample.view().unwrap(), &golden.f32("sample").view())
    };
    let [high, low] = [("transformer", "dit_t2v_high"), ("transformer_2", "dit_t2v_low")].map(transformer);
    let dir = small.join("text_encoder");
    let weights = Weights::open(&dir, "model").unwrap();
    let mut session =
        load(&graphs::text_encoder(&common::config(&dir), &weights, ComputeType::Fp32).unwrap());
    let golden = common::golden("umt5");
    let ids = golden.i64("ids");
    let buckets = text::relative_buckets(ids.len());
    let buckets = ArrayD::from_shape_vec(vec![ids.len(), ids.len()], buckets).unwrap();
    let inputs = vec![("input_ids", Input::I64(ids.view())), ("rel_bucket", Input::I64(buckets.view()))];
    let hidden = run(&mut session, inputs).swap_remove(0);
    [high, low, relative_l2(&hidden.view().unwrap(), &golden.f32("hidden").view())]
}

/// Operations of a kind, with those of the loops' bodies.
fn count(graph: &Graph, kind: &str) -> usize {
    let outer: Vec<_> = graph.model.graph.iter().flat_map(|graph| &graph.node).collect();
    let bodies = outer.iter().flat_map(|node| &node.attribute).filter_map(|attribute| attribute.g.as_ref());
    let nodes = bodies.flat_map(|body| &body.node).chain(outer.iter().copied());
    nodes.filter(|node| node.op_type.as_deref() == Some(kind)).count()
}

fn assert_within(target: ConversionTarget, [high, low, text]: [f64; 3], [transformer, encoder]: [f64; 2]) {
    println!("{}: relative L2 {high:.1e} {low:.1e}, umt5 {text:.1e}", target.word());
    for (off, bound) in [(high, transformer), (low, transformer), (text, encoder)] {
        assert!((1e-6..bound).contains(&off), "{}: {off:e} of {bound:e}", target.word());
    }
}

#[test]
fn eight_bits_are_close() {
    let found = distances(ConversionTarget::Int8, |graph, config| {
        assert_eq!(count(graph, "MatMulIntegerToFloat"), 10 * config.num_layers);
        // q, k and v of the tokens share one, and k and v of the text, in all layers, another
        assert_eq!(count(graph, "QuantizeLinear"), 6 * config.num_layers + 1);
    });
    assert_within(ConversionTarget::Int8, found, INT8);
}

#[test]
fn four_bits_are_not_far() {
    let found = distances(ConversionTarget::Int4, |graph, config| {
        assert_eq!(count(graph, "MatMulNBits"), 10 * config.num_layers);
    });
    assert_within(ConversionTarget::Int4, found, INT4);
}

#[test]
fn eight_bit_floats_are_close() {
    let found = distances(ConversionTarget::Fp8, |graph, config| {
        // in fp32 once the session is made
        assert_eq!(count(graph, "DequantizeLinear"), 10 * config.num_layers);
        assert_eq!(count(graph, "MatMulNBits") + count(graph, "QuantizeLinear"), 0);
    });
    assert_within(ConversionTarget::Fp8, found, FP8);
}
