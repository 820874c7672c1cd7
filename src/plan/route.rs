//! The choice of mode and model.

use std::fmt;

use super::catalog::Catalog;
use super::profile::Profile;
use super::profiles::Profiles;
use super::toy;
use crate::core::{Draft, Error, Kind, Limits, Mode, Resolution, Result};
use crate::wan::Family;

/// A usable model.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its name.
    pub id: &'a str,
    /// Its capabilities.
    pub limits: &'a Limits,
    /// Its model family.
    pub family: Option<Family>,
    /// Whether there is a preset for it.
    pub known: bool,
}

/// The inputs that determine the choice of mode and model.
#[derive(Clone, Copy, Debug)]
pub struct RouteRequest<'a> {
    /// Prompt.
    pub prompt: &'a str,
    /// Whether a start image is given.
    pub start_image: bool,
    /// Whether an end image is given.
    pub end_image: bool,
    /// Whether a clip to continue is given.
    pub clip: bool,
    /// Whether LoRAs are given.
    pub loras: bool,
    /// Requested size, if any.
    pub size: Option<Resolution>,
    /// Chosen model, if any.
    pub model: Option<&'a str>,
    /// Chosen mode, if any.
    pub mode: Option<Mode>,
}

impl<'a> RouteRequest<'a> {
    /// The inputs of a draft, with no model chosen.
    pub fn by(draft: &'a Draft) -> Self {
        Self {
            prompt: &draft.prompt,
            start_image: draft.start_image.is_some(),
            end_image: draft.end_image.is_some(),
            clip: draft.continue_from.is_some(),
            loras: !draft.loras.is_empty(),
            size: None,
            model: None,
            mode: draft.mode,
        }
    }

    fn image(&self) -> bool {
        self.start_image || self.clip
    }

    fn words(&self) -> bool {
        !self.prompt.trim().is_empty()
    }

    /// The modes that suit the inputs, the most suitable first.
    fn modes(&self) -> &'static [Mode] {
        match (self.image() || self.end_image, self.words()) {
            _ if self.end_image => &[Mode::I2V],
            (true, true) => &[Mode::TI2V, Mode::I2V],
            (true, false) => &[Mode::I2V],
            (false, _) => &[Mode::T2V, Mode::TI2V],
        }
    }

    /// The inputs in words.
    fn given(&self) -> &'static str {
        match (self.start_image, self.clip, self.words()) {
            _ if self.end_image => "a start and an end image were given",
            (true, _, true) => "an image and a prompt were given",
            (true, _, false) => "an image was given",
            (_, true, true) => "a clip to continue and a prompt were given",
            (_, true, false) => "a clip to continue was given",
            _ => "only a prompt was given",
        }
    }
}

/// The chosen mode and model, with reasons.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Route {
    /// The mode.
    pub mode: Mode,
    /// The model.
    pub model: String,
    /// Reasons; each is half a sentence.
    pub reasons: Vec<String>,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {}: {}", self.mode, self.model, self.reasons.join("; "))
    }
}

/// Chooses mode and model from the catalogue. Fails with the field that no model supports.
///
/// Official models go before others, then those that have a preset, then the mode that fits best.
pub fn route(asked: &RouteRequest<'_>, catalog: &Catalog) -> Result<Route> {
    let router = Router::new(asked, catalog);
    let route = router.select()?;
    router.refusals(route.mode, &route.model).into_iter().next().map_or(Ok(route), Err)
}

/// The choice of mode and model for one request.
pub(super) struct Router<'a> {
    asked: &'a RouteRequest<'a>,
    candidates: Vec<Candidate<'a>>,
    profiles: &'a Profiles,
}

/// A possible model and mode; a lower `place` suits the inputs better.
#[derive(Clone, Copy)]
struct Offer<'a> {
    place: usize,
    mode: Mode,
    model: Candidate<'a>,
}

impl<'a> Router<'a> {
    pub(super) fn new(asked: &'a RouteRequest<'a>, catalog: &'a Catalog) -> Self {
        Self { asked, candidates: catalog.candidates(), profiles: &catalog.profiles }
    }

