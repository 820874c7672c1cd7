//! One test for each rule.

use super::check::check;
use super::device::{DeviceFacts, ValueBytes};
use super::facts::{DiskSpace, MeasuredTime, PreflightFacts};
use super::fixes_tests::published;
use super::history::{MeasuredRun, estimate_error};
use super::memory_plan::memory_plan;
use super::report::{PreflightReport, StageMemory};
use super::size::{ComponentSize, ModelSize};
use super::time::{self, passes};
use crate::core::{Bytes, Finding, Fix, Provider, Secs, Severity, Subject};
use crate::core::{
    FlowShift, Fps, FrameCount, GenRequest, Guidance, Mode, PrecisionChoice, ProviderChoice, Quantisation,
    Resolution, Sampler, Seed, Stage, StepCount, Strides, WeightsChoice,
};
use crate::engine::Prepack;
use crate::pipeline::{ComponentId, Residency};
use crate::wan::{TextEncoderConfig, TransformerConfig, VaeConfig};

pub(super) const GIB: u64 = 1 << 30;

/// t2v-A14B in fp32 files, or in int8.
pub(super) fn model(int8: bool) -> ModelSize {
    let parameters = 14_288_491_584_u64;
    let size = Bytes(parameters * if int8 { 1 } else { 4 });
    let expert = ComponentSize {
        stored: size,
        loaded: size,
        mapped: size,
        largest: Bytes(283_115_520),
        ..ComponentSize::default()
    };
    let small = |mib: u64| {
        let size = Bytes(mib << 20);
        ComponentSize {
            stored: size,
            loaded: size,
            mapped: size,
            largest: Bytes(1 << 24),
            ..ComponentSize::default()
        }
    };
    ModelSize {
        id: "t2v-A14B".into(),
        fingerprint: format!("f{int8}"),
        transformers: vec![expert, expert],
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
        text_table: Bytes(0),
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
        quantisation: int8.then_some(Quantisation::Int8),
        expand_timesteps: false,
        exported: None,
    }
}

pub(super) fn request(width: u32, height: u32, frames: u32) -> GenRequest {
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
        step_cache: None,
        boundary: None,
        components: crate::core::ComponentFiles::default(),
        devices: crate::core::DeviceChoices::default(),
        latents_in: None,
    }
}

pub(super) fn facts<'a>(request: &'a GenRequest, model: &'a ModelSize, free_gib: u64) -> PreflightFacts<'a> {
    PreflightFacts {
        request,
        model,
        steps: [26, 14],
        free_memory: Some(Bytes(free_gib * GIB)),
        keeps_sessions: false,
        disk_space: &[],
        cores: 2,
        has_fast_int8: true,
        provider: Provider::Cpu,
        variants: &[],
        suggests_quantised: true,
        history: &[],
        similar_runs: None,
        time_limit: None,
        loras: [Bytes(0); 2],
        device: None,
        second_device: None,
    }
}

pub(super) fn measured(request: &GenRequest, model: &ModelSize, seconds_of_work: f64) -> MeasuredRun {
    let work = time::work(request, model, [26, 14], Provider::Cpu);
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
        stepping: Vec::new(),
        work,
        seconds_per_step: None,
        peak: Some(Bytes(GIB)),
    }
}

fn about(report: &PreflightReport, subject: Subject) -> Option<&Finding> {
    report.findings.iter().find(|finding| finding.subject == subject)
}

#[test]
fn int8_is_no_fix_for_time_where_the_processor_is_no_faster_with_it() {
    let (request, model) = (request(1280, 720, 81), model(false));
    let variants = [(Quantisation::Int8, "t2v-A14B-int8".to_owned())];
    let facts = PreflightFacts { variants: &variants, has_fast_int8: false, ..facts(&request, &model, 22) };
    let report = check(&facts);
    let time = about(&report, Subject::Time).unwrap();
    assert!(!time.fixes.iter().any(|fix| matches!(fix, Fix::Model(_))), "{:?}", time.fixes);
}

