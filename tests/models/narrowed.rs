//! fp32 matrices that are narrowed before they are loaded: the numbers are those of ONNX Runtime's cast, and the rest of the
//! file is unchanged.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::{Path, PathBuf};

use ndarray::ArrayD;
use safetensors::tensor::TensorView;
use tempfile::NamedTempFile;
use wandeck::core::{Bytes, CancelToken, PrecisionChoice, Provider};
use wandeck::engine::{Input, Session, SessionOptions};
use wandeck::models;
use wandeck::models::synth::{self, Shapes, SynthDtype, SynthLayout, SynthModel, SynthWeights};
use wandeck::onnx::{Dtype, GraphBuilder, Repack, RepackTarget, RowReader, ValueSpec, Weights};
use wandeck::pipeline::{ComputePlan, RepackedModel};
use wandeck::wan::names::is_block_linear;

use crate::common::{self, layouts};

/// A matrix of a linear layer.
const NARROWED: &str = "encoder.block.0.layer.0.SelfAttention.q.weight";
/// A table that is larger than it and no linear layer.
const TABLE: &str = "shared.weight";
/// Values of the matrix: with an odd number, the last piece is a short one.
const COUNT: usize = 3 * 4099;

/// fp32 of every sign and size: random bits, ties between two narrow values, the smallest and the largest.
fn values(largest: f32) -> Vec<f32> {
    let mut bits = 7_u32;
    let random = std::iter::repeat_with(move || {
        bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from_bits(bits)
    });
    let ties = (0..512).flat_map(|at| [f32::from_bits(0x3f80_8000 + (at << 16)), 1.0 + at as f32 / 2048.0]);
    let edges = [0.0, -0.0, f32::MIN_POSITIVE, f32::from_bits(1), largest, -largest, 3e-8, 6e-8, 1.5e-5];
    let usable = edges.into_iter().chain(ties).chain(random);
    usable.filter(|value| value.is_finite() && value.abs() <= largest).take(COUNT).collect()
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A file with the matrix, a larger table and a bias.
fn write(dir: &Path, matrix: &[f32]) -> PathBuf {
    let (table, bias) = (bytes(&vec![0.1; 4 * COUNT]), bytes(&[0.1, -0.2, 0.3]));
    let matrix = bytes(matrix);
    let view =
        |shape: &[usize], data| TensorView::new(safetensors::Dtype::F32, shape.to_vec(), data).unwrap();
    let tensors = [
        (NARROWED, view(&[3, COUNT / 3], matrix.as_slice())),
        (TABLE, view(&[4, COUNT], table.as_slice())),
        ("blocks.0.ffn.bias", view(&[3], bias.as_slice())),
    ];
    let path = dir.join("model.safetensors");
    std::fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
    path
}

fn plan(source: &Weights, target: RepackTarget, most_cast: u64, dir: &Path) -> Option<Repack> {
    Repack::plan(source, target, is_block_linear, Bytes(most_cast), dir).unwrap()
}

/// What ONNX Runtime makes of `values` by a cast to `dtype`.
fn cast(source: &Weights, values: &[f32], dtype: Dtype) -> Vec<f32> {
    let spec = |name: &str| ValueSpec::new(name, Dtype::F32, ["values".into()]);
    let mut graph = GraphBuilder::new("cast", source);
    let x = graph.input(spec("x"));
    let narrow = graph.cast(&x, dtype);
    let wide = graph.cast_f32(&narrow);
    graph.output(&wide, spec("y"));
    let (options, cancel) = (SessionOptions::default(), CancelToken::new());
    let mut session = Session::load(&common::runtime(), &graph.finish(), &options, &cancel).unwrap();
    let values = ArrayD::from_shape_vec(vec![values.len()], values.to_vec()).unwrap();
    let cast = session.run(vec![("x", Input::F32(values.view()))], &cancel).unwrap();
    cast[0].view().unwrap().iter().copied().collect()
}

#[test]
fn narrowed_matrices_have_the_numbers_of_a_cast() {
    for (dtype, largest) in [(Dtype::Bf16, f32::MAX), (Dtype::F16, 65_504.0)] {
        let dir = tempfile::tempdir().unwrap();
        let values = values(largest);
        let source = Weights::from_files(&[write(dir.path(), &values)]).unwrap();
        let repack = plan(&source, RepackTarget::Float(dtype), 0, dir.path()).unwrap();
        // the table, which has more bytes, stays what it is
        assert_eq!((repack.source_forms(), repack.result_form()), ("fp32".to_owned(), dtype.to_string()));
        assert_eq!(repack.weights().get(TABLE).unwrap().dtype, Dtype::F32);
        let stage = || NamedTempFile::new_in(dir.path());
        let narrow = repack.write(&stage, &CancelToken::new(), &mut |_| {}).unwrap();
        assert!(repack.is_written());
        assert_eq!(std::fs::metadata(repack.path()).unwrap().len(), repack.size().0);
        let info = narrow.get(NARROWED).unwrap();
        assert_eq!((info.dtype, &info.shape[..]), (dtype, &[3, COUNT / 3][..]));

        let read = RowReader::new(&narrow, NARROWED).unwrap().raw_values(0..COUNT).unwrap();
        let expected = cast(&source, &values, dtype);
        let differ = |(found, expected): &(&f32, &f32)| found.to_bits() != expected.to_bits();
        assert_eq!(read.iter().zip(&expected).find(differ), None, "{dtype}");
        for name in [TABLE, "blocks.0.ffn.bias"] {
            let read = |weights: &Weights| weights.bytes(weights.get(name).unwrap()).unwrap();
            assert!(read(&narrow) == read(&source), "{name}");
        }
    }
}

#[test]
fn few_matrices_and_those_that_stay_wide_are_left_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let source = Weights::from_files(&[write(dir.path(), &values(1.0))]).unwrap();
    let is_narrowed =
        |target, most_cast| plan(&source, RepackTarget::Float(target), most_cast, dir.path()).is_some();
    let size = 4 * COUNT as u64;
    assert!(is_narrowed(Dtype::Bf16, size - 1));
    assert!(!is_narrowed(Dtype::Bf16, size), "only linear layers count");
    assert!(!is_narrowed(Dtype::F32, 0));
    assert!(plan(&source, RepackTarget::Int8, 0, dir.path()).is_none(), "the CPU computes with fp32");
}

