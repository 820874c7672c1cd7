//! LoRA files as they are found: for two experts, with odd types, named adapters, NaN.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use wandeck::core::{CancelToken, Draft, Expert, Kind, LoraChoice};
use wandeck::models;
use wandeck::wan::lora::{LoraFile, LoraFitDocument, MatchTarget, SkipReason, match_keys};

use super::lora::{self, Model, apart};
use crate::common;

/// A tensor: its key, type, shape and bytes.
pub(crate) type Tensor<'a> = (String, Dtype, &'a [usize], Vec<u8>);

pub(crate) fn write(path: &Path, tensors: &[Tensor<'_>]) {
    let views = tensors.iter().map(|(key, dtype, shape, bytes)| {
        (key.as_str(), TensorView::new(*dtype, shape.to_vec(), bytes).unwrap())
    });
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

pub(crate) fn floats(count: usize, seed: usize) -> Vec<u8> {
    (0..count).flat_map(|index| (((index + seed * 7919) as f32 * 0.7).sin() * 0.3).to_le_bytes()).collect()
}

/// A low-rank pair for the queries of the first block, under these names.
fn pair(down: &str, up: &str, seed: usize) -> [Tensor<'static>; 2] {
    [
        (down.to_owned(), Dtype::F32, &[2, 64], floats(128, seed)),
        (up.to_owned(), Dtype::F32, &[64, 2], floats(128, seed + 1)),
    ]
}

fn file(dir: &Path, name: &str, tensors: &[Tensor<'_>]) -> PathBuf {
    let path = dir.join(format!("{name}.safetensors"));
    write(&path, tensors);
    path
}

#[test]
fn the_keys_of_each_expert_go_to_that_expert() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = models::open(&common::golden_model("tiny-t2v")).unwrap();
    let spellings = [
        ("transformer.", "transformer_2.", "lora_A.weight", "lora_B.weight"),
        ("lora_transformer.", "lora_transformer_2.", "lora_down.weight", "lora_up.weight"),
        ("diffusion_model.", "diffusion_model_2.", "lora_A.weight", "lora_B.weight"),
        ("pipe.dit.", "pipe.dit2.", "lora_A.default.weight", "lora_B.default.weight"),
        ("high_noise_model.", "low_noise_model.", "lora_A.weight", "lora_B.weight"),
        ("lora_transformer_", "lora_transformer_2_", "lora_down.weight", "lora_up.weight"),
    ];
    for (high, low, down, up) in spellings {
        let half = |prefix: &str, seed| {
            let module = format!("{prefix}blocks.0.attn1.to_q");
            pair(&format!("{module}.{down}"), &format!("{module}.{up}"), seed)
        };
        let both = file(dir.path(), "both", &[half(high, 1), half(low, 3)].concat());
        let both = LoraFile::open(&both).unwrap();
        assert_eq!(both.experts(), [Expert::High, Expert::Low], "{high} {low}");
        let fit = LoraFitDocument::of(&both, &checkpoint).unwrap();
        let low_fit = fit.low_fit.unwrap();
        for report in [&fit.fit, &low_fit] {
            assert_eq!((report.matched.len(), report.skipped.len()), (1, 0), "{high}: {report:?}");
        }
        let only = LoraFile::open(&file(dir.path(), "low", &half(low, 3))).unwrap();
        assert_eq!(only.experts(), [Expert::Low]);
        let fit = LoraFitDocument::of(&only, &checkpoint).unwrap();
        assert_eq!((fit.fit.matched.len(), fit.low_fit.unwrap().matched.len()), (0, 1));
        // a model with a single transformer has no use for it
        let target = MatchTarget::only(&checkpoint.transformer.weights);
        let fit = match_keys(&only, target, "s").unwrap();
        assert!(fit.report.skipped.iter().all(|left| left.reason == SkipReason::OtherExpert(Expert::Low)));
        let error = fit.check(&only, "tiny-t2v", 64).unwrap_err();
        assert!(error.message.contains("only the low-noise expert"), "{error:#}");
    }
}

#[test]
fn a_type_matters_only_where_the_tensor_is_used() {
    let (model, dir) = (Model::open(), tempfile::tempdir().unwrap());
    let module = "transformer.blocks.0.attn1.to_q";
    let plain = pair(&format!("{module}.lora_A.weight"), &format!("{module}.lora_B.weight"), 1);
    let plain =
        [plain.to_vec(), vec![(format!("{module}.alpha"), Dtype::F32, &[], 4_f32.to_le_bytes().to_vec())]]
            .concat();
    let run = |name: &str, tensors: &[Tensor<'_>]| {
        let fit = model.try_fit(&file(dir.path(), name, tensors), "s").unwrap();
        assert_eq!((fit.report.matched.len(), &fit.report.scales[..]), (1, &[2.0][..]), "{name}");
        model.run(&mut model.load(&[model.adapter(fit)]), &[("s", 0.5)])
    };
    let exact = run("plain", &plain);
    let mut odd = plain.clone();
    odd[2] = (format!("{module}.alpha"), Dtype::F64, &[], 4_f64.to_le_bytes().to_vec());
    odd.push(("is_trained".to_owned(), Dtype::BOOL, &[], vec![1]));
    odd.push(("steps".to_owned(), Dtype::U16, &[], vec![1, 0]));
    assert_eq!(run("odd", &odd), exact);
    // the same numbers in both kinds of fp8: 1 and -0.5
    for (name, dtype, one, half) in
        [("e4m3", Dtype::F8_E4M3, 0x38, 0xb0), ("e5m2", Dtype::F8_E5M2, 0x3c, 0xb8)]
    {
        let bytes = |values: [u8; 2]| values.into_iter().cycle().take(128).collect::<Vec<u8>>();
        let (mut small, mut wide) = (plain.clone(), plain.clone());
        for index in [0, 1] {
            small[index].1 = dtype;
            small[index].3 = bytes([one, half]);
            wide[index].3 = [1_f32, -0.5].into_iter().cycle().take(128).flat_map(f32::to_le_bytes).collect();
        }
        assert!(apart(&run(name, &small), &run("wide", &wide)) < 1e-6, "{name}");
    }
}

#[test]
fn names_that_trainers_insert_are_ignored() {
    let (model, dir) = (Model::open(), tempfile::tempdir().unwrap());
    let run = |tensors: &[Tensor<'_>]| {
        let fit = model.try_fit(&file(dir.path(), "a", tensors), "s").unwrap();
        assert_eq!(fit.report.matched, ["blocks.0.attn1.to_q"]);
        model.run(&mut model.load(&[model.adapter(fit)]), &[("s", 0.5)])
    };
    let exact = run(&pair("blocks.0.attn1.to_q.lora_A.weight", "blocks.0.attn1.to_q.lora_B.weight", 1));
    for (down, up) in [
        ("blocks.0.attn1.to_q.lora_A.my_style.weight", "blocks.0.attn1.to_q.lora_B.my_style.weight"),
        (
            "transformer._orig_mod.blocks.0._orig_mod.attn1.to_q.lora_A.weight",
            "transformer._orig_mod.blocks.0._orig_mod.attn1.to_q.lora_B.weight",
        ),
        (
            "lora_unet__orig_mod_blocks_0_self_attn_q.lora_down.weight",
            "lora_unet__orig_mod_blocks_0_self_attn_q.lora_up.weight",
        ),
    ] {
        // names without a default alpha are no guess: PEFT's own prefix is not there
        assert_eq!(run(&pair(down, up, 1)), exact, "{down}");
    }
}

#[test]
fn nan_is_found_when_the_file_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let module = "transformer.blocks.0.attn1.to_q";
    let names = [format!("{module}.lora_A.weight"), format!("{module}.lora_B.weight")];
    let good = pair(&names[0], &names[1], 1);
    let check = |tensors: &[Tensor<'_>]| {
        LoraFile::open(&file(dir.path(), "a", tensors)).unwrap().check_finite(&CancelToken::new())
    };
    check(&good).unwrap();
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut broken = good.clone();
        broken[1].3[500..504].copy_from_slice(&bad.to_le_bytes());
        let error = check(&broken).unwrap_err();
        assert_eq!((error.kind, error.field_name()), (Kind::Input, Some("lora")));
        assert!(error.message.contains(&names[1]), "{error:#}");
    }
    // what is no part of the LoRA may be anything
    let spare = ("optimizer.state".to_owned(), Dtype::F32, &[1][..], f32::NAN.to_le_bytes().to_vec());
    check(&[good.to_vec(), vec![spare]].concat()).unwrap();
}

