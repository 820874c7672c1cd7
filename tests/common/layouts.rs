//! Models in every layout for the tests of layouts.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::ArrayD;
use wandeck::core::{CancelToken, Provider};
use wandeck::engine::{Input, Session, SessionOptions};
use wandeck::models::synth::{
    Shapes, SynthComponent, SynthDtype, SynthLayout, SynthModel, SynthWeights, plan,
};
use wandeck::onnx::{ComputeType, Dim, Dtype, Graph, GraphTarget, TensorInfo, Weights};
use wandeck::wan::Checkpoint;
use wandeck::wan::graphs::{self, Segments, StreamCall};

pub(crate) const ALL: [SynthComponent; 3] =
    [SynthComponent::Transformer, SynthComponent::TextEncoder, SynthComponent::Vae];

/// A model of few and narrow layers; heads are 128 wide, because shapes show nothing else.
pub(crate) fn narrow(like: SynthModel) -> Shapes {
    let mut shapes = Shapes::official(like);
    let (dit, text, vae) = (&mut shapes.transformer, &mut shapes.text_encoder, &mut shapes.vae);
    (dit.num_attention_heads, dit.ffn_dim, dit.num_layers, dit.text_dim) = (1, 192, 2, 64);
    (text.vocab_size, text.d_model, text.d_kv, text.d_ff) = (128, 64, 16, 96);
    (text.num_layers, text.num_heads) = (2, 4);
    vae.base_dim = 8;
    vae.decoder_base_dim = Some(if vae.is_residual { 12 } else { 8 });
    shapes
}

pub(crate) fn write(shapes: &Shapes, layout: SynthLayout, dtype: SynthDtype, dir: &Path) {
    let weights = SynthWeights { seed: 7, sparse: false };
    plan(shapes, layout, dtype, &ALL).unwrap().write(dir, weights, &CancelToken::new(), &mut |_| {}).unwrap();
}

/// The components' weights by name.
pub(crate) fn weights(model: &Checkpoint) -> Vec<(&'static str, &Weights)> {
    let mut all = vec![("transformer", &model.transformer.weights)];
    all.extend(model.transformer_2.iter().map(|second| ("transformer_2", &second.weights)));
    all.extend([("text_encoder", &model.text_encoder.weights), ("vae", &model.vae.weights)]);
    all
}

/// Every graph of a model in fp32.
pub(crate) fn all_graphs(model: &Checkpoint) -> Vec<(&'static str, Graph)> {
    all_graphs_in(model, [ComputeType::Fp32; 3])
}

/// Every graph of a model, in the types of text encoder, transformer and VAE; what is not in fp32 for CUDA.
pub(crate) fn all_graphs_in(model: &Checkpoint, types: [ComputeType; 3]) -> Vec<(&'static str, Graph)> {
    all_graphs_on(
        model,
        types,
        |compute| {
            if compute == ComputeType::Fp32 { Provider::Cpu } else { Provider::Cuda }
        },
    )
}

/// Every graph of a model, in the types of text encoder, transformer and VAE, for the provider of each type.
pub(crate) fn all_graphs_on(
    model: &Checkpoint,
    [for_text, for_transformer, for_vae]: [ComputeType; 3],
    provider: impl Fn(ComputeType) -> Provider,
) -> Vec<(&'static str, Graph)> {
    let segments = if model.expand_timesteps { Segments::Two } else { Segments::One };
    let (text, vae) = (&model.text_encoder, &model.vae);
    let target = |compute| GraphTarget { provider: provider(compute), compute };
    let encoder =
        |chunk| graphs::vae_encoder(&vae.config, &vae.weights, chunk, target(for_vae)).unwrap().graph;
    let mut all = vec![
        ("text_encoder", graphs::text_encoder(&text.config, &text.weights, target(for_text)).unwrap()),
        ("vae_decoder", graphs::vae_decoder(&vae.config, &vae.weights, target(for_vae)).unwrap().graph),
        ("vae_encoder_first", encoder(StreamCall::First)),
        ("vae_encoder", encoder(StreamCall::Later)),
    ];
    let parts = [("transformer", Some(&model.transformer)), ("transformer_2", model.transformer_2.as_ref())];
    for (name, part) in parts.into_iter().filter_map(|(name, part)| Some((name, part?))) {
        let graph = graphs::transformer(&part.config, &part.weights, segments, target(for_transformer));
        all.push((name, graph.unwrap()));
    }
    all
}

/// What a graph makes of numbers that depend on its inputs' names alone.
pub(crate) fn outputs(graph: &Graph) -> BTreeMap<String, ArrayD<f32>> {
    let session =
        Session::load(&super::runtime(), graph, &SessionOptions::default(), &CancelToken::new()).unwrap();
    outputs_of(session, graph)
}

/// Named arrays.
type Named<T> = Vec<(String, ArrayD<T>)>;

/// The outputs of a session that was made of the graph in another way.
pub(crate) fn outputs_of(mut session: Session, graph: &Graph) -> BTreeMap<String, ArrayD<f32>> {
    let (floats, ints) = inputs_of(graph);
    let inputs = floats.iter().map(|(name, value)| (name.as_str(), Input::F32(value.view())));
    let inputs = inputs.chain(ints.iter().map(|(name, value)| (name.as_str(), Input::I64(value.view()))));
    let found = session.run(inputs.collect(), &CancelToken::new()).unwrap();
    let names = session.outputs().iter().cloned();
    names.zip(found.iter().map(|tensor| tensor.view().unwrap().to_owned())).collect()
}

