//! One model in every layout is one model: the same configurations, the same numbers, the same results.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::BTreeMap;
use std::path::Path;

use crate::common::layouts::{ALL, all_graphs, floats, load, narrow, outputs, save, weights, write};
use wandeck::core::{CancelToken, Mode};
use wandeck::models::synth::{Shapes, SynthDtype, SynthLayout, SynthModel, SynthWeights, plan};
use wandeck::models::{self, Layout, RoleSource};
use wandeck::onnx::Weights;
use wandeck::wan::names::{TEXT_ENCODER, TRANSFORMER, VaePlan};
use wandeck::wan::text::Tokenizer;
use wandeck::wan::{Checkpoint, OriginalConfig};

use crate::common;

fn assert_same(what: &str, one: &Checkpoint, other: &Checkpoint) {
    assert_eq!(one.modes, other.modes, "{what}");
    assert_eq!(
        (one.boundary_ratio, one.expand_timesteps),
        (other.boundary_ratio, other.expand_timesteps),
        "{what}"
    );
    assert_eq!(one.transformer.config, other.transformer.config, "{what}");
    assert_eq!(one.text_encoder.config, other.text_encoder.config, "{what}");
    assert_eq!(one.vae.config, other.vae.config, "{what}");
    for ((part, a), (_, b)) in weights(one).into_iter().zip(weights(other)) {
        assert_eq!(a.iter().count(), b.iter().count(), "{what}: {part}");
        for (name, info) in a.iter() {
            let twin = b.get(name).unwrap();
            assert_eq!((info.dtype, &info.shape), (twin.dtype, &twin.shape), "{what}: {part} {name}");
            assert!(a.bytes(info).unwrap() == b.bytes(twin).unwrap(), "{what}: {part} {name}");
        }
    }
}

fn assert_same_results(what: &str, one: &Checkpoint, other: &Checkpoint) {
    for ((name, a), (_, b)) in all_graphs(one).into_iter().zip(all_graphs(other)) {
        let (a, b) = (outputs(&a), outputs(&b));
        assert!(a.values().all(|value| value.iter().all(|number| number.is_finite())), "{what}: {name}");
        assert!(a.values().any(|value| value.iter().any(|number| *number != 0.0)), "{what}: {name}");
        assert!(a == b, "{what}: {name} gives other numbers");
    }
}

#[test]
fn every_layout_gives_the_same_model() {
    for like in [SynthModel::T2vA14b, SynthModel::I2vA14b, SynthModel::Ti2v5b] {
        let (dir, shapes) = (tempfile::tempdir().unwrap(), narrow(like));
        let open = |layout, name: &str| {
            let dir = dir.path().join(name);
            write(&shapes, layout, SynthDtype::Fp32, &dir);
            models::inspect(&dir).unwrap()
        };
        let diffusers = open(SynthLayout::Diffusers, "diffusers");
        let original = open(SynthLayout::Original, "original");
        let comfy = open(SynthLayout::Comfy, "comfy");
        assert_eq!(diffusers.info.layout, Layout::Diffusers);
        assert_eq!(original.info.layout, Layout::Original);
        assert_eq!(comfy.info.layout, Layout::Comfy);
        let role_source = |about: &models::ModelInfo| about.components[0].role_source.clone().unwrap();
        if shapes.mode == Mode::TI2V {
            assert_eq!(
                (role_source(&original.info), role_source(&comfy.info)),
                (RoleSource::Alone, RoleSource::Alone)
            );
        } else {
            assert_eq!(role_source(&original.info), RoleSource::FolderName("high_noise_model".to_owned()));
            assert!(
                matches!(role_source(&comfy.info), RoleSource::FileName(name) if name.contains("high_noise"))
            );
        }
        assert_eq!(
            (comfy.checkpoint.id.as_str(), &comfy.info.notes),
            (&*format!("{}-128-fp32", shapes.mode), &vec![])
        );
        for (what, other) in [("original", &original), ("comfy", &comfy)] {
            assert_same(what, &diffusers.checkpoint, &other.checkpoint);
            let tokens =
                |model: &Checkpoint| Tokenizer::open(&model.tokenizer).unwrap().encode("A cat, 2 dogs", 64);
            let ids = tokens(&other.checkpoint).unwrap();
            assert_eq!(ids, tokens(&diffusers.checkpoint).unwrap(), "{what}");
            assert!(ids.ids.len() > 8 && ids.ids.iter().all(|id| *id != 2), "{what}: {ids:?}");
        }
        assert_same_results("comfy", &diffusers.checkpoint, &comfy.checkpoint);
    }
}