/// The file counts as disk space that a job needs, as those of other forms do.
#[test]
fn a_card_in_16_bits_needs_a_file_of_an_fp32_checkpoint() {
    /// Values of the matrices of a block of TI2V-5B.
    const BLOCK: u64 = 8 * 3072 * 3072 + 2 * 3072 * 14_336;
    let dir = tempfile::tempdir().unwrap();
    let mut shapes = Shapes::official(SynthModel::Ti2v5b);
    (shapes.transformer.num_layers, shapes.text_encoder.num_layers) = (2, 1);
    shapes.text_encoder.vocab_size = 1000;
    let checkpoint = synth::plan(&shapes, SynthLayout::Diffusers, SynthDtype::Fp32, &layouts::ALL).unwrap();
    let sparse = SynthWeights { seed: 1, sparse: true };
    checkpoint.write(dir.path(), sparse, &CancelToken::new(), &mut |_| {}).unwrap();
    let model = models::open(dir.path()).unwrap();
    let cache = dir.path().join("cache");
    let planned = |provider, precision| {
        let compute = ComputePlan::on(provider, None, precision, &model).unwrap();
        RepackedModel::plan(&model, &compute, &cache).unwrap()
    };
    let narrow = planned(Provider::Cuda, PrecisionChoice::Auto);
    // the matrices of its blocks in half the bytes, and 344 MiB outside of the blocks
    let [file] = narrow.files()[..] else { panic!("{:?}", narrow.files()) };
    assert!(file.starts_with(&cache) && !file.exists());
    let (size, least) = (narrow.size_to_write().0, 2 * 2 * BLOCK);
    assert!((least..least + (350 << 20)).contains(&size), "{size} of {least}");
    let dtype = |weights: &Weights, name: &str| weights.get(name).unwrap().dtype;
    let computed = narrow.checkpoint();
    assert_eq!(dtype(&computed.transformer.weights, "blocks.1.ffn.net.2.weight"), Dtype::Bf16);
    assert_eq!(dtype(&computed.transformer.weights, "blocks.1.ffn.net.2.bias"), Dtype::F32);
    // a single layer of the text encoder has less than 1 GiB
    assert_eq!(dtype(&computed.text_encoder.weights, NARROWED), Dtype::F32);
    for (provider, precision) in
        [(Provider::Cuda, PrecisionChoice::Fp32), (Provider::Cpu, PrecisionChoice::Auto)]
    {
        assert_eq!(planned(provider, precision).size_to_write(), Bytes(0), "{provider} {precision:?}");
    }
}
