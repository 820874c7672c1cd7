//! The suggested fixes: each removes what it is offered for, and the mildest come first.

use proptest::prelude::*;

use super::check::check;
use super::device::{DeviceFacts, ValueBytes};
use super::facts::PreflightFacts;
use super::fixes::{self, estimate_with};
use super::size::ModelSize;
use super::tests::{GIB, facts, measured, model, request};
use crate::core::{
    Bytes, Finding, Fix, GenRequest, Provider, Quantisation, Resolution, Secs, Severity, Stage, Subject,
    WeightsChoice,
};

fn about(facts: &PreflightFacts<'_>, subject: Subject) -> Option<Finding> {
    check(facts).findings.into_iter().find(|finding| finding.subject == subject)
}

/// A14B as it is published: 16-bit weights, which become fp32 in memory.
pub(super) fn published() -> ModelSize {
    let mut model = model(false);
    let as_16_bits = |component: &mut super::size::ComponentSize| {
        component.stored = Bytes(component.loaded.0 / 2);
        component.mapped = Bytes(0);
    };
    model.transformers.iter_mut().for_each(as_16_bits);
    as_16_bits(&mut model.text_encoder);
    model
}

#[test]
fn the_full_size_model_on_a_small_machine_is_offered_what_fits_and_nothing_else() {
    let (asked, model) = (request(832, 480, 81), published());
    let memory = about(&facts(&asked, &model, 19), Subject::Memory).unwrap();
    assert_eq!(memory.severity, Severity::Warning);
    let words = memory.suggestions();
    // neither fewer frames nor a smaller size keep 28.6 GB of weights in memory
    assert!(
        words[0].starts_with("convert the model to int4 (\"wandeck models convert t2v-A14B"),
        "{words:?}"
    );
    assert!(words[0].ends_with("GiB, fits"), "{words:?}");
    let roomy = about(&facts(&asked, &model, 22), Subject::Memory).unwrap();
    assert!(roomy.suggestions()[0].contains("to int8"), "{:?}", roomy.suggestions());
    assert!(roomy.suggestions()[0].ends_with(" GiB, fits"), "{:?}", roomy.suggestions());
    assert!(!memory.fixes.iter().any(|fix| matches!(fix, Fix::Frames(_) | Fix::Size(_))), "{words:?}");
    // one that is there already is used instead
    let variants = [(Quantisation::Int8, "copy-int8".to_owned())];
    let with_copy = PreflightFacts { variants: &variants, ..facts(&asked, &model, 22) };
    let memory = about(&with_copy, Subject::Memory).unwrap();
    assert_eq!(memory.fixes[0], Fix::Model("copy-int8".into()));
}

#[test]
fn what_helps_only_together_is_offered_together() {
    let (asked, model) = (request(1280, 720, 81), published());
    let together = |free: &u64| {
        let memory = about(&facts(&asked, &model, *free), Subject::Memory);
        memory.is_some_and(|memory| matches!(memory.fixes.first(), Some(Fix::Together(_))))
    };
    let free = (1..=17).rev().find(together).unwrap();
    let memory = about(&facts(&asked, &model, free), Subject::Memory).unwrap();
    let fix = &memory.fixes[0];
    let Fix::Together(parts) = fix else { unreachable!("{:?}", memory.suggestions()) };
    assert!(fix.to_string().contains(" and "), "{fix}");
    // none of the parts suffices
    for part in parts {
        let facts = facts(&asked, &model, free);
        let after = estimate_with(&facts, part, fixes::fit).unwrap().0;
        assert!(after > estimate_with(&facts, fix, fixes::fit).unwrap().0, "{part}");
    }
}

/// 16 bits do not fit into a card of 24 GiB unless they are streamed; 8 bits, which stay 8 bits there, do. The CPU would
/// not save memory.
#[test]
fn a_card_that_holds_8_bits_of_a_weight_is_offered_the_int8_copy() {
    let asked = GenRequest { weights: WeightsChoice::Packed, ..request(832, 480, 81) };
    let model = published();
    let value_bytes = ValueBytes { text_encoder: 2, transformer: 2, vae: 4 };
    let device =
        |gib: u64| Some(DeviceFacts { total: Bytes(gib * GIB), free: Some(Bytes(gib * GIB)), value_bytes });
    let on =
        |gib| PreflightFacts { device: device(gib), provider: Provider::Cuda, ..facts(&asked, &model, 16) };
    let memory = about(&on(24), Subject::Memory).unwrap();
    assert_eq!(memory.severity, Severity::Blocker);
    let words = memory.suggestions();
    assert!(words.iter().all(|words| words.ends_with("GiB, fits")), "{words:?}");
    assert!(words.iter().all(|words| !words.contains("int4")), "only the CPU computes with int4: {words:?}");
    assert_eq!(memory.fixes[0], Fix::StreamWeights);
    let to_int8 = words.iter().position(|words| words.contains("to int8")).unwrap();
    let converted = estimate_with(&on(24), &memory.fixes[to_int8], |facts| check(facts).device);
    let denoise = converted.iter().find(|stage| stage.stage == Stage::DenoiseHigh).unwrap();
    assert!((19 * GIB..23 * GIB).contains(&denoise.peak.0), "{}", denoise.peak);
    assert!(about(&on(48), Subject::Memory).is_none());
    assert!(about(&on(16), Subject::Memory).unwrap().suggestions().iter().all(|words| words.contains(',')));
}

