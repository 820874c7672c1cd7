//! The settings that an axis can change, with their names and how their values are read.

use std::fmt;
use std::str::FromStr;

use serde::de::IntoDeserializer as _;
use serde::de::value::Error as ValueError;
use serde::{Deserialize, Serialize};

use crate::core::{Draft, Error, Expert, Kind, LoraChoice, Result};
use crate::presets::Preset;

/// A setting of a job that an axis can change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SweepField {
    /// A whole preset; prompt, images and seed stay.
    Preset,
    /// The model.
    Model,
    /// The prompt.
    Prompt,
    /// Words of the prompt that are replaced.
    Replace(String),
    /// The negative prompt.
    NegativePrompt,
    /// The seed.
    Seed,
    /// Denoising steps.
    Steps,
    /// Guidance scale of both experts.
    Guidance,
    /// Guidance scale of the high-noise expert.
    GuidanceHigh,
    /// Guidance scale of the low-noise expert.
    GuidanceLow,
    /// Flow shift.
    Shift,
    /// Sampler.
    Sampler,
    /// Width and height.
    Size,
    /// Frames of video.
    Frames,
    /// Frames per second.
    Fps,
    /// LoRA files with strength and expert; "none" for no LoRA.
    Lora,
    /// Strength of the LoRA at this place, counted from 1, on one expert or both.
    LoraStrength(usize, Option<Expert>),
    /// Execution provider.
    Provider,
    /// Precision.
    Precision,
    /// Where the weights are.
    Weights,
    /// VAE tile size.
    VaeTile,
    /// Threshold of the step cache; "off" for none.
    StepCache,
    /// Where the low-noise expert takes over; "model" for the model's own boundary.
    Boundary,
}

/// Fields whose name is one word.
const PLAIN: [(&str, SweepField); 21] = [
    ("preset", SweepField::Preset),
    ("model", SweepField::Model),
    ("prompt", SweepField::Prompt),
    ("negative_prompt", SweepField::NegativePrompt),
    ("seed", SweepField::Seed),
    ("steps", SweepField::Steps),
    ("guidance", SweepField::Guidance),
    ("guidance_high", SweepField::GuidanceHigh),
    ("guidance_low", SweepField::GuidanceLow),
    ("shift", SweepField::Shift),
    ("sampler", SweepField::Sampler),
    ("size", SweepField::Size),
    ("frames", SweepField::Frames),
    ("fps", SweepField::Fps),
    ("lora", SweepField::Lora),
    ("provider", SweepField::Provider),
    ("precision", SweepField::Precision),
    ("weights", SweepField::Weights),
    ("vae_tile", SweepField::VaeTile),
    ("step_cache", SweepField::StepCache),
    ("boundary", SweepField::Boundary),
];

impl SweepField {
    /// The fields that need no further words, in the order of the form.
    pub fn all() -> impl Iterator<Item = Self> {
        PLAIN.into_iter().map(|(_, field)| field)
    }

