//! Graphs for every provider and precision, checked without the device: each node has a kernel for its types, ONNX
//! Runtime's own inference accepts the types, and what is computed is what fp32 computes, to rounding.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::Path;

use crate::common::layouts::{all_graphs, all_graphs_in, all_graphs_on, outputs, outputs_of};
use ndarray::{Array2, ArrayD};
use wandeck::core::{Bytes, CancelToken, DeviceId, Fix, Kind, PrecisionChoice, Provider, ProviderChoice};
use wandeck::engine::{Device, Input, Session, SessionFile, SessionOptions, check_kernels};
use wandeck::models;
use wandeck::models::convert::{ConversionOptions, ConversionTarget, convert};
use wandeck::onnx::{
    Attr, ComputeType, DenseRows, Dtype, Graph, GraphBuilder, GraphTarget, NodeProto, RepackTarget,
    ValueSpec, Var, Weights, export,
};
use wandeck::pipeline::{ComputePlan, SecondDevice};
use wandeck::wan::Checkpoint;

use crate::common;

/// `TensorProto.DataType` of fp32 and bf16.
const FP32: i64 = 1;
const FP16: i64 = 10;
const BF16: i64 = 16;
/// Bounds of the relative L2 distance from fp32, on models of a few layers. Measured at most: transformers 4.1e-4 in
/// fp16 and 4.1e-3 in bf16, text encoders 5.0e-4 and 5.3e-3, VAEs 9.2e-4 in fp16.
const FP16_DISTANCE: f64 = 2e-3;
const BF16_DISTANCE: f64 = 1e-2;

/// The tiny models with random weights in fp32 and bf16, and the shipped toys.
fn every_model(parent: &Path) -> Vec<Checkpoint> {
    let tiny = ["tiny-t2v", "tiny-i2v", "tiny-ti2v"].map(|name| common::whole_golden_model(name, parent));
    let toys = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let toys = ["toy-t2v-A14B", "toy-i2v-A14B", "toy-ti2v-5B"].map(|name| toys.join(name));
    tiny.iter().chain(&toys).map(|dir| models::open(dir).unwrap()).collect()
}

fn graphs_for(model: &Checkpoint, types: &ComputePlan) -> Vec<(&'static str, Graph)> {
    all_graphs_on(model, [types.text, types.transformer, types.vae], |_| types.device.provider)
}

