//! LoKr, LoHa, DoRA and other adapters against PEFT and `LyCORIS` (`tests/golden/lora_methods.py`).

use std::path::{Path, PathBuf};

use ndarray::ArrayD;
use wandeck::core::CancelToken;
use wandeck::models::convert::{ConversionOptions, ConversionTarget, convert};
use wandeck::wan::lora::LoraMethod::{self, Dora, FullDifference, Loha, Lokr, Lora};

use super::lora::{Model, STRENGTH, apart};
use crate::common;

/// Share of the results' standard deviation: the factors are multiplied in another order, and change the results by up
/// to half of their size.
const TOLERANCE: f32 = 3e-5;
/// Each file with its methods and the number of layers it changes.
pub(crate) const METHODS: [(&str, &[LoraMethod], usize); 17] = [
    ("peft_dora/adapter_model", &[Lora, Dora], 20),
    ("peft_loha/adapter_model", &[Loha], 20),
    ("peft_lokr/adapter_model", &[Lokr], 20),
    ("lokr", &[Lokr], 20),
    ("lokr_both", &[Lokr], 20),
    ("lokr_full", &[Lokr], 20),
    ("loha", &[Loha], 20),
    ("loha_of_high_rank", &[Loha], 20),
    ("dora", &[Lora, Dora], 20),
    ("dora_by_input", &[Lora, Dora], 20),
    ("dora_lokr", &[Lokr, Dora], 20),
    ("full", &[FullDifference], 8),
    ("patch_loha", &[Loha], 1),
    ("patch_lokr", &[Lokr], 1),
    ("patch_tucker", &[Lora], 1),
    ("patch_dora", &[Lora, Dora], 1),
    ("patch_dora_by_input", &[Lora, Dora], 1),
];

pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/loras/methods/{name}.safetensors"))
}

/// The name of a file's result.
fn reference(name: &str) -> &str {
    name.trim_end_matches("/adapter_model")
}

#[test]
fn every_method_is_what_peft_and_lycoris_make_of_it() {
    let (model, golden) = (Model::open(), common::golden("lora_methods"));
    for (name, methods, layers) in METHODS {
        let summary = wandeck::wan::lora::LoraFile::open(&file(name)).unwrap().summary();
        assert_eq!(summary.methods, methods, "{name}");
        let fit = model.try_fit(&file(name), "s").unwrap();
        assert_eq!(
            (fit.report.matched.len(), fit.report.skipped.len()),
            (layers, 0),
            "{name}: {:?}",
            fit.report
        );
        let magnitudes = if methods.contains(&Dora) { layers } else { 0 };
        assert_eq!(fit.report.magnitudes, magnitudes, "{name}");
        let sample = model.run(&mut model.load(&[model.adapter(fit)]), &[("s", STRENGTH)]);
        let off = apart(&sample, &golden.f32(reference(name)));
        assert!(off <= TOLERANCE, "{name}: off by {off:e}");
    }
}

#[test]
fn no_strength_is_no_change_and_two_add_up() {
    let model = Model::open();
    let plain = model.run(&mut model.load(&[]), &[]);
    let adapter = |name: &str, input: &str| model.adapter(model.try_fit(&file(name), input).unwrap());
    let all =
        [adapter("dora", "a"), adapter("lokr", "b"), adapter("loha_of_high_rank", "c"), adapter("full", "d")];
    let mut session = model.load(&all);
    let mut run =
        |a: f32, b: f32, c: f32, d: f32| model.run(&mut session, &[("a", a), ("b", b), ("c", c), ("d", d)]);
    assert!(apart(&run(0.0, 0.0, 0.0, 0.0), &plain) <= TOLERANCE);
    let golden = common::golden("lora_methods");
    assert!(apart(&run(STRENGTH, 0.0, 0.0, 0.0), &golden.f32("dora")) <= TOLERANCE);
    assert!(apart(&run(0.0, 0.0, STRENGTH, 0.0), &golden.f32("loha_of_high_rank")) <= TOLERANCE);
    assert!(apart(&run(0.0, 0.0, 0.0, STRENGTH), &golden.f32("full")) <= TOLERANCE);
    // the same file at two strengths is the file at their sum
    let mut twice = model.load(&[adapter("dora", "a"), adapter("dora", "b")]);
    let halves = model.run(&mut twice, &[("a", 0.4), ("b", STRENGTH - 0.4)]);
    assert!(apart(&halves, &golden.f32("dora")) <= TOLERANCE);
}

#[test]
fn quantised_models_are_changed_as_whole_ones_are() {
    let dir = tempfile::tempdir().unwrap();
    let golden = common::golden("lora_methods");
    let (whole, size) =
        (Model::open(), |values: &ArrayD<f32>| values.iter().map(|value| value * value).sum::<f32>().sqrt());
    let plain = whole.run(&mut whole.load(&[]), &[]);
    for (target, bound) in [(ConversionTarget::Int8, 0.15), (ConversionTarget::Int4, 0.6)] {
        let small = dir.path().join(target.word());
        let source = common::golden_model("tiny-t2v");
        convert(&source, &small, ConversionOptions::new(target), &CancelToken::new(), &mut |_| {}).unwrap();
        let small = Model::at(&small);
        let small_plain = small.run(&mut small.load(&[]), &[]);
        for (name, ..) in METHODS {
            let adapter = small.adapter(small.try_fit(&file(name), "s").unwrap());
            let sample = small.run(&mut small.load(&[adapter]), &[("s", STRENGTH)]);
            let (found, exact) = (sample - &small_plain, golden.f32(reference(name)) - &plain);
            let off = size(&(found - &exact)) / size(&exact);
            assert!(off < bound, "{name} on {}: off by {off} of its effect", target.word());
        }
    }
}