    /// The best model. With a fixed mode, inputs that do not suit the mode are no reason against a model: they would be
    /// wrong for every other model of that mode too, and [`Self::refusals`] names them.
    pub(super) fn select(&self) -> Result<Route> {
        if self.asked.mode.is_none() {
            self.check_inputs()?;
        }
        let modes = self.asked.mode.as_ref().map_or_else(|| self.asked.modes(), std::slice::from_ref);
        let mut offers = self.offers(modes)?;
        offers.sort_by_key(|offer| (rank(&offer.model), offer.place, offer.model.id));
        let mut refusals = Vec::new();
        for Offer { mode, model, .. } in &offers {
            let of_mode = if self.asked.mode.is_none() { self.wrong_inputs(*mode, model) } else { None };
            match of_mode.or_else(|| self.unsuited(*mode, model)) {
                None => {
                    let reasons = reasons(self.asked, model, &refusals);
                    return Ok(Route { mode: *mode, model: model.id.to_owned(), reasons });
                }
                Some(error) => refusals.push(error),
            }
        }
        Err(refusals.into_iter().next().unwrap_or_else(|| self.no_model(modes)))
    }

    /// Why the model `id` cannot do what is asked in `mode`, one error a field, with the models that could.
    pub(super) fn refusals(&self, mode: Mode, id: &str) -> Vec<Error> {
        let Some(model) = self.candidates.iter().find(|model| model.id == id) else { return Vec::new() };
        let inputs = self.check_inputs().err().or_else(|| self.wrong_inputs(mode, model));
        inputs.into_iter().chain(self.unsuited(mode, model)).collect()
    }

