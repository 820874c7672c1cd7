//! The preset file.

use serde::{Deserialize, Serialize};

use super::field::DraftSeeds;
use super::preset_lora::PresetLora;
use crate::core::{
    ComponentFiles, DeviceChoices, Draft, Error, Kind, Mode, PrecisionChoice, ProviderChoice, Resolution,
    Result, Sampler, StepList, WeightsChoice,
};
use crate::models::is_variant;
use crate::wan::DistilledSettings;

/// Named settings, of a model or of any.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Version of the file format: 2, or 1 for a file with all settings.
    pub version: u32,
    /// The name.
    pub name: String,
    /// One sentence on its purpose and the source of its values.
    #[serde(alias = "about")]
    pub description: String,
    /// Id of the model it is made for; empty for any.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// Mode it is made for; none for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The settings.
    pub settings: PresetFields,
    /// Where it comes from.
    #[serde(skip)]
    pub origin: PresetOrigin,
}

/// Where a preset comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PresetOrigin {
    /// A file of the person's, which can be changed and removed.
    #[default]
    Own,
    /// The program.
    Shipped,
    /// A distilled checkpoint or LoRA on this machine.
    Model,
}

/// A preset as `wandeck presets --json` prints it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PresetDocument<'a> {
    /// Where it comes from.
    pub origin: PresetOrigin,
    /// Names of its LoRAs whose files are not on this machine.
    pub missing_loras: Vec<String>,
    /// What is in its file.
    #[serde(flatten)]
    pub preset: &'a Preset,
}

impl<'a> PresetDocument<'a> {
    /// The document of a preset.
    pub fn of(preset: &'a Preset) -> Self {
        let missing_loras = preset.missing_loras().map(PresetLora::name).collect();
        Self { origin: preset.origin, missing_loras, preset }
    }
}

impl PresetOrigin {
    /// The word on screen.
    pub fn word(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Shipped => "shipped",
            Self::Model => "from a model",
        }
    }
}

/// The settings of a preset; a field that it does not have stays as it is. Prompt and everything about the machine are not
/// part of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PresetFields {
    /// Negative prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negative_prompt: Option<String>,
    /// Seed of the starting noise; without one, the draft's stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Denoising steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
    /// Guidance scale of the high-noise expert, or of the only transformer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance: Option<f32>,
    /// Guidance scale of the low-noise expert; with `guidance`, it defaults to that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance_low: Option<f32>,
    /// Flow shift.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shift: Option<f32>,
    /// Sampler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampler: Option<Sampler>,
    /// Timesteps of a distilled model, which replace the sampler's schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_list: Option<StepList>,
    /// Width and height in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Resolution>,
    /// Number of frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<u32>,
    /// Frames per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fps: Option<u32>,
    /// Threshold of the step cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_cache: Option<f32>,
    /// Fraction of the training timesteps from which the high-noise expert runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boundary: Option<f32>,
    /// LoRAs, in the order they are applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loras: Option<Vec<PresetLora>>,
    /// Drafts that are made instead of one video: some steps of several seeds, of which the best are finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drafts: Option<DraftSeeds>,
}

/// Version of the preset files that are written.
pub const VERSION: u32 = 2;

/// The name of the field whose value is at or before a place in a RON text.
fn field_before(text: &str, at: ron::error::Position) -> Option<&str> {
    let start: usize = text.split_inclusive('\n').take(at.line.saturating_sub(1)).map(str::len).sum();
    let line = text.get(start..)?;
    let end =
        line.char_indices().nth(at.col.saturating_sub(1)).map_or(text.len(), |(index, _)| start + index);
    let before = text.get(..end)?.rsplit_once(':')?.0.trim_end();
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let name = before.rsplit(|letter| !is_name(letter)).next()?;
    Some(name).filter(|name| !name.is_empty())
}

