//! Transformers whose weights are streamed, a block at a time, against the whole graph.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use ndarray::ArrayD;
use wandeck::core::{CancelToken, Kind, Provider};
use wandeck::engine::{Input, SessionOptions, StreamedSession};
use wandeck::onnx::{ComputeType, GraphChain, GraphTarget, Weights};
use wandeck::wan::TransformerConfig;
use wandeck::wan::graphs::{self, Segments};

use crate::common;
use crate::graph_parity::{TRANSFORMER, load, transform, with_inputs};

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
        for provider in [Provider::Cpu, Provider::Cuda] {
            let target = GraphTarget { provider, compute: ComputeType::Fp32 };
            let chain = graphs::streamed_transformer(&config, &weights, segments, target, &[]).unwrap();
            assert_eq!(chain.blocks.len(), config.num_layers);
            let mut whole = load(&graphs::transformer(&config, &weights, segments, target).unwrap());
            let mut streamed = load_streamed(&chain);
            let mut streamed = |hidden: &ArrayD<f32>, cancel: &CancelToken| {
                let run = |inputs: Vec<(&str, Input<'_>)>| streamed.run(&inputs, cancel);
                with_inputs(&config, &golden, hidden, segments, run)
            };
            let cancelled = CancelToken::new();
            cancelled.cancel();
            for suffix in ["", "_b", ""] {
                let hidden = golden.f32(&format!("hidden_states{suffix}"));
                let expected = transform(&mut whole, &config, &golden, &hidden, segments);
                let found = streamed(&hidden, &CancelToken::new()).unwrap();
                assert_eq!(found.view().unwrap(), expected.view().unwrap(), "{model} {provider}");
                // a run after an interrupted one begins with the first block, too
                assert_eq!(streamed(&hidden, &cancelled).err().unwrap().kind, Kind::Cancelled);
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
