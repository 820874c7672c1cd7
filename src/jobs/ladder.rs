//! The retry ladder: fixes to try after a failure, those that keep the requested video first.
//!
//! Only failures of memory, device and generation are retried. Invalid settings, missing or damaged files, a full disk
//! and a wrong ONNX Runtime do not recover by themselves. No rung raises a value that the user asked for, none has no
//! effect where the job runs, and none moves a job from a card to the CPU without permission.

use crate::core::{
    Draft, Fix, FrameCount, Guidance, Kind, Mode, Provider, ProviderChoice, Resolution, Stage, StepCount,
    Strides,
};

/// VAE tiles are not made smaller than this, pixels.
const LAST_TILE: u32 = 64;
/// Minimum number of steps.
const LEAST_STEPS: u32 = 5;
/// Larger sizes fall back to the number of pixels of this one.
const SIZE_720P: Resolution = Resolution { width: 1280, height: 720 };
/// The factor of the guidance above 1 when it is lowered.
const LESS_GUIDANCE: f32 = 0.75;

/// What failed, and what the attempt ran with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed {
    pub(crate) kind: Kind,
    /// The last stage that started.
    pub(crate) stage: Stage,
    pub(crate) mode: Mode,
    pub(crate) strides: Strides,
    /// What ran the graphs.
    pub(crate) provider: Provider,
    /// The longer side of what the VAE takes at once, in pixels; none if it cannot work in tiles.
    pub(crate) vae_tile: Option<u32>,
    /// Whether the weights of the stage were packed, so that reading them in place or streaming them needs less memory.
    pub(crate) is_packed: bool,
    /// Whether prompt or images were taken from the cache of encoded tensors.
    pub(crate) used_cache: bool,
    /// Whether the user allowed the CPU in place of a card.
    pub(crate) may_use_cpu: bool,
}

/// Whether a retry may help after an error of this kind.
pub(crate) fn is_retryable(kind: Kind) -> bool {
    matches!(kind, Kind::OutOfMemory | Kind::Device | Kind::Generation)
}

/// The fixes for the next attempt; `None` if nothing is left to try.
///
/// `draft` contains all fixes `tried` so far; `fallback` is a model that the user allowed instead. `may_fit` says whether
/// an attempt with more fixes may fit into the memory that is free now; after a lack of memory no other attempt is made.
pub(crate) fn next(
    failed: Failed,
    draft: &Draft,
    tried: &[Fix],
    fallback: Option<Fix>,
    may_fit: &dyn Fn(&[Fix]) -> bool,
) -> Option<Vec<Fix>> {
    let fallback = fallback.map(|change| vec![change]);
    let rungs = match failed.kind {
        Kind::MissingModel | Kind::CorruptModel => Vec::from_iter(fallback),
        // preflight has said which changes would help, and the others are not they
        Kind::OutOfMemory if failed.stage == Stage::Preflight => Vec::from_iter(fallback),
        Kind::OutOfMemory => memory(failed, draft, tried, fallback),
        Kind::Device => device(failed),
        Kind::Generation => generation(failed, draft, tried),
        _ => Vec::new(),
    };
    let changes_something = |changes: &[Fix]| Fix::applied(changes, draft) != *draft;
    // these change how the attempt is made and not the draft
    let is_new =
        |changes: &[Fix]| matches!(changes, [fix @ (Fix::Retry | Fix::WithoutCache)] if !tried.contains(fix));
    let is_short = failed.kind == Kind::OutOfMemory;
    let mut rungs = rungs.into_iter().filter(|changes| changes_something(changes) || is_new(changes));
    rungs.find(|changes| !is_short || may_fit(changes))
}

