//! Transformers and text encoders whose weights are streamed, a block at a time, against the whole graph.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use ndarray::ArrayD;
use wandeck::core::{CancelToken, Kind, Provider};
use wandeck::engine::{Input, Prepack, Session, SessionOptions, StreamedSession, Tensor};
use wandeck::models::convert::{ConversionOptions, ConversionTarget, convert};
use wandeck::models::synth::{SynthDtype, SynthLayout, SynthModel};
use wandeck::onnx::{ComputeType, Graph, GraphChain, GraphTarget, Weights};
use wandeck::wan::graphs::{self, RowChunks, Segments, TransformerForm};
use wandeck::wan::{TextEncoderConfig, TransformerConfig, text};

use crate::common::{self, layouts};
use crate::graph_parity::{TRANSFORMER, transform, with_inputs};

/// A transformer whose blocks' weights are read again in every pass computes the same bits.
#[test]
fn a_streamed_transformer_computes_the_same() {
    for (model, reference, segments) in [
        ("tiny-t2v", "dit_t2v_high", Segments::One),
        ("tiny-i2v", "dit_i2v", Segments::One),
        ("tiny-ti2v", "dit_ti2v_two", Segments::Two),
    ] {
        let dir = common::golden_model(model).join("transformer");
        let config: TransformerConfig = common::config(&dir);
        let weights = Weights::open(&dir, TRANSFORMER).unwrap();
        let golden = common::golden(reference);
        let [at_once, _, in_four] = RowChunks::ALL;
        for (provider, row_chunks) in
            [(Provider::Cpu, at_once), (Provider::Cuda, at_once), (Provider::Cuda, in_four)]
        {
            let target = GraphTarget { provider, compute: ComputeType::Fp32 };
            let form = TransformerForm { segments, row_chunks };
            let chain = graphs::streamed_transformer(&config, &weights, form, target, &[]).unwrap();
            assert_eq!(chain.blocks.len(), config.num_layers);
            // packed weights round a single row in another order, which a form for a GPU has
            let prepack = if provider == Provider::Cpu { Prepack::Packed } else { Prepack::InPlace };
            let options = SessionOptions { prepack, ..SessionOptions::default() };
            let mut streamed =
                StreamedSession::load(&common::runtime(), &chain, &options, &CancelToken::new()).unwrap();
            let whole = graphs::transformer(&config, &weights, form, target).unwrap();
            let mut whole = Session::load(&common::runtime(), &whole, &options, &CancelToken::new()).unwrap();
            let mut streamed = |hidden: &ArrayD<f32>, memory: Option<Tensor>, cancel: &CancelToken| {
                let run = |inputs: Vec<(&str, Input<'_>)>| match memory {
                    Some(memory) => streamed.run_into(memory, &inputs, cancel),
                    None => streamed.run(&inputs, cancel),
                };
                with_inputs(&config, &golden, hidden, segments, run)
            };
            let cancelled = CancelToken::new();
            cancelled.cancel();
            for suffix in ["", "_b", ""] {
                let hidden = golden.f32(&format!("hidden_states{suffix}"));
                let expected = transform(&mut whole, &config, &golden, &hidden, segments);
                let expected = expected.view().unwrap();
                for memory in [None, Some(whole.allocate(expected.shape()).unwrap())] {
                    let found = streamed(&hidden, memory, &CancelToken::new()).unwrap();
                    assert_eq!(found.view().unwrap(), expected, "{model} {provider}");
                }
                // a run after an interrupted one begins with the first block, too
                assert_eq!(streamed(&hidden, None, &cancelled).err().unwrap().kind, Kind::Cancelled);
            }
        }
    }
}

fn load_streamed(chain: &GraphChain) -> StreamedSession {
    let (options, cancel) = (SessionOptions::default(), CancelToken::new());
    StreamedSession::load(&common::runtime(), chain, &options, &cancel).unwrap()
}

