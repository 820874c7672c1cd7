//! LoRAs of every method on quantised files: what they make of the numbers that the file stands for, to rounding where the
//! run computes in fp32, and close to it where it computes in int8.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::{Path, PathBuf};

use ndarray::ArrayD;
use safetensors::Dtype;
use wandeck::core::{Bytes, CancelToken};
use wandeck::onnx::{ComputeType, Repack, RepackTarget, Weights};
use wandeck::wan::graphs::{Segments, adapted_transformer};
use wandeck::wan::lora::{LoraFile, MatchTarget, match_keys};
use wandeck::wan::names::{TRANSFORMER, is_block_linear, recognise};

use super::lora::{Model, STRENGTH, apart};
use super::lora_methods::{METHODS, file};
use super::quantised_forms::{GROUP, comfy, int8, shapes};
use crate::common;
use crate::common::gguf::{GgufTensor, GgufType, write_gguf};
use crate::common::layouts::{Tensors, floats, load, outputs, save};

/// Share of the results' standard deviation by which two graphs with the same numbers differ.
const TOLERANCE: f32 = 3e-5;
/// Share of a LoRA's effect by which int8 may change it: what the rounding of its base does with `models convert`, too.
const INT8: f32 = 0.15;

fn bytes(numbers: impl IntoIterator<Item = f32>) -> Vec<u8> {
    numbers.into_iter().flat_map(f32::to_le_bytes).collect()
}

/// The transformer of tiny-t2v with the names of Wan's own files.
fn tiny() -> Weights {
    let dir = common::golden_model("tiny-t2v").join("transformer");
    let weights = Weights::open(&dir, "diffusion_pytorch_model").unwrap();
    weights.renamed(|name| TRANSFORMER.original(name)).unwrap()
}

/// Whether the matrix, under the name of Wan's own files, is quantised by those who publish such files.
fn is_quantised(name: &str, shape: &[usize]) -> bool {
    shape.len() == 2 && name.starts_with("blocks.") && name.ends_with(".weight")
}

/// Writes tiny-t2v as a GGUF of `Q8_0`, and the numbers of it.
fn q8_0(dir: &Path) -> [PathBuf; 2] {
    let (weights, files) = (tiny(), ["base.gguf", "wide.safetensors"].map(|name| dir.join(name)));
    let tensors: Vec<_> = weights
        .iter()
        .map(|(name, info)| GgufTensor {
            name: name.to_owned(),
            shape: info.shape.clone(),
            kind: if is_quantised(name, &info.shape) { GgufType::Q8_0 } else { GgufType::F32 },
            values: floats(&weights, info),
        })
        .collect();
    let numbers = write_gguf(&files[0], &tensors);
    let wide = tensors.into_iter().zip(numbers);
    save(
        &files[1],
        &wide.map(|(tensor, values)| (tensor.name, (Dtype::F32, tensor.shape, bytes(values)))).collect(),
    );
    files
}

/// Writes tiny-t2v with matrices that `round` returns as stored bytes of `dtype`, scales and the numbers of them; with
/// `beside`, tensors of the whole file or of each matrix.
fn scaled(
    dir: &Path,
    dtype: Dtype,
    scale: &str,
    beside: impl Fn(&str) -> Option<(String, Vec<u8>)>,
    round: impl Fn(&[f32], usize) -> (Vec<u8>, Vec<f32>, Vec<f32>),
) -> [PathBuf; 2] {
    let (weights, files) = (tiny(), ["base.safetensors", "wide.safetensors"].map(|name| dir.join(name)));
    let [mut base, mut wide] = [Tensors::new(), Tensors::new()];
    for (name, info) in weights.iter() {
        let (shape, values) = (info.shape.clone(), floats(&weights, info));
        if !is_quantised(name, &shape) {
            let tensor = (Dtype::F32, shape, bytes(values));
            base.insert(name.to_owned(), tensor.clone());
            wide.insert(name.to_owned(), tensor);
            continue;
        }
        let module = name.strip_suffix(".weight").unwrap();
        let (stored, scales, numbers) = round(&values, shape[1]);
        let of_scales = if scales.len() == 1 { vec![] } else { vec![scales.len(), 1] };
        base.insert(format!("{module}.{scale}"), (Dtype::F32, of_scales, bytes(scales)));
        if let Some((leaf, content)) = beside(module) {
            base.insert(format!("{module}.{leaf}"), (Dtype::U8, vec![content.len()], content));
        }
        base.insert(name.to_owned(), (dtype, shape.clone(), stored));
        wide.insert(name.to_owned(), (Dtype::F32, shape, bytes(numbers)));
    }
    save(&files[0], &base);
    save(&files[1], &wide);
    files
}