fn distance(found: &ArrayD<f32>, expected: &ArrayD<f32>) -> f64 {
    assert_eq!(found.shape(), expected.shape());
    assert!(found.iter().all(|value| value.is_finite()));
    let square = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>();
    let apart = square(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    (apart / square(&mut expected.iter().copied())).sqrt()
}

#[test]
fn every_graph_has_its_kernels() {
    use PrecisionChoice::{Auto, Bf16, Fp16, Fp32};
    let dir = tempfile::tempdir().unwrap();
    let mut num_graphs = 0;
    for model in every_model(dir.path()) {
        for (provider, precisions) in [
            (Provider::Cpu, &[Auto, Fp32][..]),
            (Provider::Cuda, &[Auto, Fp32, Bf16, Fp16][..]),
            (Provider::TensorRt, &[Auto, Fp32, Bf16, Fp16][..]),
            (Provider::Rtx, &[Auto, Fp32, Bf16, Fp16][..]),
            (Provider::WebGpu, &[Auto, Fp32][..]),
            (Provider::OpenVino, &[Auto, Fp32][..]),
        ] {
            for &precision in precisions {
                let types = ComputePlan::on(provider, None, precision, &model).unwrap();
                for (name, graph) in graphs_for(&model, &types) {
                    let checked = check_kernels(&graph, provider);
                    assert!(checked.is_ok(), "{} {name} {provider} {precision:?}: {checked:?}", model.id);
                    num_graphs += 1;
                }
            }
        }
    }
    assert!(num_graphs > 500, "{num_graphs}");
}

#[test]
fn what_a_provider_cannot_compute_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let model = models::open(&common::whole_golden_model("tiny-ti2v", dir.path())).unwrap();
    let refusal = |compute, provider, wanted: &str| {
        let graphs = all_graphs_in(&model, [compute; 3]);
        let (_, graph) = graphs.iter().find(|(name, _)| *name == wanted).unwrap();
        let error = check_kernels(graph, provider).unwrap_err();
        assert_eq!((error.kind, error.field_name()), (Kind::Unsupported, Some("precision")), "{error:#}");
        // nothing is loaded either: the runtime is not even asked
        let options =
            SessionOptions { device: DeviceId { provider, ..DeviceId::CPU }, ..SessionOptions::default() };
        let refused = Session::load(&common::runtime(), graph, &options, &CancelToken::new()).err().unwrap();
        assert_eq!(refused.to_string(), error.to_string());
        error.to_string()
    };
    let text = refusal(ComputeType::Bf16, Provider::Cpu, "transformer");
    assert_eq!(text, "CPU does not support Gemm in bf16, needed by the transformer");
    assert!(refusal(ComputeType::Fp16, Provider::Cpu, "text_encoder").contains("support Gemm in fp16"));
    assert!(refusal(ComputeType::Bf16, Provider::Cuda, "vae_decoder").contains("support Resize in bf16"));

    let weights = &model.vae.weights;
    let op = |op: &'static str, others: &dyn Fn(&mut GraphBuilder<'_>, &Var) -> Var| {
        let mut g = GraphBuilder::new("wrong", weights).with_compute(ComputeType::Bf16);
        let x = g.input(ValueSpec::new("x", Dtype::F32, [4.into(), 4.into()]));
        let x = g.narrow(&x);
        let other = others(&mut g, &x);
        let y = g.op(op, &[&x, &other], &[]);
        let y = g.widen(&y);
        g.output(&y, ValueSpec::new("y", Dtype::F32, ["rows".into(), "columns".into()]));
        g.finish()
    };
    let pad = op("Pad", &|g, _| g.ints(&[1, 0, 0, 0]));
    let text = check_kernels(&pad, Provider::Cuda).unwrap_err().to_string();
    assert_eq!(text, "CUDA does not support Pad in bf16, needed by the wrong");
    let product = op("MatMul", &|_, x| x.clone());
    check_kernels(&product, Provider::Cuda).unwrap();
    let text = check_kernels(&product, Provider::Cpu).unwrap_err().to_string();
    assert_eq!(text, "CPU does not support MatMul in bf16, needed by the wrong");
}

#[test]
fn precision_follows_the_question_the_weights_and_the_card() {
    use PrecisionChoice::{Auto, Bf16, Fp16, Fp32};
    let dir = tempfile::tempdir().unwrap();
    let model = models::open(&common::whole_golden_model("tiny-t2v", dir.path())).unwrap();
    let card = |capability| Device {
        ordinal: 0,
        uuid: None,
        name: "A card".to_owned(),
        capability,
        memory: Bytes(24 << 30),
        cuda: (13, 0),
    };
    let (old, new) = (card((7, 5)), card((8, 9)));
    let (wide, brain, half) = (ComputeType::Fp32, ComputeType::Bf16, ComputeType::Fp16);
    for (precision, device, expected) in [
        (Auto, &new, Some([brain, brain, wide])),
        (Auto, &old, Some([wide, half, wide])),
        (Bf16, &new, Some([brain, brain, wide])),
        (Bf16, &old, None),
        (Fp16, &new, Some([brain, half, half])),
        (Fp32, &old, Some([wide; 3])),
    ] {
        let types = ComputePlan::on(Provider::Cuda, Some(device), precision, &model);
        let found = types.as_ref().ok().map(|types| [types.text, types.transformer, types.vae]);
        assert_eq!(found, expected, "{precision:?} {device}");
        if let Ok(types) = types {
            assert_eq!((types.exact, types.precision), (precision == Fp32, types.transformer.word()));
        }
    }
    let error = ComputePlan::on(Provider::Cpu, None, Bf16, &model).unwrap_err();
    assert!(error.message.contains("does not compute in bf16"), "{error:#}");
}

