//! Quantised single files: what is understood computes with the right numbers, all else is refused by name.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::{Path, PathBuf};

use safetensors::Dtype;
use wandeck::core::Kind;
use wandeck::models;
use wandeck::models::synth::{Shapes, SynthDtype, SynthLayout, SynthModel};
use wandeck::onnx::{RowReader, Weights};
use wandeck::wan::names::{ComponentKind, recognise};

use crate::common::layouts::{Tensors, all_graphs, load, narrow, outputs, save, write};

pub(crate) const GROUP: usize = 256;

/// A narrow model whose attention has as many inputs as are rotated together.
pub(crate) fn shapes() -> Shapes {
    let mut shapes = narrow(SynthModel::Ti2v5b);
    (shapes.transformer.num_attention_heads, shapes.transformer.num_layers) = (2, 1);
    shapes
}

/// The transformer's file of a model written to `dir` in `ComfyUI`'s layout.
pub(crate) fn comfy(dir: &Path) -> PathBuf {
    write(&shapes(), SynthLayout::Comfy, SynthDtype::Fp32, dir);
    let files = std::fs::read_dir(dir.join("diffusion_models")).unwrap();
    files.map(|entry| entry.unwrap().path()).next().unwrap()
}

fn is_attention(name: &str) -> bool {
    name.contains("_attn.") && name.ends_with(".weight") && !name.contains("norm")
}

fn numbers(bytes: &[u8]) -> Vec<f64> {
    bytes.chunks_exact(4).map(|four| f64::from(f32::from_le_bytes(four.try_into().unwrap()))).collect()
}

fn bytes(numbers: &[f64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| (*number as f32).to_le_bytes()).collect()
}

/// Each group of a matrix's inputs times the regular Hadamard matrix: the seed's Kronecker product with itself.
fn rotated(matrix: &[f64]) -> Vec<f64> {
    const SEED: [[f64; 4]; 4] =
        [[1.0, 1.0, 1.0, -1.0], [1.0, 1.0, -1.0, 1.0], [1.0, -1.0, 1.0, 1.0], [-1.0, 1.0, 1.0, 1.0]];
    let element = |row: usize, column: usize| -> f64 {
        (0..4).map(|digit| SEED[(row >> (2 * digit)) % 4][(column >> (2 * digit)) % 4]).product::<f64>()
            / 16.0
    };
    let turn: Vec<f64> = (0..GROUP * GROUP).map(|at| element(at / GROUP, at % GROUP)).collect();
    // it is symmetric, so its rows are its columns
    let product = |row: &[f64], group: &[f64]| row.iter().zip(group).map(|(a, b)| a * b).sum();
    let groups = matrix.chunks_exact(GROUP);
    groups
        .flat_map(|group| turn.chunks_exact(GROUP).map(|row| product(row, group)).collect::<Vec<_>>())
        .collect()
}