/// What the user can try after the last attempt: changes that are theirs to make, each helpful by itself.
pub(crate) fn suggestions(failed: Failed, draft: &Draft) -> Vec<Fix> {
    let fixes = match (failed.kind, failed.stage) {
        (Kind::Device | Kind::DeviceLost, _) if failed.provider != Provider::Cpu => {
            vec![Fix::Provider(ProviderChoice::Cpu)]
        }
        (Kind::OutOfMemory, Stage::DenoiseHigh | Stage::DenoiseLow) => {
            let half = FrameCount((draft.frames / 2).max(1));
            let (FrameCount(frames), _) = failed.strides.nearest_frames(half);
            let shorter = (frames < draft.frames).then_some(Fix::Frames(FrameCount(frames)));
            shorter.into_iter().chain(smaller(failed, draft, draft.size.area() / 2)).collect()
        }
        (Kind::OutOfMemory, Stage::Image | Stage::Decode | Stage::PostProcess) => {
            smaller(failed, draft, draft.size.area() / 2).into_iter().collect()
        }
        _ => Vec::new(),
    };
    let cpu = (failed.kind == Kind::OutOfMemory && failed.provider != Provider::Cpu)
        .then_some(Fix::Provider(ProviderChoice::Cpu));
    let fixes = fixes.into_iter().chain(cpu);
    fixes.filter(|fix| Fix::applied([fix], draft) != *draft).collect()
}

fn device(failed: Failed) -> Vec<Vec<Fix>> {
    let mut rungs = vec![vec![Fix::Retry]];
    if matches!(failed.provider, Provider::TensorRt | Provider::Rtx) {
        rungs.push(vec![Fix::Provider(ProviderChoice::Cuda)]);
    }
    if failed.provider != Provider::Cpu && failed.may_use_cpu {
        rungs.push(vec![Fix::Provider(ProviderChoice::Cpu)]);
    }
    rungs
}

/// Less memory in the stage that had too little.
fn memory(failed: Failed, draft: &Draft, tried: &[Fix], fallback: Option<Vec<Fix>>) -> Vec<Vec<Fix>> {
    let uses_vae = matches!(failed.stage, Stage::Image | Stage::Decode);
    let denoises = matches!(failed.stage, Stage::DenoiseHigh | Stage::DenoiseLow);
    let mut rungs = Vec::new();
    if uses_vae {
        rungs.extend(smaller_tile(failed, tried).map(|tile| vec![Fix::VaeTile(tile)]));
    }
    if failed.is_packed && (failed.stage == Stage::Text || denoises) {
        match failed.provider {
            Provider::Cpu => rungs.push(vec![Fix::WeightsInPlace]),
            Provider::Cuda => rungs.push(vec![Fix::StreamWeights]),
            _ => {}
        }
    }
    // the first failure drops the sessions that earlier stages and jobs left loaded; after another change that is done
    if tried.is_empty() {
        rungs.push(vec![Fix::Retry]);
    }
    rungs.extend(fallback);
    if uses_vae || denoises {
        let smaller = (draft.size.area() > SIZE_720P.area())
            .then(|| smaller(failed, draft, SIZE_720P.area()))
            .flatten();
        let no_loras = (denoises && !draft.loras.is_empty()).then_some(Fix::NoLoras);
        let cuts = tried.iter().filter(|change| matches!(change, Fix::Size(_))).count();
        // fewer steps alone need as much memory, so they come with a change that needs less
        let with_steps = |less: u32, changes: Vec<Fix>| -> Option<Vec<Fix>> {
            (!changes.is_empty()).then(|| fewer_steps(draft, less).into_iter().chain(changes).collect())
        };
        let first = with_steps(10, Vec::from_iter(smaller.clone()));
        let second = with_steps(20, smaller.into_iter().chain(no_loras).collect());
        rungs.extend([first, second].into_iter().skip(cuts.min(1)).flatten());
    }
    rungs
}

/// Half the VAE tile, then the smallest one: it loses nothing but time, and few attempts are made.
fn smaller_tile(failed: Failed, tried: &[Fix]) -> Option<u32> {
    let tile = failed.vae_tile?;
    let least = LAST_TILE.max(2 * failed.strides.spatial);
    let half = tile / 2 / failed.strides.spatial * failed.strides.spatial;
    let is_second = tried.iter().any(|fix| matches!(fix, Fix::VaeTile(_)));
    let next = if is_second { least } else { half.max(least) };
    (next < tile).then_some(next)
}