/// Numbers for the inputs of a graph that depend on their names alone.
pub(crate) fn inputs_of(graph: &Graph) -> (Named<f32>, Named<i64>) {
    const TOKENS: usize = 2 * 2 * 3;
    let size = |dim: &Dim, name: &str| match dim {
        Dim::Fixed(size) => *size,
        Dim::Named(dim) => match (&**dim, name) {
            ("frames", _) => 2,
            ("height", "frames") => 32,
            ("width", "frames") => 48,
            ("height", _) => 4,
            ("width", _) => 6,
            ("tokens", "input_ids" | "rel_bucket") => 5,
            ("tokens", _) => TOKENS,
            ("text_rows", _) => 3,
            (cells, _) => {
                // caches and latents, by how often they are halved or doubled
                let (axis, level) = cells.split_once('_').unwrap();
                let level: u32 = level.parse().unwrap();
                let whole = if axis == "height" { 2 } else { 3 };
                match graph.name {
                    "vae_decoder" => whole << level,
                    _ => (whole * 16) >> level >> folded(graph),
                }
            }
        },
    };
    let mut floats = Vec::new();
    let mut ints = Vec::new();
    for spec in &graph.spec.inputs {
        let shape: Vec<_> = spec.dims.iter().map(|dim| size(dim, &spec.name)).collect();
        let count: usize = shape.iter().product();
        if spec.dtype == Dtype::I64 {
            let value = |index: usize| match spec.name.as_str() {
                "pos" => 0,
                "text_index" => index.min(2) as i64,
                "seg_split" => (TOKENS / 2) as i64,
                name => decoder_number(name).unwrap_or((index % 7) as i64),
            };
            ints.push((
                spec.name.clone(),
                ArrayD::from_shape_vec(shape, (0..count).map(value).collect()).unwrap(),
            ));
        } else {
            let value = |index: usize| ((index * 37 + spec.name.len() * 11) % 101) as f32 / 50.0 - 1.0;
            floats.push((
                spec.name.clone(),
                ArrayD::from_shape_vec(shape, (0..count).map(value).collect()).unwrap(),
            ));
        }
    }
    (floats, ints)
}

/// VAE 2.2 folds 2x2 pixels into channels before its first level.
fn folded(graph: &Graph) -> u32 {
    let conv = graph.spec.inputs.iter().filter(|spec| spec.name == "cache_in_0");
    u32::from(conv.into_iter().any(|spec| spec.dims[1] == Dim::Fixed(12)))
}

/// Numbers of a tensor as fp32, by the definitions of the types.
pub(crate) fn floats(weights: &Weights, info: &TensorInfo) -> Vec<f32> {
    let bytes = weights.bytes(info).unwrap();
    let pairs = |bits: fn(u16) -> f32| {
        bytes.chunks_exact(2).map(|b| bits(u16::from_le_bytes([b[0], b[1]]))).collect()
    };
    match info.dtype {
        Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect(),
        Dtype::Bf16 => pairs(|bits| f32::from_bits(u32::from(bits) << 16)),
        Dtype::F16 => pairs(|bits| small_float(u32::from(bits), 5, 10)),
        Dtype::F8E4M3 => bytes.iter().map(|&bits| small_float(u32::from(bits), 4, 3)).collect(),
        other => panic!("{other:?}"),
    }
}

fn small_float(bits: u32, exponent_bits: u32, mantissa_bits: u32) -> f32 {
    let bias = (1 << (exponent_bits - 1)) - 1;
    let mantissa = (bits & ((1 << mantissa_bits) - 1)) as f32;
    let exponent = ((bits >> mantissa_bits) & ((1 << exponent_bits) - 1)) as i32;
    let sign = if bits >> (exponent_bits + mantissa_bits) == 1 { -1.0 } else { 1.0 };
    let unit = (mantissa_bits as f32).exp2();
    let magnitude = if exponent == 0 {
        mantissa / unit * ((1 - bias) as f32).exp2()
    } else {
        (1.0 + mantissa / unit) * ((exponent - bias) as f32).exp2()
    };
    sign * magnitude
}

/// Tensors by name: type, shape, bytes.
pub(crate) type Tensors = BTreeMap<String, (safetensors::Dtype, Vec<usize>, Vec<u8>)>;

/// Writes a file of tensors.
pub(crate) fn save(path: &Path, tensors: &Tensors) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let views: Vec<_> = tensors
        .iter()
        .map(|(name, (dtype, shape, bytes))| {
            (name.clone(), safetensors::tensor::TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        })
        .collect();
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// Tensors of a file, with types and bytes.
pub(crate) fn load(path: &Path) -> Tensors {
    let bytes = std::fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
    };
    file.tensors().into_iter().map(tensor).collect()
}

/// What the decoder takes in every call but the first where `name` is one of its numbers: slices of a level of so many
/// frames.
fn decoder_number(name: &str) -> Option<i64> {
    let (what, frames) = name.rsplit_once('_')?;
    let frames: i64 = frames.parse().ok()?;
    Some(match what {
        "frames_from" => frames,
        "frames_to" => 3 * frames,
        "kept_to" => frames + 2,
        "shortcut_from" => 0,
        _ => return None,
    })
}