#[test]
fn when_nothing_helps_that_is_said_with_what_would() {
    let (asked, model) = (request(1280, 720, 81), model(true));
    let tiny = PreflightFacts { free_memory: Some(Bytes(GIB / 2)), ..facts(&asked, &model, 1) };
    let memory = about(&tiny, Subject::Memory).unwrap();
    assert!(memory.fixes.is_empty(), "{:?}", memory.suggestions());
    assert!(memory.message.contains("No change of the settings makes it fit"), "{}", memory.message);
    assert!(memory.message.contains("smaller model, or a machine with more memory"), "{}", memory.message);
}

#[test]
fn a_time_limit_that_cannot_be_kept_is_a_blocker_with_the_fixes_that_lift_it() {
    let (asked, model) = (request(832, 480, 81), model(true));
    let history = [measured(&asked, &model, 1e-12)];
    let limited = |seconds: f64, history| PreflightFacts {
        history,
        time_limit: Some(Secs(seconds)),
        ..facts(&asked, &model, 500)
    };
    let time = about(&limited(60.0, &history), Subject::Time).unwrap();
    assert_eq!(time.severity, Severity::Blocker);
    assert!(
        time.message.starts_with("The time limit is 1 min 00 s, and the run takes about "),
        "{}",
        time.message
    );
    assert!(matches!(&time.fixes[..], [Fix::TimeLimit(None), Fix::TimeLimit(Some(_))]), "{:?}", time.fixes);
    // what no machine can do is a blocker without an earlier run, too
    let unknown = about(&limited(60.0, &[]), Subject::Time).unwrap();
    assert_eq!(unknown.severity, Severity::Blocker);
    assert!(unknown.message.contains("takes more than"), "{}", unknown.message);
    assert_ne!(about(&limited(1e9, &history), Subject::Time).unwrap().severity, Severity::Blocker);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_offered_fix_removes_its_blocker(
        (width, height, frames) in (4_u32..80, 4_u32..50, 0_u32..40),
        memory in 1_u64..120,
        (is_int8, is_16_bit, has_copy) in any::<(bool, bool, bool)>(),
        on_card: bool,
        tile in prop::option::of(64_u32..1400),
        in_place: bool,
        limit in prop::option::of(1.0_f64..1e7),
        lora_gib in 0_u64..3,
    ) {
        let asked = GenRequest {
            size: Resolution::new(width * 16, height * 16),
            vae_tile: tile,
            weights: if in_place { WeightsChoice::InPlace } else { WeightsChoice::Auto },
            ..request(64, 64, frames * 4 + 1)
        };
        let model = if is_16_bit && !is_int8 { published() } else { model(is_int8) };
        let variants = [(Quantisation::Int8, "int8".to_owned()), (Quantisation::Int4, "int4".to_owned())];
        let value_bytes = ValueBytes { text_encoder: 2, transformer: 2, vae: 4 };
        let device = DeviceFacts { total: Bytes(memory * GIB), free: Some(Bytes(memory * GIB)), value_bytes };
        let facts = PreflightFacts {
            variants: if has_copy { &variants } else { &[] },
            provider: if on_card { Provider::Cuda } else { Provider::Cpu },
            device: on_card.then_some(device),
            time_limit: limit.map(Secs),
            loras: [Bytes(lora_gib * GIB); 2],
            ..facts(&asked, &model, memory)
        };
        let is_blocked = |facts: &PreflightFacts<'_>, subject: Subject| {
            about(facts, subject).is_some_and(|finding| finding.severity == Severity::Blocker)
        };
        for finding in check(&facts).findings {
            prop_assert!(finding.figures.is_empty() || finding.figures.len() == finding.fixes.len());
            for fix in finding.fixes.iter().filter(|_| finding.severity == Severity::Blocker) {
                let still = estimate_with(&facts, fix, |facts| is_blocked(facts, finding.subject));
                prop_assert!(!still, "{fix} does not help: {}", finding.message);
            }
            // a warning about memory is removed, too
            for fix in finding.fixes.iter().filter(|_| finding.subject == Subject::Memory) {
                let before = fixes::fit(&facts).map(|(fit, _)| fit);
                let after = estimate_with(&facts, fix, fixes::fit).map(|(fit, _)| fit);
                prop_assert!(after < before, "{fix}: {before:?} to {after:?}");
            }
        }
    }
}