#[test]
fn the_official_size_gets_warnings_on_a_small_machine() {
    let (request, model) = (request(1280, 720, 81), model(false));
    let variants =
        [Quantisation::Int8, Quantisation::Int4].map(|kind| (kind, format!("t2v-A14B-{}", kind.word())));
    let facts = PreflightFacts { variants: &variants, ..facts(&request, &model, 22) };
    let report = check(&facts);
    assert!(report.can_run(), "{:?}", report.findings);
    let time = about(&report, Subject::Time).unwrap();
    assert_eq!(time.severity, Severity::Warning);
    assert!(time.message.contains("more than") && time.message.contains(" days"), "{}", time.message);
    assert_eq!(time.fixes[0], Fix::Model("t2v-A14B-int8".into()));
    let is_model = |fix: &&Fix| matches!(fix, Fix::Model(_));
    assert_eq!(time.fixes.iter().filter(is_model).count(), 1, "int4 is no faster");
    assert!(time.fixes.iter().any(|fix| matches!(fix, Fix::Steps(_))));
    assert!(time.fixes.iter().any(|fix| matches!(fix, Fix::Size(_))));
    let memory = about(&report, Subject::Memory).unwrap();
    assert_eq!(memory.severity, Severity::Warning);
    assert!(memory.message.contains("weights are read from disk in every step"), "{}", memory.message);
    assert!(memory.fixes.contains(&Fix::Model("t2v-A14B-int4".into())), "{:?}", memory.fixes);
    assert!(memory.suggestions()[0].ends_with(", fits"), "{:?}", memory.suggestions());
}

#[test]
fn weights_that_the_cpu_would_convert_are_streamed_where_they_do_not_fit() {
    let request = request(1280, 720, 81);
    let mut model = model(false);
    // 16-bit weights become fp32 in memory and are no file pages
    model.transformers.iter_mut().for_each(|component| component.mapped = Bytes(0));
    let stored = model.transformers[0].stored;
    let on = |gib| facts(&request, &model, gib);
    let plan = memory_plan(&on(22));
    assert_eq!(plan.of(ComponentId::Transformer).prepack, Prepack::Streamed);
    let report = check(&on(22));
    let memory = about(&report, Subject::Memory).unwrap();
    assert_eq!(memory.severity, Severity::Warning);
    let words =
        format!("The transformer's weights ({stored}) do not fit into the free memory (22.0 GiB): they are");
    assert!(memory.message.starts_with(&words), "{}", memory.message);
    assert!(report.can_run() && report.peak() < Bytes(22 * GIB), "{}", report.peak());
    // beside what the run needs, the system can keep the files
    let kept = check(&on(100));
    let memory = about(&kept, Subject::Memory).unwrap();
    assert_eq!(memory.severity, Severity::Note);
    assert!(memory.message.contains("read from their files block by block"), "{}", memory.message);
    assert_eq!(about(&check(&on(2000)), Subject::Memory), None, "enough memory");
    // the values alone are too much
    let blocked = check(&on(12));
    let memory = about(&blocked, Subject::Memory).unwrap();
    assert_eq!(memory.severity, Severity::Blocker);
    assert!(memory.message.starts_with("Not enough memory: "), "{}", memory.message);
    assert!(memory.message.contains(" needed, 12.0 GiB free"), "{}", memory.message);
    assert!(!blocked.can_run() && blocked.findings[0] == *memory);
}

#[test]
fn memory_grows_with_the_request_and_bands_need_less_than_tiles() {
    let model = model(true);
    let peak = |width, height, frames, tile| {
        let request = GenRequest { vae_tile: tile, ..request(width, height, frames) };
        let report = check(&facts(&request, &model, 500));
        let of = |stage| report.memory.iter().find(|memory| memory.stage == stage).map(|memory| memory.peak);
        (of(Stage::DenoiseHigh).unwrap(), of(Stage::Decode).unwrap())
    };
    let (small, large) = (peak(832, 480, 81, None), peak(1280, 720, 81, None));
    assert!(small.0 < large.0 && small.1 < large.1);
    assert!(peak(1280, 720, 41, None).0 < large.0);
    // the decoder works frame by frame, so more frames need no more memory
    assert_eq!(peak(1280, 720, 41, None).1, large.1);
    // one tile at a time is decoded through the whole clip
    assert!(peak(1280, 720, 81, Some(128)).1 < peak(1280, 720, 81, Some(256)).1);
    assert!(peak(16, 16, 1, None).0 > Bytes(0));
}

#[test]
fn a_full_disk_is_a_blocker() {
    let (request, model) = (request(64, 64, 17), model(true));
    let space = |free| DiskSpace { content: "the video", path: "/out".into(), free, needed: Bytes(50 << 20) };
    for (free, blocked) in [(Some(Bytes(1 << 20)), true), (Some(Bytes(GIB)), false), (None, false)] {
        let disk_space = [space(free)];
        let report = check(&PreflightFacts { disk_space: &disk_space, ..facts(&request, &model, 500) });
        let disk = about(&report, Subject::Disk);
        assert_eq!(disk.is_some(), blocked);
        if let Some(disk) = disk {
            assert_eq!(
                disk.message,
                "Not enough disk space for the video: 66.0 MiB needed, 1.0 MiB free in /out"
            );
        }
        assert_eq!(report.can_run(), !blocked);
    }
}

