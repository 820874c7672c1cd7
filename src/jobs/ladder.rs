//! What is tried after a failure, least harmful first: changes that keep the video as asked, then changes to it.
//!
//! Only failures of memory, device, runtime and generation are retried. Invalid settings, a full disk or
//! damaged model files do not recover by themselves.

use crate::core::{
    Draft, Fix, Guidance, Kind, Mode, ProviderChoice, Resolution, Stage, StepCount, WeightsChoice,
};

/// The first tile that is tried, pixels; each next one has half of it.
const FIRST_TILE: u32 = 256;
/// Tiles are not made smaller than this.
const LAST_TILE: u32 = 64;
/// Steps that are never gone below.
const LEAST_STEPS: u32 = 5;
/// The size that a larger one falls back to, by its number of pixels.
const SIZE_720P: Resolution = Resolution { width: 1280, height: 720 };
/// Share of the guidance above 1 that stays when it is lowered.
const LESS_GUIDANCE: f32 = 0.75;

/// What failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed {
    pub(crate) kind: Kind,
    /// The last stage that began.
    pub(crate) stage: Stage,
    pub(crate) mode: Mode,
    /// Both sides of a size are multiples of this.
    pub(crate) size_multiple: u32,
}

/// Whether a failure of this kind may pass on a retry.
pub(crate) fn is_retryable(kind: Kind) -> bool {
    matches!(kind, Kind::OutOfMemory | Kind::Device | Kind::Runtime | Kind::Generation)
}

/// What to change before the next attempt; none if there is nothing left to try.
///
/// `draft` is the form with all changes `tried` so far, `fallback` the model that a person allowed instead.
pub(crate) fn next(failed: Failed, draft: &Draft, tried: &[Fix], fallback: Option<Fix>) -> Option<Vec<Fix>> {
    let fallback = fallback.map(|change| vec![change]);
    let rungs = match failed.kind {
        Kind::MissingModel | Kind::CorruptModel => Vec::from_iter(fallback),
        // the look before a run has said which changes would help, and the others are not they
        Kind::OutOfMemory if failed.stage == Stage::Preflight => Vec::from_iter(fallback),
        Kind::OutOfMemory => memory(failed, draft, tried, fallback),
        Kind::Device => vec![vec![Fix::Retry], vec![Fix::Provider(ProviderChoice::Cpu)]],
        Kind::Runtime => vec![vec![Fix::Retry]],
        Kind::Generation => generation(failed, draft, tried),
        _ => Vec::new(),
    };
    let changes_something = |changes: &[Fix]| Fix::applied(changes, draft) != *draft;
    let is_new = |changes: &[Fix]| changes == [Fix::Retry] && !tried.contains(&Fix::Retry);
    rungs.into_iter().find(|changes| changes_something(changes) || is_new(changes))
}

fn memory(failed: Failed, draft: &Draft, tried: &[Fix], fallback: Option<Vec<Fix>>) -> Vec<Vec<Fix>> {
    let mut rungs = Vec::new();
    if matches!(failed.stage, Stage::Decode | Stage::Image) {
        let edge = draft.vae_tile.map_or(FIRST_TILE, |edge| edge / 2);
        let longest = draft.size.width.max(draft.size.height);
        // one that is not smaller than the frame changes nothing
        let edge = std::iter::successors(Some(edge), |edge| Some(edge / 2)).find(|edge| *edge < longest);
        rungs.extend(edge.filter(|edge| *edge >= LAST_TILE).map(|edge| vec![Fix::VaeTile(edge)]));
    }
    if draft.weights != WeightsChoice::InPlace {
        rungs.push(vec![Fix::WeightsInPlace]);
    }
    rungs.extend(fallback);
    let smaller = (draft.size.area() > SIZE_720P.area())
        .then(|| Fix::Size(shrunk(draft.size, SIZE_720P.area(), failed.size_multiple)));
    let first: Vec<_> = fewer_steps(draft, 10).into_iter().chain(smaller.clone()).collect();
    let no_loras = (!draft.loras.is_empty()).then_some(Fix::NoLoras);
    let second: Vec<_> = fewer_steps(draft, 20).into_iter().chain(smaller).chain(no_loras).collect();
    let cuts = tried.iter().filter(|change| matches!(change, Fix::Steps(_))).count();
    rungs.extend([first, second].into_iter().skip(cuts));
    rungs
}

