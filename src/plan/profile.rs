//! Allowed and recommended values of one mode of an official model.

use serde::{Deserialize, Serialize};

use crate::core::{
    Draft, Error, Finding, Fix, FrameCount, Kind, Mode, Resolution, Result, Severity, StepCount, Subject,
    counted,
};
use crate::store::ModeLimits;
use crate::wan::Family;

/// Allowed range, recommended range and default of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParameterRange {
    /// Minimum.
    pub least: u32,
    /// Maximum.
    pub most: u32,
    /// Recommended range; a value outside gets a note, unless it is the default.
    pub advised: (u32, u32),
    /// Value of a new draft.
    pub default: u32,
}

impl ParameterRange {
    /// What is advised, in words: "30 to 100".
    pub fn words(self) -> String {
        let (low, high) = self.advised;
        format!("{low} to {high}")
    }

    fn check(self, field: &'static str, value: u32, of: &str) -> Result<()> {
        if (self.least..=self.most).contains(&value) {
            return Ok(());
        }
        let Self { least, most, .. } = self;
        Err(Error::new(Kind::Input, format!("{of} takes from {least} to {most} {field}, not {value}"))
            .remedy(format!("Ask for {} {field}", value.clamp(least, most)))
            .field(field))
    }

    /// The nearest recommended value, if `value` is outside the recommended range.
    fn better(self, value: u32) -> Option<u32> {
        let (low, high) = self.advised;
        let better = value.max(low).min(high);
        (better != value && value != self.default).then_some(better)
    }

    fn is_sound(self) -> bool {
        let (low, high) = self.advised;
        let inside = self.least..=self.most;
        low <= high && inside.contains(&low) && inside.contains(&high) && inside.contains(&self.default)
    }
}

/// A named size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SizeClass {
    /// For instance "720p".
    pub name: String,
    /// Width and height; sizes of other shapes with no more pixels belong to the same class.
    pub size: Resolution,
}

impl SizeClass {
    /// Whether `size` has no more pixels than this class, allowing for rounding to whole tokens.
    fn holds(&self, size: Resolution) -> bool {
        size.area() <= self.size.area() / 10 * 11
    }
}

/// One mode of an official model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The mode.
    pub mode: Mode,
    /// The model family.
    pub family: Family,
    /// Denoising steps.
    pub steps: ParameterRange,
    /// Denoising steps of distilled models, recognised by a step list or by the absence of guidance.
    pub distilled_steps: ParameterRange,
    /// Size classes, smallest first. Sizes above the last one are rejected.
    pub sizes: Vec<SizeClass>,
    /// Frames of video.
    pub frames: ParameterRange,
    /// Largest recommended LoRA strength; not applied to distilled settings.
    #[serde(default)]
    pub advised_strength: Option<f32>,
}

impl Profile {
    /// One error for each field of `draft` that is outside its range.
    pub fn problems(&self, draft: &Draft) -> Vec<Error> {
        let steps = self.step_range(draft);
        let checks = [
            steps.check("steps", draft.steps, &self.name()),
            self.check_size(draft.size),
            self.frames.check("frames", draft.frames, &self.name()),
        ];
        checks.into_iter().filter_map(Result::err).collect()
    }

    /// A note for each value that is allowed but not recommended.
    pub fn notes(&self, draft: &Draft) -> Vec<Finding> {
        let name = self.name();
        let note = |message: String, changes: Vec<Fix>| Finding {
            severity: Severity::Note,
            subject: Subject::Settings,
            message,
            fixes: changes,
            figures: Vec::new(),
        };
        let mut notes = Vec::new();
        let steps = self.step_range(draft);
        if let Some(better) = steps.better(draft.steps) {
            let what = if is_distilled(draft) { " without guidance" } else { "" };
            let (low, high) = steps.advised;
            notes.push(note(
                format!(
                    "{}{what}: from {low} to {high} are advised for {name}",
                    counted(draft.steps, "step")
                ),
                vec![Fix::Steps(StepCount(better))],
            ));
        }
        if let Some(better) = self.frames.better(draft.frames) {
            let (_, high) = self.frames.advised;
            notes.push(note(
                format!(
                    "{} frames: {name} was trained for {high}, and longer ones drift or repeat",
                    draft.frames
                ),
                vec![Fix::Frames(FrameCount(better))],
            ));
        }
        if let Some(smallest) = self.sizes.first()
            && draft.size.area() < smallest.size.area()
        {
            notes.push(note(
                format!(
                    "{} is smaller than {} ({}), the least that {name} was trained for",
                    draft.size, smallest.name, smallest.size
                ),
                vec![Fix::Size(turned_like(smallest.size, draft.size))],
            ));
        }
        if let Some(most) = self.advised_strength.filter(|_| !is_distilled(draft)) {
            let strong = draft.loras.iter().filter(|lora| lora.strength > most);
            notes.extend(strong.map(|lora| {
                let (strength, file) = (lora.strength, lora.file.display());
                note(
                    format!("Strength {strength}: up to {most} is advised for LoRAs of {name}, {file}"),
                    Vec::new(),
                )
            }));
        }
        notes
    }