#[test]
fn types_that_do_not_go_together_are_found() {
    let weights = Weights::open(&common::golden_model("tiny-t2v/vae"), "diffusion_pytorch_model").unwrap();
    let build = |cast_both: bool| {
        let mut g = GraphBuilder::new("wrong", &weights).with_compute(ComputeType::Bf16);
        let x = g.input(ValueSpec::new("x", Dtype::F32, [4.into(), 4.into()]));
        let narrow = g.narrow(&x);
        let other = if cast_both { narrow.clone() } else { x };
        let y = g.op("Gemm", &[&narrow, &other], &[("transB", Attr::Int(1))]);
        let y = g.widen(&y);
        g.output(&y, ValueSpec::new("y", Dtype::F32, [4.into(), 4.into()]));
        g.finish()
    };
    let nodes = build(true).typed_nodes().unwrap().len();
    assert_eq!(nodes, 3);
    let error = build(false).typed_nodes().unwrap_err();
    assert!(error.message.contains("Gemm has the input x of type fp32, but bf16 is needed"), "{error:#}");
    // an output that is not what the graph says
    let mut g = GraphBuilder::new("wrong", &weights).with_compute(ComputeType::Bf16);
    let x = g.input(ValueSpec::new("x", Dtype::F32, [4.into()]));
    let y = g.narrow(&x);
    g.output(&y, ValueSpec::new("y", Dtype::F32, [4.into()]));
    let error = g.finish().typed_nodes().unwrap_err();
    assert!(error.message.contains("has the type bf16, not fp32"), "{error:#}");
}

fn converted(parent: &Path, target: ConversionTarget) -> Checkpoint {
    let tiny = common::whole_golden_model("tiny-t2v", parent);
    let small = parent.join(target.word());
    convert(&tiny, &small, ConversionOptions::new(target), &CancelToken::new(), &mut |_| {}).unwrap();
    models::open(&small).unwrap()
}

#[test]
fn int4_stays_on_the_cpu_and_int8_is_computed_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    for target in [ConversionTarget::Int8, ConversionTarget::Int4] {
        let small = converted(dir.path(), target);
        let on_card = ComputePlan::on(Provider::Cuda, None, PrecisionChoice::Auto, &small);
        if target == ConversionTarget::Int4 {
            let error = on_card.unwrap_err();
            assert!(format!("{error:#}").contains("Use the provider auto or cpu"), "{error:#}");
        } else {
            let types = on_card.unwrap();
            assert_eq!(types.precision, "bf16");
            assert!(types.reason.contains("transformer bf16 with int8 weights"), "{}", types.reason);
            for (name, graph) in graphs_for(&small, &types) {
                check_kernels(&graph, Provider::Cuda).unwrap_or_else(|error| panic!("{name}: {error:#}"));
                if name == "transformer" || name == "text_encoder" {
                    let nodes = graph.typed_nodes().unwrap();
                    assert!(nodes.iter().filter(|node| node.op == "DequantizeLinear").count() > 10, "{name}");
                }
            }
        }
        let types = ComputePlan::on(Provider::Cpu, None, PrecisionChoice::Auto, &small).unwrap();
        assert_eq!(types.precision, target.word());
        for (name, graph) in graphs_for(&small, &types) {
            check_kernels(&graph, Provider::Cpu).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        }
    }
}

/// The form for a GPU, computed by the CPU: the numbers of the 8-bit matrix and nothing else are multiplied.
#[test]
fn an_int8_product_for_a_gpu_rounds_no_activation() {
    let dir = tempfile::tempdir().unwrap();
    let model = converted(dir.path(), ConversionTarget::Int8);
    let (weights, name) = (&model.transformer.weights, "blocks.0.ffn.net.0.proj.weight");
    let rows = DenseRows::open(weights, name).unwrap();
    let [outputs, inputs] = rows.shape();
    let product = |provider| {
        let target = GraphTarget { provider, compute: ComputeType::Fp32 };
        let mut g = GraphBuilder::new("product", weights).for_target(target);
        let x = g.input(ValueSpec::new("x", Dtype::F32, [3.into(), inputs.into()]));
        let y = g.quantised_product(&x, name, [outputs, inputs]).unwrap().unwrap();
        g.output(&y, ValueSpec::new("y", Dtype::F32, [3.into(), outputs.into()]));
        let session =
            Session::load(&common::runtime(), &g.finish(), &SessionOptions::default(), &CancelToken::new());
        let given = x_of(inputs);
        let given = vec![("x", Input::F32(given.view().into_dyn()))];
        let results = session.unwrap().run(given, &CancelToken::new()).unwrap();
        results[0].view().unwrap().to_owned()
    };
    let matrix = Array2::from_shape_vec((outputs, inputs), rows.rows(0..outputs).unwrap()).unwrap();
    let expected = x_of(inputs).dot(&matrix.t()).into_dyn();
    assert!(distance(&product(Provider::Cuda), &expected) < 1e-6);
    // the CPU's own form rounds the rows of x to 8 bits
    let rounded = distance(&product(Provider::Cpu), &expected);
    assert!((1e-4..2e-2).contains(&rounded), "{rounded}");
}

