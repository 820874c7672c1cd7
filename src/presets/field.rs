//! The fields that a preset may set: their names, their values as text, and which of them a preset has.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::preset::Preset;
use super::preset_lora::PresetLora;
use crate::core::{Error, Kind, LoraChoice, Result, Sampler, StepList, counted};

/// A field that a preset may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PresetField {
    /// The model.
    Model,
    /// The negative prompt.
    NegativePrompt,
    /// Width and height.
    Size,
    /// Frames of video.
    Frames,
    /// Frames per second.
    Fps,
    /// Denoising steps.
    Steps,
    /// Guidance scale of both experts.
    Guidance,
    /// LoRAs.
    Loras,
    /// Sampler.
    Sampler,
    /// Flow shift.
    Shift,
    /// Fixed timesteps of a distilled model.
    StepList,
    /// Threshold of the step cache.
    StepCache,
    /// Where the low-noise expert takes over.
    Boundary,
    /// The seed.
    Seed,
    /// Drafts of several seeds.
    Drafts,
}

/// How many seeds are drafted, and for how many steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftSeeds {
    /// Number of seeds, each of which is a draft.
    pub seeds: u32,
    /// Steps of each draft.
    pub steps: u32,
}

impl fmt::Display for DraftSeeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", counted(self.seeds, "seed"), counted(self.steps, "step"))
    }
}

impl PresetField {
    /// All of them, in the order of the form.
    pub const ALL: [Self; 15] = [
        Self::Model,
        Self::NegativePrompt,
        Self::Size,
        Self::Frames,
        Self::Fps,
        Self::Steps,
        Self::Guidance,
        Self::Loras,
        Self::Sampler,
        Self::Shift,
        Self::StepList,
        Self::StepCache,
        Self::Boundary,
        Self::Seed,
        Self::Drafts,
    ];

    /// The name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::NegativePrompt => "negative_prompt",
            Self::Size => "size",
            Self::Frames => "frames",
            Self::Fps => "fps",
            Self::Steps => "steps",
            Self::Guidance => "guidance",
            Self::Loras => "loras",
            Self::Sampler => "sampler",
            Self::Shift => "shift",
            Self::StepList => "step_list",
            Self::StepCache => "step_cache",
            Self::Boundary => "boundary",
            Self::Seed => "seed",
            Self::Drafts => "drafts",
        }
    }

    /// The name on screen.
    pub fn label(self) -> &'static str {
        match self {
            Self::Model => "Model",
            Self::NegativePrompt => "Negative prompt",
            Self::Size => "Size",
            Self::Frames => "Frames",
            Self::Fps => "Frames per second",
            Self::Steps => "Steps",
            Self::Guidance => "Guidance",
            Self::Loras => "LoRAs",
            Self::Sampler => "Sampler",
            Self::Shift => "Flow shift",
            Self::StepList => "Timesteps",
            Self::StepCache => "Step cache",
            Self::Boundary => "Boundary",
            Self::Seed => "Seed",
            Self::Drafts => "Drafts",
        }
    }

    /// How its value is written, for somebody who types one.
    pub fn example(self) -> &'static str {
        match self {
            Self::Model => "t2v-A14B",
            Self::NegativePrompt => "blurry, static",
            Self::Size => "832x480",
            Self::Frames => "81",
            Self::Fps => "16",
            Self::Steps => "20",
            Self::Guidance => "4, or 4 / 3 for the two experts",
            Self::Loras => "FILE:STRENGTH:high + FILE:STRENGTH:low",
            Self::Sampler => "unipc",
            Self::Shift => "5",
            Self::StepList => "1000, 937.5, 833.3, 625",
            Self::StepCache => "0.05",
            Self::Boundary => "0.875",
            Self::Seed => "42",
            Self::Drafts => "6 seeds, 4 steps",
        }
    }

    fn wrong(self, text: &str) -> Error {
        let message = format!("\"{text}\" is not a valid value of {} in a preset", self.name());
        Error::new(Kind::Input, message)
            .field("preset")
            .remedy(format!("Write it like this: {}", self.example()))
    }

    fn number<T: FromStr>(self, text: &str) -> Result<T> {
        text.trim().parse().ok().ok_or_else(|| self.wrong(text))
    }

    fn numbers<T: FromStr>(self, text: &str) -> Result<Vec<T>> {
        text.split(',').map(|number| self.number(number)).collect()
    }
}

impl FromStr for PresetField {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|field| field.name() == text.trim()).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.into_iter().map(Self::name).collect();
            Error::new(Kind::Input, format!("A preset has no field \"{text}\""))
                .field("fields")
                .remedy(format!("Use some of {}", names.join(", ")))
        })
    }
}

