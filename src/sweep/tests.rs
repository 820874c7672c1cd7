//! Expansion, its invariants, and files.

use proptest::prelude::*;

use super::{Axis, AxisValues, Condition, Sampling, Sweep, SweepField};
use crate::core::testing::draft;
use crate::core::{Draft, Expert, LoraChoice, Resolution, Result, Sampler};
use crate::presets::{self, Preset};

fn preset(name: &str) -> Result<Preset> {
    presets::by_name(name)
}

fn sweep(axes: &[&str]) -> Sweep {
    Sweep::of("test", draft(), axes.iter().map(|axis| axis.parse().unwrap()).collect())
}

fn labels(sweep: &Sweep) -> Vec<String> {
    sweep.cells(&draft(), &preset).unwrap().iter().map(super::Cell::label).collect()
}

#[test]
fn every_combination_is_made_and_the_last_axis_changes_fastest() {
    let sweep = sweep(&["steps=4,8 & shift=3,5", "guidance_low=1,2"]);
    assert_eq!(
        labels(&sweep),
        [
            "steps 4 · shift 3 · guidance_low 1",
            "steps 4 · shift 3 · guidance_low 2",
            "steps 8 · shift 5 · guidance_low 1",
            "steps 8 · shift 5 · guidance_low 2",
        ]
    );
    let last = sweep.cells(&draft(), &preset).unwrap().pop().unwrap();
    assert_eq!(last.place, [1, 1]);
    assert_eq!((last.draft.steps, last.draft.shift, last.draft.guidance_low), (8, 5.0, Some(2.0)));
}

#[test]
fn every_field_is_set_and_read_back() {
    let base =
        Draft { prompt: "a cat".into(), loras: vec![LoraChoice::new("a"), LoraChoice::new("b")], ..draft() };
    for (field, value) in [
        ("preset", "toy-t2v"),
        ("model", "other"),
        ("prompt", "a dog, wet"),
        ("replace:cat", "dog"),
        ("negative_prompt", "grey"),
        ("seed", "18446744073709551615"),
        ("steps", "9"),
        ("guidance", "2.5"),
        ("guidance_high", "2.5"),
        ("guidance_low", "2.5"),
        ("shift", "7.5"),
        ("sampler", "euler"),
        ("size", "832x480"),
        ("frames", "21"),
        ("fps", "12"),
        ("lora", "none"),
        ("lora_strength:2", "0.5"),
        ("provider", "cpu"),
        ("precision", "fp32"),
        ("weights", "packed"),
        ("vae_tile", "128"),
        ("step_cache", "0.05"),
        ("boundary", "0.9"),
    ] {
        let parsed: SweepField = field.parse().unwrap();
        assert_eq!(parsed.to_string(), field);
        let mut changed = base.clone();
        parsed.set(&mut changed, value, &preset).unwrap();
        assert_ne!(changed, base, "{field}");
        if !matches!(parsed, SweepField::Preset | SweepField::Replace(_)) {
            assert_eq!(parsed.value(&changed), value, "{field}");
        }
    }
    for (field, value) in
        [("steps", "many"), ("sampler", "x"), ("lora_strength:3", "1"), ("replace:dog", "x")]
    {
        let parsed: SweepField = field.parse().unwrap();
        assert_eq!(parsed.set(&mut base.clone(), value, &preset).unwrap_err().field_name(), Some("axis"));
    }
    for field in ["", "colour", "lora_strength:0", "lora_strength:1:left", "replace:"] {
        assert!(field.parse::<SweepField>().is_err(), "{field}");
    }
}

#[test]
fn one_expert_changes_alone() {
    let mut changed = Draft { guidance: 3.0, guidance_low: None, ..draft() };
    SweepField::GuidanceHigh.set(&mut changed, "5", &preset).unwrap();
    assert_eq!((changed.guidance, changed.guidance_low), (5.0, Some(3.0)));
    changed.loras = vec![LoraChoice::new("a")];
    SweepField::LoraStrength(1, Some(Expert::Low)).set(&mut changed, "0.25", &preset).unwrap();
    let strength = |expert| {
        let of = changed.loras.iter().find(|lora| lora.expert == Some(expert)).unwrap();
        of.strength
    };
    assert_eq!((changed.loras.len(), strength(Expert::Low), strength(Expert::High)), (2, 0.25, 1.0));
}