#[test]
fn unknown_memory_gives_no_finding() {
    let (request, model) = (request(64, 64, 17), model(true));
    let report = check(&PreflightFacts { free_memory: None, ..facts(&request, &model, 0) });
    assert_eq!((about(&report, Subject::Memory), report.time.is_none()), (None, true));
    let none_free = check(&facts(&request, &model, 0));
    assert!(!none_free.can_run());
}

#[test]
fn time_is_estimated_from_earlier_runs() {
    let (asked, model) = (request(832, 480, 81), model(false));
    let smaller = request(416, 240, 81);
    let (own, other) = (
        measured(&smaller, &model, 1e-12),
        MeasuredRun { model_fingerprint: "other".into(), ..measured(&smaller, &model, 9e-12) },
    );
    let work: f64 = time::work(&asked, &model, [26, 14], Provider::Cpu).iter().map(|(_, work)| work).sum();
    let estimate =
        |history: &[MeasuredRun]| check(&PreflightFacts { history, ..facts(&asked, &model, 500) }).time;
    let from_own = estimate(&[other.clone(), own.clone()]).unwrap();
    assert!(from_own.same_model && from_own.runs == 1);
    let of_stage = |stage| from_own.stages.iter().find(|(name, _)| *name == stage).unwrap().1.0;
    let steps = of_stage(Stage::DenoiseHigh) + of_stage(Stage::DenoiseLow) + of_stage(Stage::Decode);
    assert!((steps / (work * 1e-12) - 1.0).abs() < 1e-6, "{from_own:?}");
    // two seconds for 17 GiB of text encoder are those of a prompt that was known already
    assert!(of_stage(Stage::Text) > 10.0, "{from_own:?}");
    // a toy computes at another speed
    assert_eq!(estimate(std::slice::from_ref(&other)), None);
    assert!(from_own.range.is_some_and(|(from, to)| from < from_own.seconds && from_own.seconds < to));
    let same = measured(&asked, &model, 1e-12);
    assert_eq!(estimate(&[same]).unwrap().range, None, "a run of the same size is near");
    // runs with the same settings take precedence over the formula
    let similar_runs = Some(MeasuredTime { seconds: Secs(7.0), num_runs: 9 });
    let history = [own.clone()];
    let facts_with_runs = PreflightFacts { history: &history, similar_runs, ..facts(&asked, &model, 500) };
    let similar = check(&facts_with_runs).time.unwrap();
    assert_eq!((similar.seconds, similar.runs), (Secs(7.0), 9));
    let elsewhere = MeasuredRun { provider: "cuda".into(), ..own };
    assert_eq!(estimate(&[elsewhere]), None);
    let report = check(&PreflightFacts { history: &[other], ..facts(&asked, &model, 500) });
    let time = about(&report, Subject::Time).unwrap();
    assert!(time.message.contains("unknown until a first run of this model"), "{}", time.message);
}

#[test]
fn the_error_of_an_estimate_is_relative_to_the_measurement() {
    let report = PreflightReport {
        device: Vec::new(),
        findings: Vec::new(),
        memory: vec![StageMemory { stage: Stage::Decode, peak: Bytes(110), droppable: Bytes(0) }],
        time: None,
        work: Vec::new(),
        durations: Vec::new(),
    };
    let error = estimate_error(&report, Some(Bytes(100)), Secs(1.0));
    assert!((error.memory.unwrap() - 0.1).abs() < 1e-9);
    assert_eq!((error.time, estimate_error(&report, None, Secs(1.0)).memory), (None, None));
    assert_eq!(estimate_error(&report, Some(Bytes(0)), Secs(1.0)).memory, None);
}