/// A model of tests/golden under original names, experts of different types and one of them in shards.
#[test]
fn a_golden_model_under_original_names_is_the_same() {
    let golden = common::golden_model("tiny-t2v");
    let dir = tempfile::tempdir().unwrap();
    let rename = |from: Weights, to: &Path, original: &dyn Fn(&str) -> Option<String>| {
        let mut tensors = BTreeMap::new();
        for file in from.files() {
            tensors.extend(load(file).into_iter().map(|(name, tensor)| (original(&name).unwrap(), tensor)));
        }
        save(&dir.path().join(to), &tensors);
    };
    let config = r#"{"_class_name": "WanModel", "dim": 64, "ffn_dim": 128, "freq_dim": 256, "in_dim": 16,
        "num_heads": 2, "num_layers": 2, "out_dim": 16, "eps": 1e-06, "model_type": "t2v", "text_len": 512}"#;
    assert_eq!(serde_json::from_str::<OriginalConfig>(config).unwrap().num_heads, 2);
    for (from, to) in [("transformer", "high_noise_model"), ("transformer_2", "low_noise_model")] {
        let weights = Weights::open(&golden.join(from), "diffusion_pytorch_model").unwrap();
        let to = Path::new(to);
        rename(weights, &to.join("diffusion_pytorch_model.safetensors"), &|name| TRANSFORMER.original(name));
        std::fs::write(dir.path().join(to).join("config.json"), config).unwrap();
    }
    let text = Weights::open(&golden.join("text_encoder"), "model").unwrap();
    rename(text, Path::new("models_t5_umt5-xxl-enc-bf16.safetensors"), &|name| TEXT_ENCODER.original(name));
    let names = VaePlan { is_residual: false, levels: 4, blocks: 1 }.renamer();
    let vae = Weights::open(&golden.join("vae"), "diffusion_pytorch_model").unwrap();
    rename(vae, Path::new("Wan2.1_VAE.safetensors"), &|name| names.original(name));
    let tokenizer = dir.path().join("google/umt5-xxl");
    std::fs::create_dir_all(&tokenizer).unwrap();
    std::fs::copy(golden.join("tokenizer/spiece.model"), tokenizer.join("spiece.model")).unwrap();

    let (theirs, ours) = (models::open(&golden).unwrap(), models::inspect(dir.path()).unwrap());
    assert_eq!(ours.info.notes, Vec::<String>::new());
    assert_same("golden", &theirs, &ours.checkpoint);
    assert_same_results("golden", &theirs, &ours.checkpoint);
}

/// 16-bit and scaled 8-bit weights give exactly what the same numbers give in fp32.
#[test]
fn smaller_types_compute_with_their_exact_numbers() {
    for (dtype, precision) in
        [(SynthDtype::Bf16, "bf16"), (SynthDtype::Fp16, "fp16"), (SynthDtype::Fp8Scaled, "fp8_scaled")]
    {
        let (dir, shapes) = (tempfile::tempdir().unwrap(), narrow(SynthModel::Ti2v5b));
        let small = dir.path().join("small");
        write(&shapes, SynthLayout::Comfy, dtype, &small);
        let small = models::inspect(&small).unwrap();
        assert_eq!(small.info.components[0].precision, precision);
        // the same numbers, decoded here
        let wide = dir.path().join("wide");
        write(&shapes, SynthLayout::Diffusers, SynthDtype::Fp32, &wide);
        let files =
            ["transformer/diffusion_pytorch_model", "text_encoder/model", "vae/diffusion_pytorch_model"];
        let mut num_scaled = 0;
        for ((part, weights), file) in weights(&small.checkpoint).into_iter().zip(files) {
            let mut tensors = BTreeMap::new();
            for (name, info) in weights.iter().filter(|(name, _)| !name.ends_with(".scale_weight")) {
                let mut numbers = floats(weights, info);
                let scale = name.strip_suffix(".weight").map(|module| format!("{module}.scale_weight"));
                if let Some(scale) = scale.and_then(|scale| weights.get(&scale).ok()) {
                    let scale = floats(weights, scale)[0];
                    for number in &mut numbers {
                        *number *= scale;
                    }
                    num_scaled += 1;
                }
                let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
                tensors.insert(name.to_owned(), (safetensors::Dtype::F32, info.shape.clone(), bytes));
            }
            assert!(tensors.len() > 10, "{part}");
            save(&wide.join(format!("{file}.safetensors")), &tensors);
        }
        assert_eq!(num_scaled, if dtype == SynthDtype::Fp8Scaled { 2 * 10 + 2 * 7 } else { 0 });
        assert_same_results(precision, &models::open(&wide).unwrap(), &small.checkpoint);
    }
}