/// Attention's matrices in int8 with a scale per row, rotated or not; and the same model with the numbers this stands for.
pub(crate) fn int8(tensors: &Tensors, is_rotated: bool) -> (Tensors, Tensors) {
    let (mut small, mut wide) = (tensors.clone(), tensors.clone());
    let description =
        format!(r#"{{"format": "int8_tensorwise", "convrot": {is_rotated}, "convrot_groupsize": 256}}"#);
    for (name, (_, shape, data)) in tensors.iter().filter(|(name, _)| is_attention(name)) {
        assert_eq!(shape, &[GROUP, GROUP]);
        let turned = |matrix: &[f64]| if is_rotated { rotated(matrix) } else { matrix.to_vec() };
        let (mut scales, mut rounded, mut exact) = (Vec::new(), Vec::new(), Vec::new());
        for row in turned(&numbers(data)).chunks_exact(GROUP) {
            let scale =
                f64::from((row.iter().fold(0.0_f64, |most, value| most.max(value.abs())) / 127.0) as f32);
            scales.push(scale);
            rounded.extend(row.iter().map(|value| (value / scale).round() as i8 as u8));
            exact.extend(row.iter().map(|value| (value / scale).round() * scale));
        }
        let module = name.strip_suffix(".weight").unwrap();
        small.insert(name.clone(), (Dtype::I8, shape.clone(), rounded));
        small.insert(format!("{module}.weight_scale"), (Dtype::F32, vec![GROUP, 1], bytes(&scales)));
        let text = description.clone().into_bytes();
        small.insert(format!("{module}.comfy_quant"), (Dtype::U8, vec![text.len()], text));
        // the rotation undoes itself
        wide.insert(name.clone(), (Dtype::F32, shape.clone(), bytes(&turned(&exact))));
    }
    (small, wide)
}

#[test]
fn int8_of_comfyui_gives_the_numbers_it_stands_for_rotated_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let file = comfy(dir.path());
    let tensors = load(&file);
    for is_rotated in [false, true] {
        let (small, wide) = int8(&tensors, is_rotated);
        let results = [small, wide].map(|tensors| {
            save(&file, &tensors);
            let opened = models::open(dir.path()).unwrap();
            let graphs = all_graphs(&opened);
            outputs(&graphs.iter().find(|(name, _)| *name == "transformer").unwrap().1)
        });
        let [small, wide] = &results;
        for (name, value) in small {
            let worst = value.iter().zip(&wide[name]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            let size = wide[name].iter().fold(0.0_f32, |most, value| most.max(value.abs()));
            assert!(size > 0.1 && worst < 1e-4 * size, "rotated {is_rotated}, {name}: {worst} of {size}");
        }
    }
}

#[test]
fn forms_of_other_programs_give_the_numbers_of_their_formulas() {
    let golden = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/quantised").join(name);
        Weights::from_files(&[path]).unwrap()
    };
    let found = recognise(&golden("forms.safetensors")).unwrap().remove(0);
    assert_eq!((found.kind, found.unknown), (ComponentKind::Transformer, Vec::new()));
    let numbers = golden("numbers.safetensors");
    assert_eq!(numbers.iter().count(), 6);
    for (name, info) in numbers.iter() {
        assert_eq!(found.weights.get(name).unwrap().shape, info.shape, "{name}");
        let [found, expected] = [&found.weights, &numbers].map(|weights| {
            let reader = RowReader::new(weights, name).unwrap();
            reader.values(0..reader.num_values()).unwrap()
        });
        let wrong = found.iter().zip(&expected).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
        assert_eq!((found.len(), wrong), (expected.len(), 0), "{name}");
    }
}