impl Preset {
    /// The fields that it sets, in the order of the form.
    pub fn fields(&self) -> impl Iterator<Item = PresetField> + '_ {
        PresetField::ALL.into_iter().filter(|field| self.value(*field).is_some())
    }

    /// The value of a field as [`Self::set`] reads it; `None` if it does not set that field.
    pub fn value(&self, field: PresetField) -> Option<String> {
        fn text<T: fmt::Display>(value: Option<T>) -> Option<String> {
            value.map(|value| value.to_string())
        }
        let has = &self.settings;
        match field {
            PresetField::Model => Some(self.model.clone()).filter(|model| !model.is_empty()),
            PresetField::NegativePrompt => has.negative_prompt.clone(),
            PresetField::Size => text(has.size),
            PresetField::Frames => text(has.frames),
            PresetField::Fps => text(has.fps),
            PresetField::Steps => text(has.steps),
            PresetField::Guidance => match (has.guidance, has.guidance_low) {
                (high, None) => text(high),
                (None, Some(low)) => Some(format!("/ {low}")),
                (Some(high), Some(low)) => Some(format!("{high} / {low}")),
            },
            PresetField::Loras => has
                .loras
                .as_ref()
                .map(|loras| loras.iter().map(PresetLora::to_text).collect::<Vec<_>>().join(" + ")),
            PresetField::Sampler => has.sampler.map(|sampler| sampler.name().to_owned()),
            PresetField::Shift => text(has.shift),
            PresetField::StepList => has
                .step_list
                .as_ref()
                .map(|list| list.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
            PresetField::StepCache => text(has.step_cache),
            PresetField::Boundary => text(has.boundary),
            PresetField::Seed => text(has.seed),
            PresetField::Drafts => text(has.drafts),
        }
    }

    /// Gives a field the value in `text`. Fails with [`Kind::Input`] if it is not one.
    pub fn set(&mut self, field: PresetField, text: &str) -> Result<()> {
        let text = text.trim();
        let has = &mut self.settings;
        match field {
            PresetField::Model if text.is_empty() => return Err(field.wrong(text)),
            PresetField::Model => {
                if self.model != text {
                    self.mode = None;
                }
                text.clone_into(&mut self.model);
            }
            PresetField::NegativePrompt => has.negative_prompt = Some(text.to_owned()),
            PresetField::Size => has.size = Some(text.parse()?),
            PresetField::Frames => has.frames = Some(field.number(text)?),
            PresetField::Fps => has.fps = Some(field.number(text)?),
            PresetField::Steps => has.steps = Some(field.number(text)?),
            PresetField::Guidance => {
                let (high, low) = text.split_once('/').map_or((text, None), |(high, low)| (high, Some(low)));
                let number = |text: &str| field.number::<f32>(text);
                let low = low.map(number).transpose()?;
                let high = if high.trim().is_empty() { None } else { Some(number(high)?) };
                if high.is_none() && low.is_none() {
                    return Err(field.wrong(text));
                }
                (has.guidance, has.guidance_low) = (high, low);
            }
            PresetField::Loras => has.loras = Some(loras_of_text(text, has.loras.as_deref())?),
            PresetField::Sampler => {
                let found = Sampler::ALL.into_iter().find(|sampler| sampler.name() == text);
                has.sampler = Some(found.ok_or_else(|| field.wrong(text))?);
            }
            PresetField::Shift => has.shift = Some(field.number(text)?),
            PresetField::StepList => has.step_list = Some(StepList(field.numbers(text)?)),
            PresetField::StepCache => has.step_cache = Some(field.number(text)?),
            PresetField::Boundary => has.boundary = Some(field.number(text)?),
            PresetField::Seed => has.seed = Some(field.number(text)?),
            PresetField::Drafts => {
                let numbers = text.split(|letter: char| !letter.is_ascii_digit());
                let numbers: Vec<u32> = numbers.filter_map(|number| number.parse().ok()).collect();
                let &[seeds, steps] = numbers.as_slice() else { return Err(field.wrong(text)) };
                if seeds == 0 || steps == 0 {
                    return Err(field.wrong(text));
                }
                has.drafts = Some(DraftSeeds { seeds, steps });
            }
        }
        Ok(())
    }

    /// Sets a field no more.
    pub fn clear(&mut self, field: PresetField) {
        let has = &mut self.settings;
        match field {
            PresetField::Model => (self.model, self.mode) = (String::new(), None),
            PresetField::NegativePrompt => has.negative_prompt = None,
            PresetField::Size => has.size = None,
            PresetField::Frames => has.frames = None,
            PresetField::Fps => has.fps = None,
            PresetField::Steps => has.steps = None,
            PresetField::Guidance => (has.guidance, has.guidance_low) = (None, None),
            PresetField::Loras => has.loras = None,
            PresetField::Sampler => has.sampler = None,
            PresetField::Shift => has.shift = None,
            PresetField::StepList => has.step_list = None,
            PresetField::StepCache => has.step_cache = None,
            PresetField::Boundary => has.boundary = None,
            PresetField::Seed => has.seed = None,
            PresetField::Drafts => has.drafts = None,
        }
    }

    /// The preset with these of its fields only.
    #[must_use]
    pub fn with_only(mut self, fields: &BTreeSet<PresetField>) -> Self {
        for field in PresetField::ALL.into_iter().filter(|field| !fields.contains(field)) {
            self.clear(field);
        }
        self
    }
}