/// Three rows of numbers.
fn x_of(inputs: usize) -> Array2<f32> {
    Array2::from_shape_fn((3, inputs), |(row, column)| ((row * 31 + column * 17) % 101) as f32 / 50.0 - 1.0)
}

/// A GGUF becomes int8 rows where the card cannot hold it in 16 bits, and 16 bits elsewhere.
#[test]
fn repacked_weights_follow_the_memory_of_the_card() {
    let dir = tempfile::tempdir().unwrap();
    let mut model = models::open(&common::whole_golden_model("tiny-t2v", dir.path())).unwrap();
    // in a form that is repacked
    let gguf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/gguf/wan.gguf");
    model.transformer.weights = Weights::from_files(&[gguf]).unwrap();
    let values: usize =
        model.transformer.weights.iter().map(|(_, info)| info.shape.iter().product::<usize>()).sum();
    let card = |memory: usize| Device {
        ordinal: 0,
        uuid: None,
        name: "A card".to_owned(),
        capability: (8, 9),
        memory: Bytes(memory as u64),
        cuda: (13, 0),
    };
    let target = |memory, precision| {
        let plan = ComputePlan::on(Provider::Cuda, Some(&card(memory)), precision, &model).unwrap();
        plan.repack.transformer
    };
    use PrecisionChoice::{Auto, Fp32};
    assert_eq!(target(values * 4, Auto), RepackTarget::Float(Dtype::Bf16));
    assert_eq!(target(values * 3, Auto), RepackTarget::Int8);
    assert_eq!(target(values * 3, Fp32), RepackTarget::Float(Dtype::F32), "nothing is rounded");
    let budget = |provider| {
        let plan = ComputePlan::on(provider, Some(&card(24 << 30)), Auto, &model).unwrap();
        plan.options().weight_budget
    };
    assert_eq!(budget(Provider::Rtx), Some(Bytes((24 << 30) / 100 * 60)), "it streams what takes more");
    assert_eq!(budget(Provider::Cuda), None);
    // other programs hold a part of a large card
    let beside = |available: usize| {
        let (card, available) = (card(values * 40), Some(Bytes(available as u64)));
        ComputePlan::on_device(Provider::Cuda, Some(&card), available, Auto, &model).unwrap()
    };
    assert_eq!(beside(values * 4).repack.transformer, RepackTarget::Float(Dtype::Bf16));
    assert_eq!(beside(values * 3).repack.transformer, RepackTarget::Int8);
}

/// `TensorRT` for RTX builds no engine with fp8 for a card of 8.6; CUDA dequantises such weights.
#[test]
fn fp8_weights_are_refused_for_a_card_without_fp8() {
    let dir = tempfile::tempdir().unwrap();
    let toy = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B");
    let options = ConversionOptions::new(ConversionTarget::Fp8);
    convert(&toy, &dir.path().join("fp8"), options, &CancelToken::new(), &mut |_| {}).unwrap();
    let model = models::open(&dir.path().join("fp8")).unwrap();
    let card = |capability| Device {
        ordinal: 0,
        uuid: None,
        name: "A card".to_owned(),
        capability,
        memory: Bytes(24 << 30),
        cuda: (13, 0),
    };
    let plan = |provider, capability| {
        ComputePlan::on(provider, Some(&card(capability)), PrecisionChoice::Auto, &model)
    };
    let error = plan(Provider::Rtx, (8, 6)).unwrap_err();
    assert!(error.to_string().contains("fp8") && error.to_string().contains("A card has 8.6"), "{error}");
    assert_eq!(error.fixes(), [Fix::Provider(ProviderChoice::Cuda)]);
    assert!(plan(Provider::Rtx, (8, 9)).is_ok() && plan(Provider::Rtx, (12, 0)).is_ok());
    assert!(plan(Provider::Cuda, (8, 6)).is_ok());
}