    /// The model's name as Wan writes it.
    pub fn name(&self) -> String {
        format!("{}-{}", self.mode, self.family)
    }

    /// The names of its sizes: "480p, 720p and 1080p".
    pub fn size_names(&self) -> String {
        let names: Vec<_> = self.sizes.iter().map(|class| class.name.as_str()).collect();
        match names.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
            _ => names.join(""),
        }
    }

    /// Whether this size is allowed.
    pub fn takes(&self, size: Resolution) -> bool {
        self.sizes.iter().any(|class| class.holds(size))
    }

    /// The name of `size`: that of the smallest class that contains it, else its width and height.
    pub(super) fn class_of(&self, size: Resolution) -> String {
        let class = self.sizes.iter().find(|class| class.holds(size));
        class.map_or_else(|| size.to_string(), |class| class.name.clone())
    }

    /// Takes in what a person set; values that were not set move into the new range.
    pub(super) fn limit(&mut self, set: &ModeLimits) {
        let steps = &mut self.steps;
        steps.least = set.min_steps.unwrap_or(steps.least);
        steps.most = set.max_steps.unwrap_or_else(|| steps.most.max(steps.least));
        if steps.least <= steps.most {
            let inside = |value: u32| value.clamp(steps.least, steps.most);
            steps.advised = (inside(steps.advised.0), inside(steps.advised.1));
            steps.default = set.default_steps.unwrap_or_else(|| inside(steps.default));
        }
        self.advised_strength = set.max_strength.map(|most| most as f32).or(self.advised_strength);
    }

    /// Whether one of its sizes has this name.
    pub(super) fn has_size(&self, name: &str) -> bool {
        self.sizes.iter().any(|class| class.name == name)
    }

    /// Checks that the ranges are consistent.
    pub(super) fn is_sound(&self) -> bool {
        let sized = self.sizes.is_sorted_by_key(|class| class.size.area()) && !self.sizes.is_empty();
        sized && [self.steps, self.distilled_steps, self.frames].into_iter().all(ParameterRange::is_sound)
    }

    /// The range of denoising steps, which is another one for distilled settings.
    pub fn step_range(&self, draft: &Draft) -> ParameterRange {
        if is_distilled(draft) { self.distilled_steps } else { self.steps }
    }

    fn check_size(&self, size: Resolution) -> Result<()> {
        if self.takes(size) {
            return Ok(());
        }
        let largest = self.sizes.last().map_or(size, |class| turned_like(class.size, size));
        Err(Error::new(
            Kind::Input,
            format!("{} takes {}, and {size} is larger", self.name(), self.size_names()),
        )
        .remedy(format!("Ask for {largest}, or a size of as few pixels"))
        .field("size"))
    }
}

/// Whether a draft has settings that only distilled models use.
pub(super) fn is_distilled(draft: &Draft) -> bool {
    let without_guidance = draft.guidance <= 1.0 && draft.guidance_low.is_none_or(|low| low <= 1.0);
    draft.step_list.is_some() || without_guidance
}

/// `size` in portrait orientation if `like` is.
fn turned_like(size: Resolution, like: Resolution) -> Resolution {
    let upright = like.height > like.width;
    if upright == (size.height > size.width) { size } else { Resolution::new(size.height, size.width) }
}