/// The failed computation again, without what may be wrong in the cache, then with less guidance, then with fewer steps. Guidance and steps matter to
/// denoising only.
fn generation(failed: Failed, draft: &Draft, tried: &[Fix]) -> Vec<Vec<Fix>> {
    let mut rungs = vec![vec![if failed.used_cache { Fix::WithoutCache } else { Fix::Retry }]];
    if !matches!(failed.stage, Stage::DenoiseHigh | Stage::DenoiseLow) {
        return rungs;
    }
    let highest = draft.guidance.max(draft.guidance_low.unwrap_or(draft.guidance));
    let guided = highest > 1.0;
    let lowered = Fix::Guidance(Guidance(1.0 + (highest - 1.0) * LESS_GUIDANCE));
    // a distilled model uses no guidance
    let official = Some(official_guidance(failed.mode)).filter(|official| guided && official.0 < highest);
    let steps = fewer_steps(draft, 10);
    let cut = tried.iter().any(|change| matches!(change, Fix::Steps(_)));
    match tried.iter().filter(|change| matches!(change, Fix::Guidance(_))).count() {
        0 if guided => rungs.push(vec![lowered]),
        0 | 1 if !cut => rungs.push(steps.into_iter().chain(official.map(Fix::Guidance)).collect()),
        _ => {}
    }
    rungs
}

fn fewer_steps(draft: &Draft, less: u32) -> Option<Fix> {
    let steps = draft.steps.saturating_sub(less).max(LEAST_STEPS);
    // a distilled model needs its own number of steps
    (draft.step_list.is_none() && steps < draft.steps).then_some(Fix::Steps(StepCount(steps)))
}

/// The draft's size with about `area` pixels in the same shape, if that is smaller.
fn smaller(failed: Failed, draft: &Draft, area: u64) -> Option<Fix> {
    let (size, multiple) = (draft.size, failed.strides.size_multiple().max(1));
    let scale = (area as f64 / size.area().max(1) as f64).sqrt();
    let side =
        |side: u32| ((f64::from(side) * scale) as u32 / multiple * multiple).max(multiple).min(side.max(1));
    let smaller = Resolution::new(side(size.width), side(size.height));
    (smaller.area() < size.area()).then_some(Fix::Size(smaller))
}