#[test]
fn a_file_for_both_experts_is_its_halves_in_a_whole_run() {
    let dir = tempfile::tempdir().unwrap();
    let half = |prefix: &str, seed| {
        let module = format!("{prefix}blocks.0.attn1.to_q");
        let [mut down, mut up] =
            pair(&format!("{module}.lora_A.weight"), &format!("{module}.lora_B.weight"), seed);
        for tensor in [&mut down, &mut up] {
            let floats: Vec<f32> =
                tensor.3.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect();
            tensor.3 = floats.iter().flat_map(|value| (value * 4.0).to_le_bytes()).collect();
        }
        [down, up]
    };
    let both = file(dir.path(), "both", &[half("transformer.", 1), half("transformer_2.", 3)].concat());
    let high = file(dir.path(), "first", &half("transformer.", 1));
    let low = file(dir.path(), "second", &half("transformer.", 3));
    let frames = |name: &str, loras: Vec<LoraChoice>| {
        let output = dir.path().join(name);
        let outcome = lora::run(Draft { loras, ..lora::draft() }, &output).unwrap();
        let pixels = common::frames(&outcome.output);
        (outcome, pixels)
    };
    let (outcome, one) = frames("one", vec![LoraChoice::new(&both)]);
    assert_eq!(outcome.loras[0].experts, [Expert::High, Expert::Low]);
    let on = |file: &PathBuf, expert| LoraChoice { expert: Some(expert), ..LoraChoice::new(file) };
    let (_, two) = frames("two", vec![on(&high, Expert::High), on(&low, Expert::Low)]);
    assert_eq!(one.len(), 5 * 48 * 32 * 3);
    assert!(one == two, "the halves are applied to their experts");
    let (_, only) = frames("only", vec![on(&both, Expert::High)]);
    let (_, without) = frames("without", Vec::new());
    assert!(only != one && only != without);
    // LoKr and DoRA in a whole run on both experts
    let methods = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/loras/methods");
    let loras = vec![
        LoraChoice::new(methods.join("lokr.safetensors")),
        LoraChoice::new(methods.join("dora.safetensors")),
    ];
    let (outcome, changed) = frames("methods", loras);
    assert!(
        changed != without && outcome.loras.iter().all(|record| record.matched == 20 && record.left_out == 0)
    );
}