#[test]
fn the_second_device_is_another_one_that_computes_in_the_same_types() {
    let model = models::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B")).unwrap();
    let card = |ordinal: u32, capability| Device {
        ordinal,
        uuid: Some(format!("GPU-{ordinal}")),
        name: "A card".to_owned(),
        capability,
        memory: Bytes(24 << 30),
        cuda: (13, 0),
    };
    let plan =
        |precision| ComputePlan::on(Provider::Cuda, Some(&card(0, (8, 9))), precision, &model).unwrap();
    let bf16 = plan(PrecisionChoice::Bf16);
    let second = SecondDevice::beside(&bf16, &card(1, (8, 6))).unwrap();
    assert_eq!((second.id.ordinal, second.id.provider), (1, Provider::Cuda));
    let same = SecondDevice::beside(&bf16, &card(0, (8, 9))).unwrap_err();
    assert!(same.to_string().contains("already runs on CUDA device 0"), "{same}");
    let error = SecondDevice::beside(&bf16, &card(1, (7, 5))).unwrap_err();
    assert!(error.to_string().contains("does not compute in bf16"), "{error}");
    assert!(SecondDevice::beside(&plan(PrecisionChoice::Fp16), &card(1, (7, 5))).is_ok());
}

/// ONNX Runtime infers all types before it looks for kernels, so a graph that is refused for want of one is sound.
#[test]
fn the_runtime_accepts_the_types_of_bf16_graphs() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = common::runtime();
    for model in every_model(&dir.path().join("models")) {
        for (name, graph) in all_graphs_in(&model, [ComputeType::Bf16; 3]) {
            let (path, _) = export(&graph, &dir.path().join(&model.id).join(name)).unwrap();
            let output = &graph.spec.outputs[0].name;
            let opened = Session::open(
                &runtime,
                &SessionFile { name: graph.name, path: &path, output },
                &SessionOptions::default(),
                &CancelToken::new(),
            );
            let error = opened.err().unwrap();
            assert_eq!(error.kind, Kind::Unsupported, "{} {name}: {error:#}", model.id);
            assert!(format!("{error:#}").contains("Could not find an implementation"), "{error:#}");
        }
    }
}

/// The forms without ONNX Runtime's own activations, computed by the CPU.
#[test]
fn plain_graphs_compute_what_the_others_do() {
    let dir = tempfile::tempdir().unwrap();
    for model in every_model(dir.path()) {
        let plain = all_graphs_on(&model, [ComputeType::Fp32; 3], |_| Provider::Rtx);
        for ((name, graph), (_, fused)) in plain.iter().zip(all_graphs(&model)) {
            let ops: Vec<_> = graph.typed_nodes().unwrap().into_iter().filter(|node| node.contrib).collect();
            assert!(ops.iter().all(|node| node.op == "MultiHeadAttention"), "{name}: {ops:?}");
            let (found, expected) = (outputs(graph), outputs(&fused));
            for (output, value) in &found {
                let distance = distance(value, &expected[output]);
                assert!(distance < 2e-6, "{} {name} {output}: {distance:e}", model.id);
            }
        }
    }
}

/// The CPU provider has few kernels for fp16 and casts around the others, rounding each result: fp16 as it is meant.
#[test]
fn fp16_graphs_compute_what_fp32_graphs_do() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = common::runtime();
    for model in every_model(&dir.path().join("models")) {
        let half = all_graphs_in(&model, [ComputeType::Fp16; 3]);
        for ((name, graph), (_, exact)) in half.iter().zip(all_graphs(&model)) {
            let (path, _) = export(graph, &dir.path().join(&model.id).join(name)).unwrap();
            let output = &graph.spec.outputs[0].name;
            let session = Session::open(
                &runtime,
                &SessionFile { name: graph.name, path: &path, output },
                &SessionOptions::default(),
                &CancelToken::new(),
            )
            .unwrap();
            let distance = distance(&outputs_of(session, graph)[output], &outputs(&exact)[output]);
            println!("{} {name} fp16: {distance:.1e}", model.id);
            assert!(distance < FP16_DISTANCE, "{} {name}: {distance:e}", model.id);
            assert!(distance > 0.0, "{} {name} is not computed in fp16", model.id);
        }
    }
}

