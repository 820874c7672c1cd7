//! A rule, a test.

use super::card::Card;
use super::check::check;
use super::facts::{DiskSpace, Facts, Preflight, StageMemory};
use super::measured::{MeasuredRun, compare};
use super::size::{ModelSize, NetSize};
use super::time::{self, passes};
use crate::core::{Bytes, Finding, Fix, Secs, Severity, Subject};
use crate::core::{
    FlowShift, Fps, FrameCount, GenRequest, Guidance, Mode, PrecisionChoice, ProviderChoice, Quantisation,
    Resolution, Sampler, Seed, Stage, StepCount, Strides, WeightsChoice,
};
use crate::wan::{TextEncoderConfig, TransformerConfig, VaeConfig};

const GIB: u64 = 1 << 30;

/// t2v-A14B as fp32 files, or in 8-bit integers.
fn model(int8: bool) -> ModelSize {
    let parameters = 14_288_491_584_u64;
    let size = Bytes(parameters * if int8 { 1 } else { 4 });
    let net = NetSize {
        stored: size,
        loaded: size,
        mapped: size,
        largest: Bytes(283_115_520),
        ..NetSize::default()
    };
    let small = |mib: u64| {
        let size = Bytes(mib << 20);
        NetSize { stored: size, loaded: size, mapped: size, largest: Bytes(1 << 24), ..NetSize::default() }
    };
    ModelSize {
        id: "t2v-A14B".into(),
        fingerprint: format!("f{int8}"),
        transformers: vec![net, net],
        transformer: TransformerConfig {
            num_attention_heads: 40,
            attention_head_dim: 128,
            in_channels: 16,
            out_channels: Some(16),
            text_dim: 4096,
            freq_dim: 256,
            ffn_dim: 13_824,
            num_layers: 40,
            patch_size: [1, 2, 2],
            cross_attn_norm: true,
            eps: 1e-6,
            rope_max_seq_len: 1024,
        },
        text_encoder: small(18_000 / if int8 { 4 } else { 1 }),
        text: TextEncoderConfig {
            vocab_size: 256_384,
            d_model: 4096,
            d_kv: 64,
            d_ff: 10_240,
            num_layers: 24,
            num_heads: 64,
            relative_attention_num_buckets: 32,
            relative_attention_max_distance: 128,
            layer_norm_epsilon: 1e-6,
        },
        vae_encoder: small(200),
        vae_decoder: small(280),
        vae: VaeConfig::default(),
        strides: Strides { temporal: 4, spatial: 8, patch: 2 },
        integers: int8.then_some(Quantisation::Int8),
        expand_timesteps: false,
        exported: None,
    }
}

fn request(width: u32, height: u32, frames: u32) -> GenRequest {
    GenRequest {
        prompt: "a cat".into(),
        negative_prompt: String::new(),
        model: "t2v-A14B".into(),
        mode: Mode::T2V,
        start_image: None,
        end_image: None,
        continue_from: None,
        seed: Seed(0),
        steps: StepCount(40),
        guidance: Guidance(4.0),
        guidance_low: Guidance(3.0),
        shift: FlowShift(12.0),
        sampler: Sampler::UniPc,
        step_list: None,
        size: Resolution::new(width, height),
        frames: FrameCount(frames),
        fps: Fps(16),
        provider: ProviderChoice::Auto,
        precision: PrecisionChoice::Auto,
        loras: Vec::new(),
        vae_tile: None,
        weights: WeightsChoice::Auto,
    }
}

fn facts<'a>(request: &'a GenRequest, model: &'a ModelSize, free_gib: u64) -> Facts<'a> {
    Facts {
        request,
        model,
        steps: [26, 14],
        free_memory: Some(Bytes(free_gib * GIB)),
        rooms: &[],
        cores: 2,
        provider: "cpu",
        variants: &[],
        history: &[],
        like_runs: None,
        loras: [Bytes(0); 2],
        card: None,
    }
}

fn measured(request: &GenRequest, model: &ModelSize, seconds_of_work: f64) -> MeasuredRun {
    let work = time::work(request, model, [26, 14]);
    let mut stages: Vec<_> =
        work.iter().map(|(stage, work)| (*stage, Secs(work * seconds_of_work))).collect();
    stages.push((Stage::Text, Secs(2.0)));
    MeasuredRun {
        model_fingerprint: model.fingerprint.clone(),
        mode: request.mode,
        size: request.size,
        frames: request.frames,
        steps: [26, 14],
        passes: passes(request),
        precision: "fp32".into(),
        provider: "cpu".into(),
        weights: WeightsChoice::Auto,
        vae_tile: None,
        stages,
        work,
        seconds_per_step: None,
        peak: Some(Bytes(GIB)),
    }
}