/// The bits of the fp8 number (E4M3) nearest to `value`, and the number.
fn e4m3(value: f32) -> (u8, f32) {
    let number = |bits: u8| {
        let (exponent, mantissa) = (i32::from(bits >> 3 & 15), f32::from(bits & 7) / 8.0);
        let size = if exponent == 0 {
            mantissa * (-6_f32).exp2()
        } else {
            (1.0 + mantissa) * ((exponent - 7) as f32).exp2()
        };
        if bits >> 7 == 1 { -size } else { size }
    };
    let is_number = |bits: &u8| bits & 0x7F != 0x7F;
    let all = (0..=255).filter(is_number).map(|bits| (bits, number(bits)));
    all.min_by(|(_, a), (_, b)| (a - value).abs().total_cmp(&(b - value).abs())).unwrap()
}

fn fp8_scaled(dir: &Path) -> [PathBuf; 2] {
    scaled(
        dir,
        Dtype::F8_E4M3,
        "scale_weight",
        |_| None,
        |values, _| {
            let scale = values.iter().fold(0.0_f32, |most, value| most.max(value.abs())) / 448.0;
            let (stored, numbers): (Vec<_>, Vec<_>) = values.iter().map(|value| e4m3(value / scale)).unzip();
            (stored, vec![scale], numbers.into_iter().map(|number| number * scale).collect())
        },
    )
}