/// A change to the file, and what the refusal says.
type Case = (&'static str, Kind, &'static [&'static str], fn(&mut Tensors));

fn described(tensors: &mut Tensors, text: &str) {
    for (name, (dtype, shape, data)) in tensors.iter_mut() {
        if name.ends_with(".comfy_quant") {
            (*dtype, *shape, *data) = (Dtype::U8, vec![text.len()], text.as_bytes().to_vec());
        }
    }
}

fn renamed(tensors: &mut Tensors, from: &str, to: &str) {
    let all = std::mem::take(tensors);
    let rename = |name: String| name.strip_suffix(from).map(|module| format!("{module}{to}")).unwrap_or(name);
    tensors.extend(all.into_iter().map(|(name, tensor)| (rename(name), tensor)));
}

#[test]
fn what_is_not_understood_is_refused_by_tensor_and_form() {
    refused(&[
        ("a group of another size", Kind::Unsupported, &["convrot in groups of 64", "_attn."], |tensors| {
            described(tensors, r#"{"format":"int8_tensorwise","convrot":true,"convrot_groupsize":64}"#);
        }),
        ("nvfp4", Kind::Unsupported, &["as nvfp4"], |tensors| described(tensors, r#"{"format":"nvfp4"}"#)),
        ("mxfp8", Kind::Unsupported, &["as mxfp8"], |tensors| described(tensors, r#"{"format":"mxfp8"}"#)),
        ("mxfp8 without padding of its scales", Kind::Unsupported, &["as mxfp8 with", "scales"], |tensors| {
            described(tensors, r#"{"format":"mxfp8"}"#);
            let matrices: Vec<_> = tensors.keys().filter(|name| is_attention(name)).cloned().collect();
            for name in matrices {
                let (_, shape, data) = tensors.remove(&name).unwrap();
                let scales =
                    (Dtype::U8, vec![shape[0], shape[1] / 32 - 1], vec![127; shape[0] * (shape[1] / 32 - 1)]);
                tensors.insert(name.replace(".weight", ".weight_scale"), scales);
                tensors.insert(name, (Dtype::F8_E4M3, shape, data));
            }
        }),
        ("no description", Kind::Unsupported, &["comfy_quant"], |tensors| described(tensors, "int8")),
        ("quanto", Kind::Unsupported, &["as quanto"], |tensors| {
            let matrices: Vec<_> = tensors.keys().filter(|name| is_attention(name)).cloned().collect();
            for name in matrices {
                let (_, shape, data) = tensors.remove(&name).unwrap();
                tensors.insert(format!("{name}._data"), (Dtype::U8, shape, data));
            }
        }),
        ("a scale under another name", Kind::Unsupported, &["unknown", ".scale"], |tensors| {
            renamed(tensors, ".weight_scale", ".scale");
        }),
        ("DeepSeek's inverse scale", Kind::Unsupported, &["block-scaled fp8"], |tensors| {
            renamed(tensors, ".weight_scale", ".weight_scale_inv");
        }),
        ("a scale for each block", Kind::Unsupported, &["block-scaled"], |tensors| {
            for (name, (_, shape, data)) in
                tensors.iter_mut().filter(|(name, _)| name.ends_with(".weight_scale"))
            {
                assert!(name.contains("attn"));
                (*shape, *data) = (vec![GROUP, 4], data.repeat(4));
            }
        }),
        ("bytes without a sign", Kind::Unsupported, &["attn.k.weight", "unknown form"], |tensors| {
            tensors.retain(|name, _| !name.ends_with(".comfy_quant"));
            for (_, (dtype, ..)) in tensors.iter_mut().filter(|(name, _)| is_attention(name)) {
                *dtype = Dtype::U8;
            }
        }),
        ("no scale", Kind::CorruptModel, &["without its scale"], |tensors| {
            tensors.retain(|name, _| !name.ends_with(".weight_scale"));
        }),
        ("a second, unknown number", Kind::Unsupported, &["zero_point"], |tensors| {
            let zeros = (Dtype::I8, vec![1], vec![0]);
            tensors.insert("blocks.0.self_attn.q.zero_point".to_owned(), zeros);
        }),
    ]);
}

#[test]
fn matrices_of_unknown_names_or_types_are_refused() {
    refused(&[
        (
            "matrices under names of another program",
            Kind::Unsupported,
            &["self_attn.q.W_q", "not known"],
            |tensors| {
                renamed(tensors, ".weight_scale", ".zero");
                tensors.retain(|name, _| !name.ends_with(".comfy_quant"));
                let matrices: Vec<_> = tensors.keys().filter(|name| is_attention(name)).cloned().collect();
                for name in matrices {
                    let tensor = tensors.remove(&name).unwrap();
                    tensors.insert(name.replace(".weight", ".W_q"), tensor);
                }
            },
        ),
        ("a type that is not used", Kind::Unsupported, &["F64", "not supported"], |tensors| {
            tensors.retain(|name, _| !name.ends_with(".weight_scale") && !name.ends_with(".comfy_quant"));
            for (_, (dtype, shape, data)) in tensors.iter_mut().filter(|(name, _)| is_attention(name)) {
                (*dtype, *data) = (Dtype::F64, vec![0; shape.iter().product::<usize>() * 8]);
            }
        }),
    ]);
}

/// Makes the int8 toy, changes it in each way, and expects an error of the kind that has the words.
fn refused(cases: &[Case]) {
    let dir = tempfile::tempdir().unwrap();
    let file = comfy(dir.path());
    let (small, _) = int8(&load(&file), true);
    for (what, kind, words, change) in cases {
        let mut tensors = small.clone();
        change(&mut tensors);
        save(&file, &tensors);
        let error = models::open(dir.path()).unwrap_err();
        assert_eq!(error.kind, *kind, "{what}: {error:#}");
        for word in *words {
            assert!(format!("{error:#}").contains(word), "{what}: {error:#}");
        }
    }
}

#[test]
fn a_type_that_is_not_used_matters_only_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let file = comfy(dir.path());
    let mut tensors = load(&file);
    tensors.insert("num_batches_tracked".to_owned(), (Dtype::U16, vec![1], vec![0, 0]));
    save(&file, &tensors);
    assert!(models::open(dir.path()).is_ok(), "a counter that nothing uses");
    let name = tensors.keys().find(|name| is_attention(name)).unwrap().clone();
    tensors.remove("num_batches_tracked");
    let values = tensors[&name]
        .2
        .chunks_exact(4)
        .flat_map(|four| f64::from(f32::from_le_bytes(four.try_into().unwrap())).to_le_bytes());
    let wide = (Dtype::F64, vec![GROUP, GROUP], values.collect());
    tensors.insert(name, wide);
    save(&file, &tensors);
    let error = models::open(dir.path()).unwrap_err();
    assert_eq!(error.kind, Kind::Unsupported, "{error:#}");
    assert!(format!("{error:#}").contains("F64"), "{error:#}");
}