fn of(found: &Preflight, subject: Subject) -> Option<&Finding> {
    found.findings.iter().find(|finding| finding.subject == subject)
}

#[test]
fn the_official_request_on_a_small_machine_is_warned_of() {
    let (request, model) = (request(1280, 720, 81), model(false));
    let variants =
        [Quantisation::Int8, Quantisation::Int4].map(|kind| (kind, format!("t2v-A14B-{}", kind.word())));
    let facts = Facts { variants: &variants, ..facts(&request, &model, 22) };
    let found = check(&facts);
    assert!(found.can_run(), "{:?}", found.findings);
    let time = of(&found, Subject::Time).unwrap();
    assert_eq!(time.severity, Severity::Warning);
    assert!(time.message.contains("More than") && time.message.contains(" days "), "{}", time.message);
    assert_eq!(time.fixes[0], Fix::Model("t2v-A14B-int8".into()));
    let is_model = |change: &&Fix| matches!(change, Fix::Model(_));
    assert_eq!(time.fixes.iter().filter(is_model).count(), 1, "4 bits are no faster");
    assert!(time.fixes.iter().any(|change| matches!(change, Fix::Steps(_))));
    assert!(time.fixes.iter().any(|change| matches!(change, Fix::Size(_))));
    let memory = of(&found, Subject::Memory).unwrap();
    assert_eq!(memory.severity, Severity::Warning);
    assert!(memory.message.contains("read again and again"), "{}", memory.message);
    let smaller: Vec<_> = memory.fixes.iter().filter(is_model).map(ToString::to_string).collect();
    assert_eq!(smaller, ["use the model t2v-A14B-int8", "use the model t2v-A14B-int4"]);
}

#[test]
fn what_cannot_be_dropped_and_does_not_fit_is_a_blocker() {
    let request = request(1280, 720, 81);
    let mut model = model(false);
    // 16-bit weights become fp32 in memory, wherever they lie
    model.transformers.iter_mut().for_each(|net| net.mapped = Bytes(0));
    let found = check(&facts(&request, &model, 22));
    let memory = of(&found, Subject::Memory).unwrap();
    assert_eq!(memory.severity, Severity::Blocker);
    assert!(memory.message.contains("models convert t2v-A14B --precision int8"), "{}", memory.message);
    assert!(!found.can_run() && found.findings[0] == *memory);
    // with room enough there is nothing to say
    assert_eq!(of(&check(&facts(&request, &model, 2000)), Subject::Memory), None);
}

#[test]
fn changes_come_in_the_order_of_what_they_cost_the_picture() {
    // the decoder in one piece is what needs most
    let request = GenRequest { vae_tile: Some(1280), ..request(1280, 720, 81) };
    let model = model(true);
    let found = check(&facts(&request, &model, 19));
    let changes = &of(&found, Subject::Memory).unwrap().fixes;
    let place = |kind: fn(&Fix) -> bool| changes.iter().position(kind);
    let tile = place(|change| matches!(change, Fix::VaeTile(_))).unwrap();
    let size = place(|change| matches!(change, Fix::Size(_))).unwrap();
    assert!(tile < size, "{changes:?}");
    assert!(changes.len() <= 5);
}

#[test]
fn memory_grows_with_the_request_and_shrinks_with_tiles() {
    let model = model(true);
    let peak = |width, height, frames, tile| {
        let request = GenRequest { vae_tile: tile, ..request(width, height, frames) };
        let found = check(&facts(&request, &model, 500));
        let of = |stage| found.memory.iter().find(|memory| memory.stage == stage).map(|memory| memory.peak);
        (of(Stage::DenoiseHigh).unwrap(), of(Stage::Decode).unwrap())
    };
    let (small, large) = (peak(832, 480, 81, None), peak(1280, 720, 81, None));
    assert!(small.0 < large.0 && small.1 < large.1);
    assert!(peak(1280, 720, 41, None).0 < large.0);
    // the decoder is a stream
    assert_eq!(peak(1280, 720, 41, None).1, large.1);
    assert!(peak(1280, 720, 81, Some(256)).1 < large.1);
    assert!(peak(16, 16, 1, None).0 > Bytes(0));
}

#[test]
fn a_full_disk_is_a_blocker() {
    let (request, model) = (request(64, 64, 17), model(true));
    let room = |free| DiskSpace { what: "the video", path: "/out".into(), free, needed: Bytes(50 << 20) };
    for (free, blocked) in [(Some(Bytes(1 << 20)), true), (Some(Bytes(GIB)), false), (None, false)] {
        let rooms = [room(free)];
        let found = check(&Facts { rooms: &rooms, ..facts(&request, &model, 500) });
        assert_eq!(of(&found, Subject::Disk).is_some(), blocked);
        assert_eq!(found.can_run(), !blocked);
    }
}