#[test]
fn both_experts_of_a_lora_can_be_swept_together() {
    let base = Draft { loras: vec![LoraChoice::new("a"), LoraChoice::new("b")], ..draft() };
    let (high, low) = ("lora_strength:1:high=0.5,1", "lora_strength:1:low=0,2");
    for axes in [[high, low], [low, high]] {
        let cells = sweep(&axes).cells(&base, &preset).unwrap();
        assert_eq!(cells.len(), 4, "{axes:?}");
        for cell in &cells {
            assert_eq!(cell.draft.loras.len(), 3, "{:?}", cell.draft.loras);
            assert_eq!(cell.draft.loras[1], LoraChoice::new("b"), "the others keep their places");
            for (field, value) in &cell.values {
                assert_eq!(field.value(&cell.draft), *value, "{field} of {:?}", cell.draft.loras);
            }
        }
    }
    // a LoRA that is given for one expert only stays so
    let mut only =
        Draft { loras: vec![LoraChoice { expert: Some(Expert::High), ..LoraChoice::new("a") }], ..draft() };
    let low = SweepField::LoraStrength(1, Some(Expert::Low));
    assert!(low.set(&mut only, "1", &preset).unwrap_err().message.contains("not applied"));
    assert_eq!(low.value(&only), "");
}

#[test]
fn a_preset_is_set_before_what_changes_it() {
    let sweep = sweep(&["steps=4,6", "preset=toy-t2v,toy-i2v"]);
    let cells = sweep.cells(&draft(), &preset).unwrap();
    assert_eq!(cells.iter().map(|cell| cell.draft.steps).collect::<Vec<_>>(), [4, 4, 6, 6]);
    assert_eq!(cells[1].draft.model, "toy-i2v-A14B");
    assert_eq!(cells[0].draft.size, Resolution::new(64, 64));
}

#[test]
fn cells_are_skipped_and_the_space_is_sampled() {
    let mut sweep = sweep(&["steps=4,8,12", "guidance_low=1,2,3", "sampler=unipc,euler"]);
    sweep.skip = vec!["steps > 4 & sampler = euler".parse().unwrap(), "guidance_low>=3".parse().unwrap()];
    let cells = sweep.cells(&draft(), &preset).unwrap();
    assert_eq!(cells.len(), 8);
    assert!(cells.iter().all(|cell| cell.draft.steps == 4 || cell.draft.sampler != Sampler::Euler));
    sweep.skip.clear();
    for sampling in [Sampling::Random { count: 9, seed: 1 }, Sampling::Sobol { count: 9, seed: 1 }] {
        sweep.sampling = sampling;
        let mut labels = labels(&sweep);
        assert_eq!(
            (labels.len(), labels.clone()),
            (9, self::labels(&sweep)),
            "the same seed, the same cells"
        );
        labels.sort();
        labels.dedup();
        assert_eq!(labels.len(), 9, "{sampling:?}");
    }
    // a space with fewer cells than are wanted is taken whole
    sweep.sampling = Sampling::Sobol { count: 500, seed: 1 };
    assert_eq!(labels(&sweep).len(), 18);
}

#[test]
fn what_cannot_be_made_is_refused() {
    let five = sweep(&["steps=1,2", "shift=1,2", "seed=1,2", "fps=1,2", "frames=5,9"]);
    assert!(five.cells(&draft(), &preset).unwrap_err().message.contains("1 to 4 axes"));
    let many = sweep(&["seed=1,..,100", "steps=1,..,50"]);
    assert!(many.cells(&draft(), &preset).unwrap_err().message.contains("5000"));
    let mut none = sweep(&["steps=1,2"]);
    none.skip = vec!["steps<5".parse().unwrap()];
    let error = none.cells(&draft(), &preset).unwrap_err();
    assert!(error.remedy_text().is_some_and(|remedy| remedy.contains("skip condition")), "{error:#}");
    for axis in ["steps", "steps=1,2 & shift=1", "colour=1"] {
        assert!(axis.parse::<Axis>().is_err(), "{axis}");
    }
}