    /// Fields that replace many others are set first: a preset, then a model.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Preset => 0,
            Self::Model | Self::Prompt => 1,
            Self::Lora | Self::Guidance => 2,
            _ => 3,
        }
    }

    /// Whether values are numbers that can be stepped through.
    pub(super) fn is_number(&self) -> bool {
        matches!(
            self,
            Self::Seed
                | Self::Steps
                | Self::Guidance
                | Self::GuidanceHigh
                | Self::GuidanceLow
                | Self::Shift
                | Self::Frames
                | Self::Fps
                | Self::LoraStrength(..)
                | Self::VaeTile
                | Self::StepCache
                | Self::Boundary
        )
    }

    /// Gives `draft` the value in `text`. `preset` finds a preset by its name.
    pub fn set(&self, draft: &mut Draft, text: &str, preset: &dyn Fn(&str) -> Result<Preset>) -> Result<()> {
        match self {
            Self::Preset => {
                let preset = preset(text)?;
                preset.check_loras()?;
                preset.apply(draft);
            }
            Self::Model => text.clone_into(&mut draft.model),
            Self::Prompt => text.clone_into(&mut draft.prompt),
            Self::Replace(words) => {
                if !draft.prompt.contains(words.as_str()) {
                    return Err(self.wrong(text, &format!("the prompt does not contain \"{words}\"")));
                }
                draft.prompt = draft.prompt.replace(words.as_str(), text);
            }
            Self::NegativePrompt => text.clone_into(&mut draft.negative_prompt),
            Self::Seed => draft.seed = self.number(text)?,
            Self::Steps => (draft.steps, draft.step_list) = (self.number(text)?, None),
            Self::Guidance => (draft.guidance, draft.guidance_low) = (self.number(text)?, None),
            Self::GuidanceHigh => {
                // the low-noise expert keeps its scale
                draft.guidance_low = Some(draft.guidance_low.unwrap_or(draft.guidance));
                draft.guidance = self.number(text)?;
            }
            Self::GuidanceLow => draft.guidance_low = Some(self.number(text)?),
            Self::Shift => (draft.shift, draft.step_list) = (self.number(text)?, None),
            Self::Sampler => draft.sampler = self.word(text)?,
            Self::Size => draft.size = text.parse()?,
            Self::Frames => draft.frames = self.number(text)?,
            Self::Fps => draft.fps = self.number(text)?,
            Self::Lora => draft.loras = loras(text)?,
            Self::LoraStrength(place, expert) => self.set_strength(draft, *place, *expert, text)?,
            Self::Provider => draft.provider = self.word(text)?,
            Self::Precision => draft.precision = self.word(text)?,
            Self::Weights => draft.weights = self.word(text)?,
            Self::VaeTile if text == "auto" => draft.vae_tile = None,
            Self::VaeTile => draft.vae_tile = Some(self.number(text)?),
            Self::StepCache if text == "off" => draft.step_cache = None,
            Self::StepCache => draft.step_cache = Some(self.number(text)?),
            Self::Boundary if text == "model" => draft.boundary = None,
            Self::Boundary => draft.boundary = Some(self.number(text)?),
        }
        Ok(())
    }

    /// The value that `draft` has, as [`Self::set`] reads it; empty where there is none.
    pub fn value(&self, draft: &Draft) -> String {
        let low = draft.guidance_low.unwrap_or(draft.guidance);
        match self {
            Self::Preset => String::new(),
            Self::Model => draft.model.clone(),
            Self::Prompt => draft.prompt.clone(),
            Self::Replace(words) => words.clone(),
            Self::NegativePrompt => draft.negative_prompt.clone(),
            Self::Seed => draft.seed.to_string(),
            Self::Steps => draft.steps.to_string(),
            Self::Guidance | Self::GuidanceHigh => draft.guidance.to_string(),
            Self::GuidanceLow => low.to_string(),
            Self::Shift => draft.shift.to_string(),
            Self::Sampler => draft.sampler.name().to_owned(),
            Self::Size => draft.size.to_string(),
            Self::Frames => draft.frames.to_string(),
            Self::Fps => draft.fps.to_string(),
            Self::Lora if draft.loras.is_empty() => "none".to_owned(),
            Self::Lora => {
                draft.loras.iter().map(|lora| lora.file.display().to_string()).collect::<Vec<_>>().join(" + ")
            }
            Self::LoraStrength(place, expert) => {
                let lora = lora_at(&draft.loras, *place, *expert).and_then(|index| draft.loras.get(index));
                lora.map(|lora| lora.strength.to_string()).unwrap_or_default()
            }
            Self::Provider => serde_word(&draft.provider),
            Self::Precision => serde_word(&draft.precision),
            Self::Weights => serde_word(&draft.weights),
            Self::VaeTile => draft.vae_tile.map_or_else(|| "auto".to_owned(), |tile| tile.to_string()),
            Self::StepCache => draft.step_cache.map_or_else(|| "off".to_owned(), |cache| cache.to_string()),
            Self::Boundary => draft.boundary.map_or_else(|| "model".to_owned(), |at| at.to_string()),
        }
    }

    /// Sets the strength of the LoRA at `place`, counted from 1; on one expert only, it is split into one for each.
    fn set_strength(
        &self,
        draft: &mut Draft,
        place: usize,
        expert: Option<Expert>,
        text: &str,
    ) -> Result<()> {
        let strength = self.number(text)?;
        let count = draft.loras.len();
        if !(1..=count).contains(&place) {
            return Err(self.wrong(text, &format!("there are {count} LoRAs")));
        }
        let index = lora_at(&draft.loras, place, expert);
        let Some(lora) = index.and_then(|index| draft.loras.get_mut(index)) else {
            let wanted = expert.map(|expert| expert.to_string()).unwrap_or_default();
            return Err(self.wrong(text, &format!("LoRA {place} is not applied to the {wanted}")));
        };
        let before = lora.clone();
        lora.strength = strength;
        if let (Some(wanted), None) = (expert, before.expert) {
            lora.expert = Some(wanted);
            let other = if wanted == Expert::High { Expert::Low } else { Expert::High };
            // at the end, so that the places of the others stay
            draft.loras.push(LoraChoice { expert: Some(other), ..before });
        }
        Ok(())
    }

    fn number<T: FromStr>(&self, text: &str) -> Result<T> {
        text.parse().ok().ok_or_else(|| self.wrong(text, "it must be a number"))
    }

    fn word<T: for<'de> Deserialize<'de>>(&self, text: &str) -> Result<T> {
        let word: Result<T, ValueError> = T::deserialize(text.into_deserializer());
        word.map_err(|error| self.wrong(text, &error.to_string()))
    }

    fn wrong(&self, text: &str, why: &str) -> Error {
        Error::new(Kind::Input, format!("\"{text}\" is not a valid value for {self}: {why}"))
            .field("axis")
            .remedy("Correct the values of this axis")
    }
}