fn generation(failed: Failed, draft: &Draft, tried: &[Fix]) -> Vec<Vec<Fix>> {
    let mut rungs = vec![vec![Fix::Retry]];
    let highest = draft.guidance.max(draft.guidance_low.unwrap_or(draft.guidance));
    let guided = highest > 1.0;
    let lowered = Fix::Guidance(Guidance(1.0 + (highest - 1.0) * LESS_GUIDANCE));
    // a distilled model has none
    let official = guided.then(|| Fix::Guidance(official_guidance(failed.mode)));
    let steps = fewer_steps(draft, 10);
    let cut = tried.iter().any(|change| matches!(change, Fix::Steps(_)));
    match tried.iter().filter(|change| matches!(change, Fix::Guidance(_))).count() {
        0 if guided => rungs.push(vec![lowered]),
        0 | 1 if !cut => rungs.push(steps.into_iter().chain(official).collect()),
        _ => {}
    }
    rungs
}

fn fewer_steps(draft: &Draft, less: u32) -> Option<Fix> {
    let steps = draft.steps.saturating_sub(less).max(LEAST_STEPS);
    // the steps of a distilled model are what it was made for
    (draft.step_list.is_none() && steps < draft.steps).then_some(Fix::Steps(StepCount(steps)))
}

/// `size` with about `area` pixels in the same shape.
fn shrunk(size: Resolution, area: u64, multiple: u32) -> Resolution {
    let scale = (area as f64 / size.area() as f64).sqrt();
    let side = |side: u32| ((f64::from(side) * scale) as u32 / multiple * multiple).max(multiple);
    Resolution::new(side(size.width), side(size.height))
}

/// Wan 2.2's own (`wan/configs`, `sample_guide_scale`).
fn official_guidance(mode: Mode) -> Guidance {
    match mode {
        Mode::T2V => Guidance(4.0),
        Mode::I2V => Guidance(3.5),
        Mode::TI2V => Guidance(5.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::draft;
    use crate::core::{LoraChoice, StepList};

    fn climb(kind: Kind, stage: Stage, draft: Draft) -> Vec<String> {
        climb_with(kind, stage, draft, None)
    }

    fn climb_with(kind: Kind, stage: Stage, mut draft: Draft, fallback: Option<&str>) -> Vec<String> {
        let mut tried = Vec::new();
        let failed = Failed { kind, stage, mode: Mode::T2V, size_multiple: 16 };
        let mut steps = Vec::new();
        let fallback = fallback.map(|model| Fix::Model(model.to_owned()));
        let untried = |tried: &[Fix]| fallback.clone().filter(|change| !tried.contains(change));
        while let Some(changes) = next(failed, &draft, &tried, untried(&tried)) {
            draft = Fix::applied(&changes, &draft);
            steps.push(changes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
            tried.extend(changes);
            assert!(steps.len() < 20, "{steps:?}");
        }
        steps
    }

    fn large() -> Draft {
        let loras = vec![LoraChoice::new("a.safetensors")];
        Draft { steps: 40, guidance: 8.0, size: Resolution::new(1920, 1088), loras, ..draft() }
    }

    #[test]
    fn memory_is_saved_where_it_costs_least_first() {
        assert_eq!(
            climb(Kind::OutOfMemory, Stage::Decode, large()),
            [
                "use VAE tiles of 256 px",
                "use VAE tiles of 128 px",
                "use VAE tiles of 64 px",
                "read weights from disk instead of memory",
                "use 30 steps, use size 1264x720",
                "use 10 steps, remove the LoRAs",
            ]
        );
        let at_step = climb(Kind::OutOfMemory, Stage::DenoiseHigh, large());
        assert_eq!(
            at_step[..2],
            ["read weights from disk instead of memory", "use 30 steps, use size 1264x720"]
        );
    }

    #[test]
    fn a_model_that_was_allowed_comes_before_less_of_the_video() {
        let small = Some("t2v-A14B-int8");
        let steps = climb_with(Kind::OutOfMemory, Stage::DenoiseHigh, large(), small);
        assert_eq!(steps[1..3], ["use the model t2v-A14B-int8", "use 30 steps, use size 1264x720"]);
        for kind in [Kind::MissingModel, Kind::CorruptModel] {
            assert_eq!(climb_with(kind, Stage::Prepare, large(), small), ["use the model t2v-A14B-int8"]);
        }
        let before = climb_with(Kind::OutOfMemory, Stage::Preflight, large(), small);
        assert_eq!(before, ["use the model t2v-A14B-int8"]);
    }

    #[test]
    fn a_bad_number_is_tried_again_then_with_less_guidance() {
        assert_eq!(
            climb(Kind::Generation, Stage::DenoiseLow, large()),
            ["retry unchanged", "use guidance scale 6.25", "use 30 steps, use guidance scale 4"]
        );
    }

    #[test]
    fn a_lost_device_is_tried_again_then_left() {
        assert_eq!(climb(Kind::Device, Stage::Prepare, large()), ["retry unchanged", "run on the CPU"]);
    }

    #[test]
    fn what_cannot_mend_itself_is_not_tried_again() {
        for kind in
            [Kind::Input, Kind::Io, Kind::CorruptModel, Kind::MissingModel, Kind::Unsupported, Kind::Bug]
        {
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
}