#[test]
fn a_file_is_read_and_a_wrong_field_named() {
    let text = r#"(
        version: 1,
        name: "guidance",
        base: (preset: "toy-t2v", prompt: "a red circle", set: [("seed", "7")]),
        axes: [
            (field: "guidance_low", values: "1, 1.5, .., 3"),
            (field: "steps", values: ["4", "8"], linked: [(field: "shift", values: "3, 5")]),
        ],
        skip: ["steps = 8 & guidance_low > 2"],
        sampling: sobol(count: 5),
        draft_steps: 2,
    )"#;
    let sweep = Sweep::parse(text, "mine.ron").unwrap();
    assert_eq!(sweep.axes[1].values, AxisValues::List(vec!["4".into(), "8".into()]));
    let base = sweep.base_draft(&draft(), &preset).unwrap();
    assert_eq!((base.model.as_str(), base.seed, base.prompt.as_str()), ("toy-t2v-A14B", 7, "a red circle"));
    assert_eq!(Sweep::parse(&sweep.to_ron().unwrap(), "again").unwrap(), sweep);
    let whole = super::sweep::Sweep::of("x", draft(), vec!["seed=1,2".parse().unwrap()]);
    assert_eq!(Sweep::parse(&whole.to_ron().unwrap(), "again").unwrap(), whole);
    for (text, word) in [
        ("(version: 2, axes: [])", "version 2"),
        ("(version: 1, axes: [], colour: 1)", "colour"),
        ("(version: 1, axes: [(field: \"colour\", values: \"1\")])", "colour"),
    ] {
        let error = Sweep::parse(text, "mine.ron").unwrap_err();
        assert!(error.message.contains(word) && error.message.contains("mine.ron"), "{error:#}");
    }
}

proptest! {
    #[test]
    fn a_grid_has_each_combination_once_and_every_cell_its_own_values(
        steps in proptest::collection::btree_set(1_u32..100, 1..6),
        seeds in proptest::collection::btree_set(any::<u64>(), 1..6),
        limit in 1_u32..100,
    ) {
        let list = |values: &mut dyn Iterator<Item = String>| values.collect::<Vec<_>>().join(",");
        let mut sweep = sweep(&[]);
        sweep.axes = vec![
            Axis::new(SweepField::Steps, list(&mut steps.iter().map(ToString::to_string))),
            Axis::new(SweepField::Seed, list(&mut seeds.iter().map(ToString::to_string))),
        ];
        let skip: Condition = format!("steps > {limit}").parse().unwrap();
        sweep.skip = vec![skip];
        let expected: Vec<_> = steps
            .iter()
            .filter(|steps| **steps <= limit)
            .flat_map(|steps| seeds.iter().map(move |seed| (*steps, *seed)))
            .collect();
        match sweep.cells(&draft(), &preset) {
            Ok(cells) => {
                let found: Vec<_> = cells.iter().map(|cell| (cell.draft.steps, cell.draft.seed)).collect();
                prop_assert_eq!(found, expected);
                let places: std::collections::BTreeSet<_> = cells.iter().map(|cell| &cell.place).collect();
                prop_assert_eq!(places.len(), cells.len());
            }
            Err(_) => prop_assert!(expected.is_empty()),
        }
    }

    #[test]
    fn ranges_hold_their_ends_and_step(first in -50_i32..50, step in 1_i32..9, count in 2_i32..20) {
        let (second, end) = (first + step, first + step * count);
        let axis = Axis::new(SweepField::Shift, format!("{first}, {second}, .., {end}"));
        let values: Vec<i32> = axis.own_values().unwrap().iter().map(|value| value.parse().unwrap()).collect();
        let expected: Vec<_> = (0..=count).map(|index| first + step * index).collect();
        prop_assert_eq!(values, expected);
    }
}