/// A bf16 graph with fp32 in the place of bf16 is the fp32 graph; with values rounded to bf16 on their way into each
/// product it is near it. What a device adds is the rounding of each product's result.
#[test]
fn bf16_graphs_compute_what_fp32_graphs_do() {
    let dir = tempfile::tempdir().unwrap();
    for model in every_model(dir.path()) {
        let narrow = all_graphs_in(&model, [ComputeType::Bf16, ComputeType::Bf16, ComputeType::Fp32]);
        for ((name, graph), (_, exact)) in narrow.iter().zip(all_graphs(&model)) {
            if name.starts_with("vae") {
                continue;
            }
            let exact = outputs(&exact);
            let output = &graph.spec.outputs[0].name;
            let (wide, rounded) =
                (outputs(&without_halves(graph, false)), outputs(&without_halves(graph, true)));
            let same = distance(&wide[output], &exact[output]);
            let near = distance(&rounded[output], &exact[output]);
            println!("{} {name} bf16: {same:.1e} unrounded, {near:.1e} rounded", model.id);
            assert!(same < 2e-6, "{} {name}: {same:e}", model.id);
            assert!(near < BF16_DISTANCE, "{} {name}: {near:e}", model.id);
        }
    }
}

/// For CUDA the gates are multiplied into the matrices, and in fp8 into their scales.
#[test]
fn gated_matrices_of_8_bits_compute_what_the_others_do() {
    let dir = tempfile::tempdir().unwrap();
    let model = common::whole_golden_model("tiny-t2v", dir.path());
    let narrow = dir.path().join("fp8");
    let options = ConversionOptions::new(ConversionTarget::Fp8);
    convert(&model, &narrow, options, &CancelToken::new(), &mut |_| {}).unwrap();
    let model = models::open(&narrow).unwrap();
    let on = |provider| all_graphs_on(&model, [ComputeType::Fp32; 3], |_| provider);
    let mut num_transformers = 0;
    for ((name, graph), (_, exact)) in on(Provider::Cuda).iter().zip(on(Provider::Cpu)) {
        if !name.starts_with("transformer") {
            continue;
        }
        let output = &graph.spec.outputs[0].name;
        let distance = distance(&outputs(graph)[output], &outputs(&exact)[output]);
        println!("{name}: {distance:.1e}");
        assert!(distance < 1e-5, "{name}: {distance:e}");
        num_transformers += 1;
    }
    assert!(num_transformers > 0);
}

/// The graph with every value of a 16-bit type in fp32, rounded to that type before if that is wanted.
fn without_halves(graph: &Graph, rounded: bool) -> Graph {
    let mut graph = graph.clone();
    let inner = graph.model.graph.as_mut().unwrap();
    let half = |node: &NodeProto| {
        let to = (node.op_type.as_deref() == Some("Cast")).then(|| node.attribute[0].i)?;
        to.filter(|to| [FP16, BF16].contains(to))
    };
    let pattern = inner.node.iter().find(|node| half(node).is_some()).unwrap().clone();
    let cast = |from: &str, to: &str, dtype: i64| {
        let mut node = pattern.clone();
        (node.input[0], node.output[0], node.name) = (from.to_owned(), to.to_owned(), Some(to.to_owned()));
        node.attribute[0].i = Some(dtype);
        node
    };
    // weights that lie in the file as bf16 are widened where they are used
    let stored = inner.initializer.iter().filter(|tensor| tensor.data_type == Some(BF16 as i32));
    let stored: Vec<_> = stored.filter_map(|tensor| tensor.name.clone()).collect();
    let mut nodes: Vec<_> = stored.iter().map(|name| cast(name, &format!("{name}/wide"), FP32)).collect();
    for mut node in std::mem::take(&mut inner.node) {
        let casts = node.op_type.as_deref() == Some("Cast");
        let gathers = node.op_type.as_deref() == Some("Gather");
        if !casts && !gathers {
            for input in node.input.iter_mut().filter(|input| stored.contains(input)) {
                input.push_str("/wide");
            }
        }
        if let Some(half) = half(&node) {
            if rounded {
                let (from, to) = (node.input[0].clone(), node.output[0].clone());
                nodes.push(cast(&from, &format!("{to}/half"), half));
                nodes.push(cast(&format!("{to}/half"), &to, FP32));
                continue;
            }
            node.attribute[0].i = Some(FP32);
        }
        nodes.push(node);
    }
    inner.node = nodes;
    graph
}