#[test]
fn loras_need_memory_on_the_expert_that_they_change() {
    let (asked, model) = (request(832, 480, 17), model(false));
    let plain = facts(&asked, &model, 500);
    let peak = |facts: &PreflightFacts<'_>, stage| {
        check(facts).memory.into_iter().find(|memory| memory.stage == stage).unwrap().peak.0
    };
    let with = PreflightFacts { loras: [Bytes(0), Bytes(1 << 30)], ..plain };
    let more = |stage| peak(&with, stage) - peak(&plain, stage);
    // its expert is loaded while the other one computes
    let expected = [1 << 30, 1 << 30, 0];
    assert_eq!([more(Stage::DenoiseHigh), more(Stage::DenoiseLow), more(Stage::Decode)], expected);
    // where there is no room for that, only its own stage has it
    let request = GenRequest { weights: WeightsChoice::Packed, ..asked.clone() };
    let plain = facts(&request, &model, 60);
    let with = PreflightFacts { loras: [Bytes(0), Bytes(1 << 30)], ..plain };
    assert_eq!(peak(&with, Stage::DenoiseHigh), peak(&plain, Stage::DenoiseHigh));
}

#[test]
fn a_gpu_that_is_too_small_is_reported_before_the_run() {
    let (asked, model) = (request(832, 480, 81), model(false));
    let value_bytes = ValueBytes { text_encoder: 2, transformer: 2, vae: 4 };
    let device = |total: u64, free: u64| {
        Some(DeviceFacts { total: Bytes(total * GIB), free: Some(Bytes(free * GIB)), value_bytes })
    };
    let with = |device| PreflightFacts { device, provider: Provider::Cuda, ..facts(&asked, &model, 500) };
    let large = check(&with(device(200, 200)));
    assert!(large.memory.is_empty() && large.can_run(), "{:?}", large.findings);
    let peak = |stage| large.device.iter().find(|memory| memory.stage == stage).unwrap().peak.0;
    // half of the fp32 weights, with the margin
    assert!(peak(Stage::DenoiseHigh) > model.transformers[0].loaded.0 / 2 / 100 * 110);
    assert!(peak(Stage::DenoiseHigh) < model.transformers[0].loaded.0);
    assert!(!check(&with(device(4, 4))).can_run());
    let busy = check(&with(device(200, 4)));
    let memory = about(&busy, Subject::Memory).unwrap();
    assert_eq!(memory.severity, Severity::Warning);
    assert!(memory.message.contains("4.0 GiB free of 200.0 GiB"), "{}", memory.message);
    assert!(memory.fixes.contains(&Fix::Provider(ProviderChoice::Cpu)), "{memory:?}");
    assert!(memory.suggestions().iter().all(|fix| fix.ends_with("fits")), "{:?}", memory.suggestions());
}

#[test]
fn both_gpus_of_a_job_are_counted() {
    let (asked, model) = (request(832, 480, 81), model(false));
    let value_bytes = ValueBytes { text_encoder: 2, transformer: 2, vae: 4 };
    let gpu =
        |gib: u64| Some(DeviceFacts { total: Bytes(gib * GIB), free: Some(Bytes(gib * GIB)), value_bytes });
    let with = |second| PreflightFacts {
        device: gpu(200),
        second_device: gpu(second),
        provider: Provider::Cuda,
        ..facts(&asked, &model, 500)
    };
    assert!(check(&with(200)).can_run());
    let small = check(&with(4));
    let memory = about(&small, Subject::Memory).unwrap();
    assert_eq!(memory.severity, Severity::Blocker);
    assert!(memory.message.starts_with("Not enough memory on the second GPU"), "{}", memory.message);
    assert!(memory.message.contains("the GPU has 4.0 GiB"), "{}", memory.message);
    // without guidance nothing runs there
    let alone = GenRequest { guidance: Guidance(1.0), guidance_low: Guidance(1.0), ..asked.clone() };
    assert!(check(&PreflightFacts { request: &alone, ..with(4) }).can_run());
}