/// The file ends within the weights of a block: the run says which file it is, and the next run says it again.
#[cfg(unix)]
#[test]
fn a_streamed_transformer_names_a_file_that_was_cut() {
    let dir = common::golden_model("tiny-t2v").join("transformer");
    let config: TransformerConfig = common::config(&dir);
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(&dir).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    let weights = Weights::open(copy.path(), TRANSFORMER).unwrap();
    let chain =
        graphs::streamed_transformer(&config, &weights, Segments::One, ComputeType::Fp32, &[]).unwrap();
    let mut streamed = load_streamed(&chain);
    let source = &chain.blocks.last().unwrap().weights.first().unwrap().source;
    std::fs::File::options().write(true).open(&source.path).unwrap().set_len(source.bytes.end - 8).unwrap();
    let golden = common::golden("dit_t2v_high");
    let hidden = golden.f32("hidden_states");
    for _ in 0..3 {
        let run = |inputs: Vec<(&str, Input<'_>)>| streamed.run(&inputs, &CancelToken::new());
        let error = with_inputs(&config, &golden, &hidden, Segments::One, run).err().unwrap();
        assert_eq!(error.kind, Kind::Io, "{error:#}");
        assert!(format!("{error:#}").contains(source.path.to_str().unwrap()), "{error:#}");
    }
}

/// A text encoder whose blocks' weights are read again for each prompt computes the same bits.
#[test]
fn a_streamed_text_encoder_computes_the_same() {
    for (model, reference) in [("tiny-t2v/text_encoder", "umt5"), ("umt5-bf16", "umt5_bf16")] {
        let dir = common::golden_model(model);
        let config: TextEncoderConfig = common::config(&dir);
        let weights = Weights::open(&dir, "model").unwrap();
        let golden = common::golden(reference);
        for provider in [Provider::Cpu, Provider::Cuda] {
            let target = GraphTarget { provider, compute: ComputeType::Fp32 };
            let chain = graphs::streamed_text_encoder(&config, &weights, target).unwrap();
            assert_eq!(chain.blocks.len(), config.num_layers);
            // packed weights round a single row in another order
            let options = SessionOptions { prepack: Prepack::InPlace, ..SessionOptions::default() };
            let whole = graphs::text_encoder(&config, &weights, target).unwrap();
            let mut whole = Session::load(&common::runtime(), &whole, &options, &CancelToken::new()).unwrap();
            let mut streamed = load_streamed(&chain);
            for suffix in ["", "_empty", "_long", ""] {
                let ids = golden.i64(&format!("ids{suffix}"));
                let buckets = text::relative_buckets(ids.len());
                let buckets = ArrayD::from_shape_vec(vec![ids.len(), ids.len()], buckets).unwrap();
                let inputs =
                    [("input_ids", Input::I64(ids.view())), ("rel_bucket", Input::I64(buckets.view()))];
                let expected = whole.run(inputs.to_vec(), &CancelToken::new()).unwrap().swap_remove(0);
                let found = streamed.run(&inputs, &CancelToken::new()).unwrap();
                assert_eq!(found.view().unwrap(), expected.view().unwrap(), "{model}{suffix} {provider}");
            }
        }
    }
}

/// Weights of 16 and 8 bits, which the CPU converts or multiplies as they are: each block gets its own bytes.
#[test]
fn streamed_weights_of_every_type_compute_the_same_on_the_cpu() {
    let dir = tempfile::tempdir().unwrap();
    let fp32 = dir.path().join("fp32");
    layouts::write(&layouts::narrow(SynthModel::T2vA14b), SynthLayout::Diffusers, SynthDtype::Fp32, &fp32);
    let mut models = vec![fp32.clone()];
    let targets =
        [ConversionTarget::Bf16, ConversionTarget::Fp8, ConversionTarget::Int8, ConversionTarget::Int4];
    for target in targets {
        let folder = dir.path().join(target.word());
        convert(&fp32, &folder, ConversionOptions::new(target), &CancelToken::new(), &mut |_| {}).unwrap();
        models.push(folder);
    }
    for folder in &models {
        let model = wandeck::models::open(folder).unwrap();
        let (dit, encoder) = (&model.transformer, &model.text_encoder);
        let fp32 = ComputeType::Fp32;
        let segments = Segments::One;
        let transformer = graphs::transformer(&dit.config, &dit.weights, segments, fp32).unwrap();
        let chain = graphs::streamed_transformer(&dit.config, &dit.weights, segments, fp32, &[]).unwrap();
        assert_same(&transformer, &chain, &folder.display().to_string());
        let whole = graphs::text_encoder(&encoder.config, &encoder.weights, fp32).unwrap();
        let chain = graphs::streamed_text_encoder(&encoder.config, &encoder.weights, fp32).unwrap();
        assert_same(&whole, &chain, &folder.display().to_string());
    }
}

fn assert_same(whole: &Graph, chain: &GraphChain, what: &str) {
    let options = SessionOptions { prepack: Prepack::InPlace, ..SessionOptions::default() };
    let (runtime, cancel) = (common::runtime(), CancelToken::new());
    let expected = layouts::outputs_of(Session::load(&runtime, whole, &options, &cancel).unwrap(), whole);
    let options = SessionOptions { prepack: Prepack::Streamed, ..options };
    let mut streamed = StreamedSession::load(&runtime, chain, &options, &cancel).unwrap();
    let (floats, ints) = layouts::inputs_of(whole);
    let floats = floats.iter().map(|(name, value)| (name.as_str(), Input::F32(value.view())));
    let inputs = floats.chain(ints.iter().map(|(name, value)| (name.as_str(), Input::I64(value.view()))));
    let found = streamed.run(&inputs.collect::<Vec<_>>(), &cancel).unwrap();
    let expected = expected.values().next().unwrap();
    assert!(expected.iter().any(|value| *value != 0.0), "{what}");
    assert_eq!(found.view().unwrap(), expected.view(), "{} of {what}", whole.name);
}