/// The index of the entry that applies the LoRA at `place` to `expert`. An axis of the other expert may have split it
/// into one for each, the second at the end.
fn lora_at(loras: &[LoraChoice], place: usize, expert: Option<Expert>) -> Option<usize> {
    let first = place.checked_sub(1)?;
    let lora = loras.get(first)?;
    match expert.filter(|wanted| !lora.changes(*wanted)) {
        None => Some(first),
        wanted => loras.iter().position(|other| other.expert == wanted && other.file == lora.file),
    }
}

/// LoRAs as on the command line, several with " + " between them.
fn loras(text: &str) -> Result<Vec<LoraChoice>> {
    if text == "none" {
        return Ok(Vec::new());
    }
    text.split(" + ").map(|lora| lora.trim().parse()).collect()
}

fn serde_word<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

impl fmt::Display for SweepField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replace(words) => write!(f, "replace:{words}"),
            Self::LoraStrength(place, None) => write!(f, "lora_strength:{place}"),
            Self::LoraStrength(place, Some(Expert::High)) => write!(f, "lora_strength:{place}:high"),
            Self::LoraStrength(place, Some(Expert::Low)) => write!(f, "lora_strength:{place}:low"),
            plain => {
                let name = PLAIN.iter().find(|(_, field)| field == plain).map_or("", |(name, _)| name);
                f.write_str(name)
            }
        }
    }
}

impl FromStr for SweepField {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        if let Some((_, field)) = PLAIN.iter().find(|(name, _)| *name == text) {
            return Ok(field.clone());
        }
        if let Some(words) = text.strip_prefix("replace:").filter(|words| !words.is_empty()) {
            return Ok(Self::Replace(words.to_owned()));
        }
        let strength = text.strip_prefix("lora_strength:").and_then(|rest| {
            let (place, expert) = match rest.split_once(':') {
                None => (rest, None),
                Some((place, "high")) => (place, Some(Expert::High)),
                Some((place, "low")) => (place, Some(Expert::Low)),
                Some(_) => return None,
            };
            Some(Self::LoraStrength(place.parse().ok().filter(|place| *place > 0)?, expert))
        });
        strength.ok_or_else(|| {
            let names: Vec<_> = PLAIN.iter().map(|(name, _)| *name).collect();
            Error::new(Kind::Input, format!("A sweep has no field \"{text}\"")).field("axis").remedy(format!(
                "Use one of {}, replace:WORDS, lora_strength:N or lora_strength:N:high",
                names.join(", ")
            ))
        })
    }
}

impl TryFrom<String> for SweepField {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<SweepField> for String {
    fn from(field: SweepField) -> Self {
        field.to_string()
    }
}