/// What A14B in 16 bits takes of a card: all weights where they fit, else two blocks at a time.
#[test]
fn a_card_streams_the_weights_that_it_cannot_hold() {
    let model = published();
    let value_bytes = ValueBytes { text_encoder: 2, transformer: 2, vae: 4 };
    for (gib, size, streams, runs) in [
        (6, (832, 480), true, false),
        (8, (832, 480), true, true),
        (12, (832, 480), true, true),
        (16, (832, 480), true, true),
        (24, (832, 480), true, true),
        (32, (832, 480), false, true),
        (48, (832, 480), false, true),
        (8, (1280, 720), true, false),
        (12, (1280, 720), true, true),
        (24, (1280, 720), true, true),
        (48, (1280, 720), false, true),
        (80, (1280, 720), false, true),
    ] {
        let asked = request(size.0, size.1, 81);
        let device = Some(DeviceFacts { total: Bytes(gib * GIB), free: Some(Bytes(gib * GIB)), value_bytes });
        let facts = PreflightFacts { device, provider: Provider::Cuda, ..facts(&asked, &model, 64) };
        let plan = memory_plan(&facts);
        let streamed = plan.of(ComponentId::Transformer).prepack == Prepack::Streamed;
        let report = check(&facts);
        assert_eq!((streamed, report.can_run()), (streams, runs), "{gib} GiB {size:?}: {:?}", report.device);
        if runs {
            let memory = about(&report, Subject::Memory).map(|finding| (finding.severity, &finding.message));
            assert_eq!(memory.is_some(), streams, "{gib} GiB {size:?}: {memory:?}");
            assert!(memory.is_none_or(|(severity, words)| severity == Severity::Note
                && words.contains("block by block in every step")
                && words.ends_with(", from main memory")));
        }
        // main memory that does not hold them either
        let facts = PreflightFacts { free_memory: Some(Bytes(8 * GIB)), ..facts };
        let slow =
            about(&check(&facts), Subject::Memory).is_some_and(|finding| finding.message.contains("slow"));
        assert_eq!(slow, streams && runs, "{gib} GiB {size:?}");
    }
}

#[test]
fn sessions_that_stay_loaded_count_in_every_stage() {
    let (asked, model) = (request(64, 64, 17), model(true));
    let peak = |facts: &PreflightFacts<'_>, stage| {
        check(facts).memory.into_iter().find(|memory| memory.stage == stage).unwrap().peak
    };
    let alone = facts(&asked, &model, 100);
    let kept = PreflightFacts { keeps_sessions: true, ..alone };
    let plan = memory_plan(&kept);
    let stays = |component| plan.of(component).residency == Residency::BetweenJobs;
    assert!(stays(ComponentId::Transformer) && stays(ComponentId::Transformer2));
    let both = plan.of(ComponentId::Transformer).kept.0 + plan.of(ComponentId::Transformer2).kept.0;
    assert!(both >= 2 * model.transformers[0].loaded.0);
    assert!(peak(&kept, Stage::Decode).0 >= peak(&alone, Stage::Decode).0 + both);
    // a quarter stays free, so that keeping sessions never makes a run tight
    assert!(check(&kept).peak() <= Bytes(75 * GIB), "{}", check(&kept).peak());
    assert_eq!(check(&kept).findings, check(&alone).findings);
    // where there is no room, the estimate is that of a run alone
    let packed = GenRequest { weights: WeightsChoice::Packed, ..asked.clone() };
    let alone = facts(&packed, &model, 17);
    let short = PreflightFacts { keeps_sessions: true, ..alone };
    assert_eq!(check(&short).memory, check(&alone).memory);
}

#[test]
fn an_expert_that_is_loaded_ahead_counts_in_the_stage_that_computes_beside() {
    let (asked, model) = (request(64, 64, 17), model(true));
    let peaks = |free_gib| {
        let memory = check(&facts(&asked, &model, free_gib)).memory;
        [Stage::Text, Stage::DenoiseHigh, Stage::DenoiseLow, Stage::Decode]
            .map(|stage| memory.iter().find(|one| one.stage == stage).unwrap().peak.0)
    };
    // three quarters of 64 GiB hold both experts of 13.3 GiB, those of 34 GiB one of them
    let (both, one, expert) = (peaks(64), peaks(34), model.transformers[0].loaded.0);
    assert!(both[1] >= one[1] + expert, "{both:?} {one:?}");
    assert_eq!((both[2], both[3]), (one[2], one[3]), "nothing follows them");
    assert!(one[0] >= expert, "the first expert is loaded while the prompt is encoded: {one:?}");
}

#[test]
fn the_decoder_at_its_real_width_needs_what_was_measured() {
    // the 5B model's VAE at 224x224, 5 frames: peaks of 3878 and 4062 MiB in two runs, 2117 MiB of them weights
    let weights = Bytes(2117 << 20);
    let decoder = ComponentSize { stored: Bytes(weights.0 / 2), loaded: weights, ..ComponentSize::default() };
    let vae = VaeConfig::wan_2_2();
    let strides = Strides { temporal: 4, spatial: 16, patch: 2 };
    let model = ModelSize { vae, vae_decoder: decoder, strides, ..model(true) };
    let request = request(224, 224, 5);
    let report = check(&facts(&request, &model, 500));
    let decode = report.memory.iter().find(|memory| memory.stage == Stage::Decode).unwrap().peak;
    let mebibytes = decode.0 >> 20;
    assert!((3700..4300).contains(&mebibytes), "{mebibytes} MiB");
}