/// Wan 2.2's default guidance scale (`wan/configs`, `sample_guide_scale`).
fn official_guidance(mode: Mode) -> Guidance {
    match mode {
        Mode::T2V => Guidance(4.0),
        Mode::I2V => Guidance(3.5),
        Mode::TI2V => Guidance(5.0),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::testing::draft;
    use crate::core::{LoraChoice, StepList, WeightsChoice};

    const ON_CPU: Failed = Failed {
        kind: Kind::OutOfMemory,
        stage: Stage::Decode,
        mode: Mode::T2V,
        strides: Strides { temporal: 4, spatial: 8, patch: 2 },
        provider: Provider::Cpu,
        vae_tile: None,
        is_packed: true,
        used_cache: false,
        may_use_cpu: false,
    };

    /// The changes of every rung, as the worker climbs: tiles and packing follow the draft.
    fn rungs(failed: Failed, mut draft: Draft, fallback: Option<&str>) -> Vec<(Vec<Fix>, Draft)> {
        let mut tried = Vec::new();
        let mut found = Vec::new();
        let fallback = fallback.map(|model| Fix::Model(model.to_owned()));
        let can_tile = failed.vae_tile.is_some();
        loop {
            let longest = draft.size.width.max(draft.size.height);
            let failed = Failed {
                vae_tile: can_tile.then(|| draft.vae_tile.unwrap_or(longest).min(longest)),
                is_packed: failed.is_packed
                    && matches!(draft.weights, WeightsChoice::Auto | WeightsChoice::Packed),
                provider: match draft.provider {
                    ProviderChoice::Cpu => Provider::Cpu,
                    ProviderChoice::Cuda => Provider::Cuda,
                    _ => failed.provider,
                },
                ..failed
            };
            let untried = fallback.clone().filter(|change| !tried.contains(change));
            let Some(changes) = next(failed, &draft, &tried, untried, &|_| true) else { return found };
            draft = Fix::applied(&changes, &draft);
            tried.extend(changes.clone());
            found.push((changes, draft.clone()));
            assert!(found.len() < 20, "{found:?}");
        }
    }

    fn climb(kind: Kind, stage: Stage, draft: Draft) -> Vec<String> {
        climb_with(Failed { kind, stage, vae_tile: Some(448), ..ON_CPU }, draft, None)
    }

    fn climb_with(failed: Failed, draft: Draft, fallback: Option<&str>) -> Vec<String> {
        let words = |changes: &[Fix]| changes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        rungs(failed, draft, fallback).iter().map(|(changes, _)| words(changes)).collect()
    }

    fn large() -> Draft {
        let loras = vec![LoraChoice::new("a.safetensors")];
        Draft { steps: 40, guidance: 8.0, size: Resolution::new(1920, 1088), loras, ..draft() }
    }

    #[test]
    fn memory_is_saved_where_it_costs_least_first() {
        let tiled = Draft { vae_tile: Some(448), ..large() };
        assert_eq!(
            climb(Kind::OutOfMemory, Stage::Decode, tiled),
            ["use VAE tiles of 224 px", "use VAE tiles of 64 px", "use 30 steps, use size 1264x720",]
        );
        assert_eq!(
            climb(Kind::OutOfMemory, Stage::DenoiseHigh, large()),
            [
                "read weights from disk instead of memory",
                "use 30 steps, use size 1264x720",
                "use 10 steps, remove the LoRAs",
            ]
        );
        // a card reads nothing from disk
        let on_card = Failed { provider: Provider::Cuda, stage: Stage::DenoiseHigh, ..ON_CPU };
        assert_eq!(
            climb_with(on_card, draft(), None),
            ["stream the weights block by block instead of loading them all"]
        );
        // neither size nor steps nor LoRAs matter to the text encoder
        assert_eq!(
            climb(Kind::OutOfMemory, Stage::Text, large()),
            ["read weights from disk instead of memory"]
        );
    }

    #[test]
    fn no_attempt_is_made_that_cannot_fit_into_the_free_memory() {
        let failed = Failed { provider: Provider::Cuda, stage: Stage::DenoiseHigh, ..ON_CPU };
        // another program holds the card
        assert_eq!(next(failed, &draft(), &[], None, &|_| false), None);
        let only_smaller = |fixes: &[Fix]| fixes.iter().any(|fix| matches!(fix, Fix::Size(_)));
        let fixes = next(failed, &large(), &[], None, &only_smaller).unwrap();
        assert!(only_smaller(&fixes), "{fixes:?}");
        // other failures say nothing about memory
        let broken = Failed { kind: Kind::Generation, ..failed };
        assert_eq!(next(broken, &draft(), &[], None, &|_| false), Some(vec![Fix::Retry]));
    }

    #[test]
    fn a_rung_that_would_do_nothing_there_is_left_out() {
        let plugin = Failed { provider: Provider::Rtx, stage: Stage::DenoiseHigh, ..ON_CPU };
        assert_eq!(climb_with(plugin, draft(), None), ["retry unchanged"]);
        let in_place = Failed { is_packed: false, stage: Stage::DenoiseHigh, ..ON_CPU };
        assert_eq!(climb_with(in_place, draft(), None), ["retry unchanged"]);
        // an exported VAE takes the whole clip
        assert_eq!(climb_with(ON_CPU, draft(), None), ["retry unchanged"]);
    }

    #[test]
    fn a_model_that_was_allowed_comes_before_less_of_the_video() {
        let small = Some("t2v-A14B-int8");
        let failed = Failed { stage: Stage::DenoiseHigh, ..ON_CPU };
        let steps = climb_with(failed, large(), small);
        assert_eq!(steps[1..3], ["use the model t2v-A14B-int8", "use 30 steps, use size 1264x720"]);
        for kind in [Kind::MissingModel, Kind::CorruptModel] {
            let failed = Failed { kind, stage: Stage::Prepare, ..ON_CPU };
            assert_eq!(climb_with(failed, large(), small), ["use the model t2v-A14B-int8"]);
        }
        let before = Failed { stage: Stage::Preflight, ..ON_CPU };
        assert_eq!(climb_with(before, large(), small), ["use the model t2v-A14B-int8"]);
        assert!(climb_with(before, large(), None).is_empty(), "preflight said that it is impossible");
    }

    #[test]
    fn a_bad_number_is_tried_again_then_with_less_guidance() {
        assert_eq!(
            climb(Kind::Generation, Stage::DenoiseLow, large()),
            [
                "retry unchanged",
                "use guidance scale 6.25 or less",
                "use 30 steps, use guidance scale 4 or less"
            ]
        );
        // what is low already stays
        let low = Draft { guidance: 1.5, guidance_low: Some(1.0), ..draft() };
        let failed = Failed { kind: Kind::Generation, stage: Stage::DenoiseHigh, ..ON_CPU };
        let found = rungs(failed, low, None);
        let guidance: Vec<_> = found.iter().map(|(_, draft)| (draft.guidance, draft.guidance_low)).collect();
        assert_eq!(guidance, [(1.5, Some(1.0)), (1.375, Some(1.0)), (1.375, Some(1.0))]);
        assert_eq!(climb(Kind::Generation, Stage::Decode, large()), ["retry unchanged"]);
    }

    #[test]
    fn a_bad_number_after_cached_embeddings_is_first_tried_without_the_cache() {
        let failed = Failed { kind: Kind::Generation, stage: Stage::DenoiseHigh, used_cache: true, ..ON_CPU };
        let steps = climb_with(failed, large(), None);
        assert_eq!(steps[0], "encode prompt and images again instead of using the cache");
        assert_eq!(steps[1], "use guidance scale 6.25 or less");
        assert_eq!(climb_with(Failed { kind: Kind::Device, ..failed }, large(), None), ["retry unchanged"]);
    }

    #[test]
    fn a_lost_card_is_left_only_with_permission() {
        let failed = Failed { kind: Kind::Device, provider: Provider::Cuda, ..ON_CPU };
        assert_eq!(climb_with(failed, draft(), None), ["retry unchanged"]);
        assert_eq!(suggestions(failed, &draft()), [Fix::Provider(ProviderChoice::Cpu)]);
        let lost = Failed { kind: Kind::DeviceLost, ..failed };
        assert_eq!(climb_with(lost, draft(), None), [""; 0]);
        assert_eq!(suggestions(lost, &draft()), [Fix::Provider(ProviderChoice::Cpu)]);
        let allowed = Failed { may_use_cpu: true, ..failed };
        assert_eq!(climb_with(allowed, draft(), None), ["retry unchanged", "run on the CPU"]);
        let engine = Failed { provider: Provider::TensorRt, ..failed };
        assert_eq!(climb_with(engine, draft(), None), ["retry unchanged", "run on CUDA"]);
    }

    #[test]
    fn errors_that_a_retry_cannot_fix_are_not_retried() {
        let permanent = [
            Kind::Input,
            Kind::Io,
            Kind::CorruptModel,
            Kind::MissingModel,
            Kind::Unsupported,
            Kind::Runtime,
            Kind::Timeout,
            Kind::Bug,
        ];
        for kind in permanent {
            assert!(!is_retryable(kind));
            assert!(climb(kind, Stage::Decode, large()).is_empty());
        }
    }

    #[test]
    fn the_steps_of_a_distilled_model_stay() {
        let distilled = Draft { step_list: Some(StepList(vec![1000.0, 500.0])), steps: 2, ..draft() };
        for kind in [Kind::OutOfMemory, Kind::Generation] {
            assert!(
                climb(kind, Stage::DenoiseLow, distilled.clone()).iter().all(|rung| !rung.contains("steps"))
            );
        }
    }

    prop_compose! {
        fn any_failure()(
            kind in prop::sample::select(vec![
                Kind::OutOfMemory, Kind::Device, Kind::Generation, Kind::Runtime, Kind::MissingModel, Kind::Io,
            ]),
            stage in prop::sample::select(vec![
                Stage::Preflight, Stage::Prepare, Stage::Text, Stage::Image, Stage::DenoiseHigh, Stage::DenoiseLow,
                Stage::Decode, Stage::PostProcess,
            ]),
            provider in prop::sample::select(Provider::ALL.to_vec()),
            spatial in prop::sample::select(vec![8, 16]),
            can_tile: bool,
            is_packed: bool,
            used_cache: bool,
            may_use_cpu: bool,
        ) -> Failed {
            let strides = Strides { temporal: 4, spatial, patch: 2 };
            let vae_tile = can_tile.then_some(1);
            Failed { kind, stage, strides, provider, vae_tile, is_packed, used_cache, may_use_cpu, ..ON_CPU }
        }
    }

    prop_compose! {
        fn any_draft()(
            steps in 1_u32..100,
            guidance in 0.0_f32..12.0,
            guidance_low in prop::option::of(0.0_f32..12.0),
            cells in (1_u32..64, 1_u32..64),
            frames in 0_u32..40,
            loras in 0_usize..2,
            vae_tile in prop::option::of(16_u32..2000),
            in_place: bool,
            distilled: bool,
        ) -> Draft {
            Draft {
                steps,
                guidance,
                guidance_low,
                size: Resolution::new(cells.0 * 32, cells.1 * 32),
                frames: frames * 4 + 1,
                loras: vec![LoraChoice::new("a.safetensors"); loras],
                vae_tile,
                weights: if in_place { WeightsChoice::InPlace } else { WeightsChoice::Auto },
                step_list: distilled.then(|| StepList(vec![1000.0, 500.0])),
                ..draft()
            }
        }
    }

    proptest! {
        #[test]
        fn the_ladder_ends_and_never_raises_what_was_asked(failed in any_failure(), asked in any_draft()) {
            // `rungs` fails if the ladder does not end
            let mut before = vec![asked.clone()];
            let mut retried = 0;
            for (changes, after) in rungs(failed, asked, Some("other")) {
                let last = before.last().unwrap().clone();
                prop_assert!(after.steps <= last.steps && after.frames <= last.frames, "{changes:?}");
                prop_assert!(after.guidance <= last.guidance, "{changes:?}");
                let low = |draft: &Draft| draft.guidance_low.unwrap_or(draft.guidance);
                prop_assert!(low(&after) <= low(&last), "{changes:?}");
                prop_assert!(after.size.width <= last.size.width && after.size.height <= last.size.height);
                let tile = |draft: &Draft| draft.vae_tile.unwrap_or(u32::MAX);
                prop_assert!(tile(&after) <= tile(&last) && after.loras.len() <= last.loras.len());
                if matches!(changes[..], [Fix::Retry | Fix::WithoutCache]) {
                    retried += 1;
                } else {
                    // every other rung is a form that was not tried, by changes that each do something
                    prop_assert!(!before.contains(&after), "{changes:?}");
                    for change in &changes {
                        prop_assert!(Fix::applied([change], &last) != last, "{change} does nothing");
                    }
                }
                let is_cpu = |change: &Fix| *change == Fix::Provider(ProviderChoice::Cpu);
                prop_assert!(failed.may_use_cpu || !changes.iter().any(is_cpu), "{changes:?}");
                before.push(after);
            }
            prop_assert!(retried <= 1);
        }
    }
}