/// Some files have a scale for every row of a matrix, as `[rows, 1]`, and other words for it.
#[test]
fn a_scale_by_row_is_applied_by_row() {
    let (dir, shapes) = (tempfile::tempdir().unwrap(), narrow(SynthModel::Ti2v5b));
    let (one, rows) = (dir.path().join("one"), dir.path().join("rows"));
    write(&shapes, SynthLayout::Comfy, SynthDtype::Fp8Scaled, &one);
    write(&shapes, SynthLayout::Comfy, SynthDtype::Fp8Scaled, &rows);
    let one = models::open(&one).unwrap();
    let file = rows.join("diffusion_models/wan2.2_ti2v_5B_fp8_scaled.safetensors");
    let mut tensors = BTreeMap::new();
    for (name, (dtype, _, bytes)) in
        load(&file).into_iter().filter(|(name, _)| name.ends_with(".scale_weight"))
    {
        let module = name.strip_suffix(".scale_weight").unwrap();
        let outputs = if module.ends_with("ffn.0") { 192 } else { 128 };
        tensors.insert(format!("{module}.weight_scale"), (dtype, vec![outputs, 1], bytes.repeat(outputs)));
    }
    let mut all = load(&file);
    all.retain(|name, _| !name.ends_with(".scale_weight"));
    all.append(&mut tensors);
    save(&file, &all);
    assert_same_results("by row", &one, &models::open(&rows).unwrap());
}

/// The full sizes of all three models open in every layout and their graphs can be written. Large tensors are
/// holes, so this takes no room.
#[test]
fn official_sizes_open_in_every_layout() {
    for (like, id, gigabytes) in [
        (SynthModel::T2vA14b, "t2v-A14B", 69.0),
        (SynthModel::I2vA14b, "i2v-A14B", 69.0),
        (SynthModel::Ti2v5b, "ti2v-5B", 22.7),
    ] {
        let shapes = Shapes::official(like);
        for (layout, dtype) in [
            (SynthLayout::Diffusers, SynthDtype::Bf16),
            (SynthLayout::Original, SynthDtype::Fp32),
            (SynthLayout::Comfy, SynthDtype::Fp16),
            (SynthLayout::Comfy, SynthDtype::Fp8Scaled),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let plan = plan(&shapes, layout, dtype, &ALL).unwrap();
            let weights = SynthWeights { seed: 0, sparse: true };
            plan.write(dir.path(), weights, &CancelToken::new(), &mut |_| {}).unwrap();
            let began = std::time::Instant::now();
            let opened = models::inspect(dir.path()).unwrap();
            let opening = began.elapsed();
            let graphs = all_graphs(&opened.checkpoint);
            let initializers = |graph: &wandeck::onnx::Graph| {
                graph.model.graph.iter().map(|graph| graph.initializer.len()).sum::<usize>()
            };
            let count: usize = graphs.iter().map(|(_, graph)| initializers(graph)).sum();
            println!(
                "{id} {layout:?} {dtype:?}: {} in {opening:.0?}, {count} initializers",
                opened.info.size()
            );
            assert_eq!(opened.checkpoint.official_name(), Some(id));
            if layout != SynthLayout::Diffusers {
                assert_eq!(opened.checkpoint.id, format!("{id}-{}", opened.info.components[0].precision));
            }
            if dtype == SynthDtype::Fp16 {
                // 28.6 GB for each expert or 10.0 GB, 11.4 GB of text encoder, the rest VAE
                let found = opened.info.size().0 as f64 / 1e9;
                assert!((found - gigabytes).abs() < 1.0, "{id}: {found} GB");
            }
        }
    }
}