#[test]
fn nothing_is_promised_where_nothing_is_known() {
    let (request, model) = (request(64, 64, 17), model(true));
    let found = check(&Facts { free_memory: None, ..facts(&request, &model, 0) });
    assert_eq!((of(&found, Subject::Memory), found.time.is_none()), (None, true));
    let none = check(&facts(&request, &model, 0));
    assert!(!none.can_run(), "no memory is free, and never less than none");
}

#[test]
fn time_follows_from_earlier_runs() {
    let (asked, model) = (request(832, 480, 81), model(false));
    let smaller = request(416, 240, 81);
    let (own, other) = (
        measured(&smaller, &model, 1e-12),
        MeasuredRun { model_fingerprint: "other".into(), ..measured(&smaller, &model, 9e-12) },
    );
    let work: f64 = time::work(&asked, &model, [26, 14]).iter().map(|(_, work)| work).sum();
    let estimate = |history: &[MeasuredRun]| check(&Facts { history, ..facts(&asked, &model, 500) }).time;
    let from_own = estimate(&[other.clone(), own.clone()]).unwrap();
    assert!(from_own.like && from_own.runs == 1);
    assert!((from_own.seconds.0 / (work * 1e-12 + 2.0) - 1.0).abs() < 1e-6, "{from_own:?}");
    let from_other = estimate(std::slice::from_ref(&other)).unwrap();
    assert!(!from_other.like && from_other.seconds.0 > from_own.seconds.0);
    // what such runs took counts more than what their work would
    let like_runs = Some((Secs(7.0), 9));
    let history = [own.clone()];
    let like = check(&Facts { history: &history, like_runs, ..facts(&asked, &model, 500) }).time.unwrap();
    assert_eq!((like.seconds, like.runs), (Secs(7.0), 9));
    let elsewhere = MeasuredRun { provider: "cuda".into(), ..own };
    assert_eq!(estimate(&[elsewhere]), None);
    let found = check(&Facts { history: &[other], ..facts(&asked, &model, 500) });
    let told = of(&found, Subject::Time).unwrap();
    assert!(
        told.message.contains("on this machine, from an earlier run of other models"),
        "{}",
        told.message
    );
}

#[test]
fn estimates_are_held_against_what_was_measured() {
    let before = Preflight {
        card: Vec::new(),
        findings: Vec::new(),
        memory: vec![StageMemory { stage: Stage::Decode, peak: Bytes(110), droppable: Bytes(0) }],
        time: None,
    };
    let compared = compare(&before, Some(Bytes(100)), Secs(1.0));
    assert!((compared.memory.unwrap() - 0.1).abs() < 1e-9);
    assert_eq!((compared.time, compare(&before, None, Secs(1.0)).memory), (None, None));
    assert_eq!(compare(&before, Some(Bytes(0)), Secs(1.0)).memory, None);
}

#[test]
fn loras_take_memory_on_the_expert_that_they_change() {
    let (asked, model) = (request(832, 480, 17), model(false));
    let plain = facts(&asked, &model, 500);
    let peak = |facts: &Facts<'_>, stage| {
        check(facts).memory.into_iter().find(|memory| memory.stage == stage).unwrap().peak.0
    };
    let with = Facts { loras: [Bytes(0), Bytes(1 << 30)], ..plain };
    let more = |stage| peak(&with, stage) - peak(&plain, stage);
    assert_eq!([more(Stage::DenoiseHigh), more(Stage::DenoiseLow), more(Stage::Decode)], [0, 1 << 30, 0]);
}

#[test]
fn a_card_that_is_too_small_is_seen_before_the_run() {
    let (asked, model) = (request(832, 480, 81), model(false));
    let card = |total: u64, free: u64| {
        Some(Card { total: Bytes(total * GIB), free: Some(Bytes(free * GIB)), value_bytes: [2, 2, 4] })
    };
    let with = |card| Facts { card, provider: "cuda", ..facts(&asked, &model, 500) };
    let large = check(&with(card(200, 200)));
    assert!(large.memory.is_empty() && large.can_run(), "{:?}", large.findings);
    let peak = |stage| large.card.iter().find(|memory| memory.stage == stage).unwrap().peak.0;
    // half of the fp32 weights, with the margin
    assert!(peak(Stage::DenoiseHigh) > model.transformers[0].loaded.0 / 2 / 100 * 120);
    assert!(peak(Stage::DenoiseHigh) < model.transformers[0].loaded.0);
    assert!(!check(&with(card(8, 8))).can_run());
    let busy = check(&with(card(200, 8)));
    let told = busy.findings.iter().find(|finding| finding.subject == Subject::Memory).unwrap();
    assert_eq!(told.severity, Severity::Warning);
    assert!(told.fixes.contains(&Fix::Provider(ProviderChoice::Cpu)), "{told:?}");
}