/// LoRAs as on the command line, several with " + " between them. A file that is among `known` stays identified.
fn loras_of_text(text: &str, known: Option<&[PresetLora]>) -> Result<Vec<PresetLora>> {
    let choices = text.split(" + ").map(str::trim).filter(|lora| !lora.is_empty());
    let lora = |choice: LoraChoice| {
        let known = known.into_iter().flatten().find(|lora| lora.file == choice.file);
        known.map_or_else(
            || PresetLora::of(&choice),
            |known| PresetLora { strength: choice.strength, expert: choice.expert, ..known.clone() },
        )
    };
    choices.map(|choice| choice.parse().map(lora)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::draft;
    use crate::core::{Draft, Expert, Mode};

    fn full() -> Preset {
        let loras = vec![
            LoraChoice { strength: 0.5, expert: Some(Expert::High), ..LoraChoice::new("a:b.safetensors") },
            LoraChoice::new("c.safetensors"),
        ];
        let draft = Draft {
            loras,
            guidance_low: Some(3.0),
            step_list: Some(StepList(vec![1000.0, 833.3333])),
            step_cache: Some(0.05),
            boundary: Some(0.875),
            negative_prompt: "blurry".into(),
            ..draft()
        };
        let mut preset = Preset::of(&draft, Mode::T2V, "all", "");
        preset.settings.seed = Some(u64::MAX);
        preset.settings.drafts = Some(DraftSeeds { seeds: 6, steps: 2 });
        preset
    }

    #[test]
    fn every_field_can_be_read_set_and_left_out() {
        let all = full();
        assert_eq!(all.fields().collect::<Vec<_>>(), PresetField::ALL);
        let mut copy = all.clone().with_only(&BTreeSet::new());
        assert_eq!(copy.fields().count(), 0);
        assert_eq!((copy.model.as_str(), copy.mode), ("", None));
        for field in PresetField::ALL {
            assert_eq!(field.name().parse::<PresetField>().unwrap(), field);
            copy.set(field, &all.value(field).unwrap()).unwrap();
        }
        copy.mode = all.mode;
        assert_eq!(copy, all);
        let some = BTreeSet::from([PresetField::Guidance, PresetField::Loras]);
        let look = all.with_only(&some);
        assert!(look.fields().eq(some));
        let read = Preset::parse(&look.to_ron().unwrap(), "look.ron").unwrap();
        assert_eq!(read, look, "what it does not set is not in its file");
    }

    #[test]
    fn a_value_that_is_none_names_the_field_and_changes_nothing() {
        for (field, text) in [
            (PresetField::Model, " "),
            (PresetField::Size, "832"),
            (PresetField::Steps, "4.5"),
            (PresetField::Guidance, "/"),
            (PresetField::Guidance, "4 / x"),
            (PresetField::Sampler, "euler2"),
            (PresetField::StepList, "1000, x"),
            (PresetField::Drafts, "6"),
            (PresetField::Drafts, "0 seeds, 4 steps"),
        ] {
            let mut preset = full();
            let error = preset.set(field, text).unwrap_err();
            assert!(error.field_name().is_some(), "{field:?} {text}: {error:#}");
            assert_eq!(preset, full());
        }
        assert!("colour".parse::<PresetField>().unwrap_err().remedy_text().unwrap().contains("step_cache"));
    }

    #[test]
    fn a_lora_whose_file_stays_keeps_its_hash() {
        let mut preset = full();
        let loras = preset.settings.loras.as_mut().unwrap();
        loras[1].sha256 = Some("ab".into());
        preset.set(PresetField::Loras, "c.safetensors:0.3 + d.safetensors").unwrap();
        let loras = preset.settings.loras.unwrap();
        assert_eq!((loras[0].sha256.as_deref(), loras[0].strength), (Some("ab"), 0.3));
        assert_eq!(loras[1].sha256, None);
    }
}