impl Preset {
    /// Reads a preset; `source` is its name in errors.
    pub fn parse(text: &str, source: &str) -> Result<Self> {
        let wrong = |why: String| {
            Error::new(Kind::Input, format!("{source} is not a valid preset: {why}"))
                .field("preset")
                .remedy("Correct the file")
        };
        let options =
            ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
        let preset: Self = options.from_str(text).map_err(|error| {
            let field =
                field_before(text, error.span.start).filter(|field| !error.code.to_string().contains(field));
            let field = field.map(|field| format!(", at the field `{field}`")).unwrap_or_default();
            wrong(format!("{error}{field}"))
        })?;
        match preset.version {
            1 => preset.of_version_1().map_err(wrong),
            VERSION => Ok(preset),
            other => Err(wrong(format!("version {other} is not supported, only 1 and {VERSION}"))),
        }
    }

    /// A preset of version 1, which has every setting but the optional ones.
    fn of_version_1(mut self) -> Result<Self, String> {
        self.version = VERSION;
        let fields = &mut self.settings;
        let missing = [
            ("model", self.model.is_empty()),
            ("mode", self.mode.is_none()),
            ("steps", fields.steps.is_none()),
            ("guidance", fields.guidance.is_none()),
            ("shift", fields.shift.is_none()),
            ("size", fields.size.is_none()),
            ("frames", fields.frames.is_none()),
            ("fps", fields.fps.is_none()),
        ];
        if let Some((field, _)) = missing.iter().find(|(_, is_missing)| *is_missing) {
            return Err(format!("the field `{field}` is missing, which a preset of version 1 has"));
        }
        fields.negative_prompt.get_or_insert_default();
        fields.sampler.get_or_insert_default();
        Ok(self)
    }

    /// A preset with the settings of a draft.
    pub fn of(draft: &Draft, mode: Mode, name: &str, description: &str) -> Self {
        Self {
            version: VERSION,
            name: name.trim().to_owned(),
            description: description.trim().to_owned(),
            model: draft.model.clone(),
            mode: Some(mode),
            settings: PresetFields {
                negative_prompt: Some(draft.negative_prompt.clone()),
                seed: None,
                steps: Some(draft.steps),
                guidance: Some(draft.guidance),
                guidance_low: draft.guidance_low,
                shift: Some(draft.shift),
                sampler: Some(draft.sampler),
                step_list: draft.step_list.clone(),
                size: Some(draft.size),
                frames: Some(draft.frames),
                fps: Some(draft.fps),
                step_cache: draft.step_cache,
                boundary: draft.boundary,
                loras: Some(draft.loras.iter().map(PresetLora::of).collect())
                    .filter(|loras: &Vec<_>| !loras.is_empty()),
                drafts: None,
            },
            origin: PresetOrigin::Own,
        }
    }

    /// Whether it has a model and everything that a video of it needs.
    pub fn is_complete(&self) -> bool {
        let fields = &self.settings;
        let has_schedule = fields.steps.is_some() && fields.shift.is_some() && fields.sampler.is_some();
        let has_shape = fields.size.is_some() && fields.frames.is_some() && fields.fps.is_some();
        !self.model.is_empty() && fields.guidance.is_some() && has_schedule && has_shape
    }

    /// Whether it is made for the model `id`, or for the model that `id` is a variant of. One that names no model is made
    /// for none in particular.
    pub fn is_made_for(&self, id: &str) -> bool {
        !self.model.is_empty() && is_variant(id, &self.model)
    }

    /// The preset for a model that is distilled already: without the LoRAs that distil.
    #[must_use]
    pub fn without_distillation(&self) -> Self {
        let mut preset = self.clone();
        let distils = |lora: &PresetLora| DistilledSettings::of(&[lora.name().to_lowercase()]).is_some();
        preset.settings.loras.iter_mut().for_each(|loras| loras.retain(|lora| !distils(lora)));
        preset
    }

    /// Its LoRAs whose files were looked for and not found.
    pub fn missing_loras(&self) -> impl Iterator<Item = &PresetLora> {
        self.settings.loras.iter().flatten().filter(|lora| lora.is_missing)
    }