    /// All possible models and modes.
    fn offers(&self, modes: &[Mode]) -> Result<Vec<Offer<'a>>> {
        let Some(id) = self.asked.model else {
            let of = |(place, &mode): (usize, &Mode)| {
                let able = self.candidates.iter().filter(move |model| model.limits.modes.contains(&mode));
                able.map(move |&model| Offer { place, mode, model }).collect::<Vec<_>>()
            };
            return Ok(modes.iter().enumerate().flat_map(of).collect());
        };
        let Some(&model) = self.candidates.iter().find(|model| model.id == id) else {
            return Err(Error::new(Kind::MissingModel, format!("The model {id} is not installed"))
                .remedy("Choose an installed model")
                .field("model"));
        };
        match self.asked.mode {
            Some(mode) if !model.limits.modes.contains(&mode) => {
                let supported: Vec<_> = model.limits.modes.iter().map(ToString::to_string).collect();
                Err(input("mode", format!("{id} supports {}, not {mode}", supported.join(" and ")))
                    .remedy(format!("Set the mode to auto, or choose a model that supports {mode}")))
            }
            Some(mode) => Ok(vec![Offer { place: 0, mode, model }]),
            None => {
                let modes = model.limits.modes.iter().enumerate();
                Ok(modes.map(|(place, &mode)| Offer { place, mode, model }).collect())
            }
        }
    }

    /// Rejects inputs that no model can combine.
    fn check_inputs(&self) -> Result<()> {
        let asked = self.asked;
        if asked.start_image && asked.clip {
            let message = "A start image and a clip to continue cannot be used together";
            return Err(input("continue_from", message).remedy("Remove one of them"));
        }
        let is_open = asked.mode.is_none() && asked.model.is_none();
        if is_open && asked.end_image && !asked.image() {
            let message = "An end image was given without a start image";
            return Err(input("start_image", message).remedy("Choose a start image, or remove the end image"));
        }
        if is_open && !asked.words() && !asked.image() {
            let message = "Nothing was given: t2v needs a prompt, i2v needs a start image";
            return Err(input("prompt", message).remedy("Describe the video, or choose a start image"));
        }
        Ok(())
    }

    /// Inputs that `mode` cannot use, and inputs that it lacks.
    fn wrong_inputs(&self, mode: Mode, model: &Candidate<'_>) -> Option<Error> {
        let (asked, id) = (self.asked, model.id);
        let needs = |modes: &[Mode]| self.instead(modes, id);
        if mode == Mode::T2V && asked.image() {
            return Some(
                input("start_image", format!("{id} is a text-to-video model and does not use a start image"))
                    .remedy(format!("Remove the start image, or {}", needs(&[Mode::I2V, Mode::TI2V]))),
            );
        }
        if mode == Mode::I2V && !asked.image() {
            return Some(
                input("start_image", format!("{id} needs a start image, but none is given"))
                    .remedy(format!("Choose a start image, or {}", needs(&[Mode::T2V, Mode::TI2V]))),
            );
        }
        if mode != Mode::I2V && asked.end_image {
            return Some(
                input("end_image", format!("{id} does not support an end image"))
                    .remedy(format!("Remove it, or {}", needs(&[Mode::I2V]))),
            );
        }
        if mode != Mode::I2V && !asked.words() {
            return Some(
                input("prompt", format!("{id} needs a prompt, but it is empty"))
                    .remedy(format!("Describe the video in the prompt, or {}", needs(&[Mode::I2V]))),
            );
        }
        None
    }

    /// What this model does not support in `mode` but another one may: LoRAs, a large size.
    fn unsuited(&self, mode: Mode, model: &Candidate<'_>) -> Option<Error> {
        if self.asked.loras && !model.limits.lora {
            return Some(
                input("lora", format!("{} does not support LoRAs", model.id))
                    .remedy("Remove the LoRAs, or set \"_lora\": true in its model_index.json to allow them"),
            );
        }
        if self.asked.model.is_none()
            && let Some(error) = toy::stands_in(model.id, self.asked.size)
        {
            return Some(error);
        }
        let (profile, size) = (self.profiles.of(mode, model.family)?, self.asked.size?);
        (!profile.takes(size)).then(|| self.too_large(profile, size))
    }

    /// "ti2v-5B takes 480p and 720p: 1080p needs t2v-A14B, which is not installed".
    fn too_large(&self, profile: &Profile, size: Resolution) -> Error {
        let start = format!("{} takes {}", profile.name(), profile.size_names());
        let wanted = if self.asked.image() { Mode::I2V } else { Mode::T2V };
        let other = self.profiles.modes.iter().find(|other| other.mode == wanted && other.takes(size));
        let Some(other) = other else {
            return input("size", format!("{start}, and {size} is larger")).remedy("Choose a smaller size");
        };
        let (class, name) = (other.class_of(size), other.name());
        let installed = self
            .candidates
            .iter()
            .find(|model| model.family == Some(other.family) && model.limits.modes.contains(&wanted));
        match installed {
            Some(model) => input("size", format!("{start}: {class} needs {name}"))
                .remedy(format!("Choose a smaller size, or the model {}", model.id)),
            None => input("size", format!("{start}: {class} needs {name}, which is not installed"))
                .remedy(format!("Choose a smaller size, or install {name}")),
        }
    }

    /// An alternative: an installed model, or one to install.
    fn instead(&self, modes: &[Mode], not: &str) -> String {
        let able = |mode: &Mode| self.best_for(*mode).filter(|id| *id != not);
        if let Some(id) = modes.iter().find_map(able) {
            return format!("choose the model {id}");
        }
        let names: Vec<_> = modes.iter().map(|mode| official(*mode)).collect();
        format!("install {}", names.join(" or "))
    }

    /// The best model for a mode, whatever else is given.
    fn best_for(&self, mode: Mode) -> Option<&'a str> {
        let able = self.candidates.iter().filter(|model| model.limits.modes.contains(&mode));
        able.min_by_key(|model| (rank(model), model.id)).map(|model| model.id)
    }

    /// The error if no model is possible at all.
    fn no_model(&self, modes: &[Mode]) -> Error {
        let names: Vec<_> = modes.iter().map(ToString::to_string).collect();
        let wanted: Vec<_> = modes.iter().map(|mode| official(*mode)).collect();
        let remedy = format!("Install {}", wanted.join(" or "));
        if self.candidates.is_empty() {
            return Error::new(Kind::MissingModel, "No usable model is installed")
                .field("model")
                .remedy(remedy);
        }
        let asked = self.asked;
        let field = match (asked.mode, asked.end_image, asked.image()) {
            (Some(_), ..) => "mode",
            (None, true, _) => "end_image",
            (None, _, true) => "start_image",
            _ => "model",
        };
        let because = if asked.mode.is_some() { "you set this mode" } else { asked.given() };
        Error::new(
            Kind::MissingModel,
            format!("No installed model supports {}: {because}", names.join(" or ")),
        )
        .field(field)
        .remedy(remedy)
    }
}

fn rank(model: &Candidate<'_>) -> u32 {
    match (model.family, model.known) {
        (Some(_), _) => 0,
        (None, true) => 1,
        (None, false) => 2,
    }
}

fn official(mode: Mode) -> &'static str {
    match mode {
        Mode::T2V => "t2v-A14B",
        Mode::I2V => "i2v-A14B",
        Mode::TI2V => "ti2v-5B",
    }
}

fn reasons(asked: &RouteRequest<'_>, model: &Candidate<'_>, blockers: &[Error]) -> Vec<String> {
    let mut reasons = Vec::new();
    match (asked.model, asked.mode) {
        (Some(_), _) => reasons.push("you chose the model".to_owned()),
        (None, Some(_)) => reasons.push("you set the mode".to_owned()),
        (None, None) => reasons.push(asked.given().to_owned()),
    }
    reasons.extend(blockers.iter().map(|blocker| blocker.message.clone()));
    if asked.model.is_none() && model.family.is_none() {
        reasons.push("no official Wan model that can do this is installed".to_owned());
    }
    reasons
}

fn input(field: &'static str, message: impl Into<String>) -> Error {
    Error::new(Kind::Input, message).field(field)
}