fn int8_tensorwise(dir: &Path) -> [PathBuf; 2] {
    let description = |_: &str| Some(("comfy_quant".to_owned(), br#"{"format":"int8_tensorwise"}"#.to_vec()));
    scaled(dir, Dtype::I8, "weight_scale", description, |values, inputs| {
        let (mut stored, mut scales, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
        for row in values.chunks_exact(inputs) {
            let scale = row.iter().fold(0.0_f32, |most, value| most.max(value.abs())) / 127.0;
            let rounded: Vec<_> = row.iter().map(|value| (value / scale).round()).collect();
            stored.extend(rounded.iter().map(|value| (*value as i8).cast_unsigned()));
            numbers.extend(rounded.iter().map(|value| value * scale));
            scales.push(scale);
        }
        (stored, scales, numbers)
    })
}

fn transformer(file: &Path) -> Weights {
    let weights = Weights::from_files(&[file.to_path_buf()]).unwrap();
    recognise(&weights).unwrap().remove(0).weights
}

/// The weights as a run computes with them.
fn repacked(weights: Weights, target: RepackTarget, dir: &Path) -> Weights {
    let stage = || tempfile::NamedTempFile::new_in(dir);
    let repack = Repack::plan(&weights, target, is_block_linear, Bytes(u64::MAX), dir).unwrap();
    repack.map_or(weights, |repack| repack.write(&stage, &CancelToken::new(), &mut |_| {}).unwrap())
}

fn size(values: &ArrayD<f32>) -> f32 {
    values.iter().map(|value| value * value).sum::<f32>().sqrt()
}

#[test]
fn every_method_changes_quantised_files_as_it_changes_their_numbers() {
    for (form, make) in [
        ("Q8_0", q8_0 as fn(&Path) -> [PathBuf; 2]),
        ("fp8_scaled", fp8_scaled),
        ("int8_tensorwise", int8_tensorwise),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let [base, wide] = make(dir.path());
        let [base, wide] = [base, wide].map(|file| transformer(&file));
        let exact = repacked(base.clone(), RepackTarget::Float(wandeck::onnx::Dtype::F32), dir.path());
        let int8 = repacked(base, RepackTarget::Int8, dir.path());
        assert_eq!(int8.quantisation().is_some(), form != "fp8_scaled", "{form}");
        let [exact, int8, wide] = [exact, int8, wide].map(Model::of);
        let [int8_plain, plain] = [&int8, &wide].map(|model| model.run(&mut model.load(&[]), &[]));
        for (name, ..) in METHODS {
            let [found, rounded, expected] = [&exact, &int8, &wide].map(|model| {
                let adapter = model.adapter(model.try_fit(&file(name), "s").unwrap());
                model.run(&mut model.load(&[adapter]), &[("s", STRENGTH)])
            });
            let off = apart(&found, &expected);
            assert!(off <= TOLERANCE, "{name} on {form}: off by {off:e}");
            let effect = expected - &plain;
            assert!(size(&effect) > 0.01 * size(&plain), "{name} on {form} changes nothing");
            let off = size(&(rounded - &int8_plain - &effect)) / size(&effect);
            assert!(off < INT8, "{name} on {form} in int8: off by {off} of its effect");
        }
    }
}

/// A LoRA of one method on the attention's matrices of a narrow model, which are square.
fn made_up(method: &str, modules: &[String]) -> Tensors {
    const RANK: usize = 2;
    let mut random = rand_mt::Mt::new(11);
    let mut tensors = Tensors::new();
    let mut put = |module: &str, leaf: &str, shape: &[usize], middle: f32, spread: f32| {
        let values = (0..shape.iter().product()).map(|_| {
            let number = random.next_u32() as f32 / u32::MAX as f32 - 0.5;
            middle + spread * number
        });
        let tensor = (Dtype::F32, shape.to_vec(), bytes(values));
        tensors.insert(format!("diffusion_model.{module}.{leaf}"), tensor);
    };
    for module in modules {
        match method {
            "loha" => {
                for pair in ["hada_w1", "hada_w2"] {
                    put(module, &format!("{pair}_a"), &[GROUP, RANK], 0.0, 2.0);
                    put(module, &format!("{pair}_b"), &[RANK, GROUP], 0.0, 0.5);
                }
            }
            "lokr" => {
                put(module, "lokr_w1", &[16, 16], 0.0, 0.2);
                put(module, "lokr_w2", &[16, 16], 0.0, 0.2);
            }
            "full" => put(module, "diff", &[GROUP, GROUP], 0.0, 0.05),
            _ => {
                put(module, "lora_down.weight", &[RANK, GROUP], 0.0, 0.3);
                put(module, "lora_up.weight", &[GROUP, RANK], 0.0, 0.3);
            }
        }
        if method == "dora" {
            put(module, "dora_scale", &[GROUP, 1], 1.0, 0.5);
        }
    }
    tensors
}

#[test]
fn every_method_changes_rotated_int8_as_it_changes_its_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let source = comfy(dir.path());
    let (small, numbers) = int8(&load(&source), true);
    let modules: Vec<_> =
        small.keys().filter_map(|name| Some(name.strip_suffix(".comfy_quant")?.to_owned())).collect();
    let files = ["small", "wide"].map(|name| dir.path().join(format!("{name}.safetensors")));
    save(&files[0], &small);
    save(&files[1], &numbers);
    let [small, wide] = files.map(|file| transformer(&file));
    let exact = repacked(small.clone(), RepackTarget::Float(wandeck::onnx::Dtype::F32), dir.path());
    let int8 = repacked(small, RepackTarget::Int8, dir.path());
    let config = shapes().transformer;
    let run = |weights: &Weights, lora: Option<&LoraFile>| {
        let fit = |file| match_keys(file, MatchTarget::only(weights), "s").unwrap();
        let adapters: Vec<_> = lora
            .map(fit)
            .into_iter()
            .map(|fit| fit.into_adapter(weights, &CancelToken::new()).unwrap())
            .collect();
        let graph =
            adapted_transformer(&config, weights, Segments::Two, ComputeType::Fp32, &adapters).unwrap();
        outputs(&graph).into_values().next().unwrap()
    };
    let [int8_plain, plain] = [&int8, &wide].map(|weights| run(weights, None));
    for method in ["lora", "dora", "lokr", "loha", "full"] {
        let path = dir.path().join(format!("{method}-lora.safetensors"));
        save(&path, &made_up(method, &modules));
        let lora = LoraFile::open(&path).unwrap();
        let [found, rounded, expected] = [&exact, &int8, &wide].map(|weights| run(weights, Some(&lora)));
        let off = apart(&found, &expected);
        assert!(off <= TOLERANCE, "{method}: off by {off:e}");
        let effect = expected - &plain;
        assert!(size(&effect) > 0.01 * size(&plain), "{method} changes nothing");
        let off = size(&(rounded - &int8_plain - &effect)) / size(&effect);
        assert!(off < INT8, "{method} in int8: off by {off} of its effect");
    }
}