    /// Fails with [`Kind::Input`] and the field `lora` if the file of a LoRA was not found.
    pub fn check_loras(&self) -> Result<()> {
        let missing: Vec<_> = self.missing_loras().map(|lora| format!("\"{}\"", lora.name())).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!(
            "The preset \"{}\" needs the LoRA {}, which is not on this machine",
            self.name,
            missing.join(" and ")
        );
        let mut items: Vec<_> = self.missing_loras().filter_map(|lora| lora.fetched_as.as_deref()).collect();
        items.dedup();
        let fetch = items.iter().map(|item| format!("\"wandeck models fetch {item}\" fetches it; or "));
        let place = "put the file into the folder \"loras\" of the data folder, give it with --lora, or choose it in the \
                     presets panel";
        let mut remedy: String = fetch.chain([place.to_owned()]).collect();
        if items.is_empty() {
            remedy.replace_range(..1, "P");
        }
        Err(Error::new(Kind::Input, message).field("lora").remedy(remedy))
    }

    /// The text of its file.
    pub fn to_ron(&self) -> Result<String> {
        // "steps: 50", not "steps: Some(50)"
        let plain = ron::ser::PrettyConfig::default().extensions(ron::extensions::Extensions::IMPLICIT_SOME);
        ron::ser::to_string_pretty(self, plain)
            .map_err(|error| Error::new(Kind::Bug, "Cannot encode the preset as RON").because(error))
    }

    /// Gives `draft` the fields that the preset has. A variant of its model stays.
    pub fn apply(&self, draft: &mut Draft) {
        fn set<T: Clone>(to: &mut T, from: Option<&T>) {
            if let Some(value) = from {
                to.clone_from(value);
            }
        }
        let fields = &self.settings;
        if !self.model.is_empty() && !self.is_made_for(&draft.model) {
            (draft.model, draft.mode) = (self.model.clone(), None);
        }
        set(&mut draft.negative_prompt, fields.negative_prompt.as_ref());
        set(&mut draft.seed, fields.seed.as_ref());
        set(&mut draft.steps, fields.steps.as_ref());
        set(&mut draft.shift, fields.shift.as_ref());
        set(&mut draft.sampler, fields.sampler.as_ref());
        set(&mut draft.size, fields.size.as_ref());
        set(&mut draft.frames, fields.frames.as_ref());
        set(&mut draft.fps, fields.fps.as_ref());
        if let Some(loras) = &fields.loras {
            draft.loras = loras.iter().map(PresetLora::choice).collect();
        }
        if fields.guidance.is_some() || fields.guidance_low.is_some() {
            set(&mut draft.guidance, fields.guidance.as_ref());
            draft.guidance_low = fields.guidance_low;
        }
        // other steps or another shift end a list of fixed timesteps
        if fields.steps.is_some() || fields.shift.is_some() || fields.step_list.is_some() {
            draft.step_list.clone_from(&fields.step_list);
        }
        if fields.step_cache.is_some() {
            draft.step_cache = fields.step_cache;
        }
        if fields.boundary.is_some() {
            draft.boundary = fields.boundary;
        }
    }

    /// A draft with these settings; fields that it does not have are those of the official text-to-video model.
    pub fn draft(&self, prompt: &str) -> Draft {
        let mut draft = Draft {
            prompt: prompt.to_owned(),
            negative_prompt: String::new(),
            model: self.model.clone(),
            mode: None,
            start_image: None,
            end_image: None,
            continue_from: None,
            seed: self.settings.seed.unwrap_or(0),
            steps: 40,
            guidance: 4.0,
            guidance_low: Some(3.0),
            shift: 12.0,
            sampler: Sampler::default(),
            step_list: None,
            size: Resolution::new(1280, 720),
            frames: 81,
            fps: 16,
            provider: ProviderChoice::Auto,
            precision: PrecisionChoice::Auto,
            loras: Vec::new(),
            vae_tile: None,
            weights: WeightsChoice::Auto,
            components: ComponentFiles::default(),
            devices: DeviceChoices::default(),
            latents_in: None,
            step_cache: None,
            boundary: None,
        };
        self.apply(&mut draft);
        draft
    }
}
