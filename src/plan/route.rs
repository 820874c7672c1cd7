//! The choice of mode and model.

use std::fmt;

use super::profile::Profile;
use super::profiles::Profiles;
use crate::core::{Draft, Error, Kind, Limits, Mode, Resolution, Result};
use crate::wan::Family;

/// A model that can be used.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its name.
    pub id: &'a str,
    /// What it can take.
    pub limits: &'a Limits,
    /// Which of Wan's own it is.
    pub family: Option<Family>,
    /// Whether there are settings made for it.
    pub known: bool,
}

/// What is there.
#[derive(Clone, Copy, Debug)]
pub struct RouteRequest<'a> {
    /// What should be seen.
    pub prompt: &'a str,
    /// Whether a first picture is given.
    pub start_image: bool,
    /// Whether a last picture is given.
    pub end_image: bool,
    /// Whether a clip to go on from is given.
    pub clip: bool,
    /// Whether LoRAs are given.
    pub loras: bool,
    /// The size, if one is asked for.
    pub size: Option<Resolution>,
    /// The model, if one is chosen.
    pub model: Option<&'a str>,
    /// The mode, if one is chosen.
    pub mode: Option<Mode>,
}

impl<'a> RouteRequest<'a> {
    /// What a form has, with no model chosen.
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

    fn picture(&self) -> bool {
        self.start_image || self.clip
    }

    fn words(&self) -> bool {
        !self.prompt.trim().is_empty()
    }

    /// The modes that what is given is for, the one it is most for first.
    fn modes(&self) -> &'static [Mode] {
        match (self.picture() || self.end_image, self.words()) {
            _ if self.end_image => &[Mode::I2V],
            (true, true) => &[Mode::TI2V, Mode::I2V],
            (true, false) => &[Mode::I2V],
            (false, _) => &[Mode::T2V, Mode::TI2V],
        }
    }

    /// What is given, in words.
    fn given(&self) -> &'static str {
        match (self.start_image, self.clip, self.words()) {
            _ if self.end_image => "a first and a last picture were given",
            (true, _, true) => "a picture and words were given",
            (true, _, false) => "a picture was given",
            (_, true, true) => "a clip to go on from and words were given",
            (_, true, false) => "a clip to go on from was given",
            _ => "only words were given",
        }
    }
}

/// What was chosen, and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Route {
    /// The mode.
    pub mode: Mode,
    /// The model.
    pub model: String,
    /// Why, each half a sentence.
    pub reasons: Vec<String>,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {}: {}", self.mode, self.model, self.reasons.join("; "))
    }
}

/// Chooses mode and model among `candidates`, or says which field is in the way.
///
/// Wan's own models go before others, then those that settings are made for, then the mode that fits best.
pub fn route(asked: &RouteRequest<'_>, candidates: &[Candidate<'_>], profiles: &Profiles) -> Result<Route> {
    check_given(asked)?;
    let modes = asked.mode.as_ref().map_or_else(|| asked.modes(), std::slice::from_ref);
    let mut offers = offers(asked, candidates, modes)?;
    offers.sort_by_key(|&(place, _, model)| (rank(model), place, model.id));
    let mut obstacles = Vec::new();
    for &(_, mode, model) in &offers {
        match obstacle(asked, mode, model, (candidates, profiles)) {
            None => {
                return Ok(Route {
                    mode,
                    model: model.id.to_owned(),
                    reasons: reasons(asked, model, &obstacles),
                });
            }
            Some(error) => obstacles.push(error),
        }
    }
    Err(obstacles.into_iter().next().unwrap_or_else(|| nobody_does(asked, candidates, modes)))
}

/// The model for a mode that a person chose.
pub fn best_for<'a>(mode: Mode, candidates: &[Candidate<'a>]) -> Option<&'a str> {
    let able = candidates.iter().filter(|model| model.limits.modes.contains(&mode));
    able.min_by_key(|model| (rank(model), model.id)).map(|model| model.id)
}

type Offer<'c, 'a> = (usize, Mode, &'c Candidate<'a>);

/// Every model in every mode that comes into question.
fn offers<'c, 'a>(
    asked: &RouteRequest<'_>,
    candidates: &'c [Candidate<'a>],
    modes: &[Mode],
) -> Result<Vec<Offer<'c, 'a>>> {
    let Some(id) = asked.model else {
        let of = |(place, &mode): (usize, &Mode)| {
            let able = candidates.iter().filter(move |model| model.limits.modes.contains(&mode));
            able.map(move |model| (place, mode, model)).collect::<Vec<_>>()
        };
        return Ok(modes.iter().enumerate().flat_map(of).collect());
    };
    let Some(model) = candidates.iter().find(|model| model.id == id) else {
        return Err(Error::new(Kind::MissingModel, format!("The model {id} is not on this machine"))
            .remedy("Choose one of those that are")
            .field("model"));
    };
    let natural = model.limits.modes.first();
    match asked.mode {
        Some(mode) if !model.limits.modes.contains(&mode) => {
            let does = natural.map(|natural| format!(", it does {natural}")).unwrap_or_default();
            Err(Error::new(Kind::Input, format!("{id} cannot do {mode}{does}"))
                .remedy(format!("Leave the mode on auto, or choose a model that does {mode}"))
                .field("mode"))
        }
        Some(mode) => Ok(vec![(0, mode, model)]),
        None => Ok(model.limits.modes.iter().enumerate().map(|(at, &mode)| (at, mode, model)).collect()),
    }
}

fn check_given(asked: &RouteRequest<'_>) -> Result<()> {
    if asked.start_image && asked.clip {
        let message = "A video starts from a picture or from a clip's end, not from both";
        return Err(input("continue_from", message).remedy("Leave one of them out"));
    }
    if asked.end_image && !asked.picture() {
        let message = "A last picture was given and no first one";
        return Err(input("start_image", message).remedy("Choose a first picture, or leave the last one out"));
    }
    if !asked.words() && !asked.picture() {
        let message = "Nothing was given: t2v needs a prompt, and i2v a picture";
        return Err(input("prompt", message).remedy("Write what should be seen, or choose a picture"));
    }
    Ok(())
}

fn rank(model: &Candidate<'_>) -> u32 {
    match (model.family, model.known) {
        (Some(_), _) => 0,
        (None, true) => 1,
        (None, false) => 2,
    }
}

/// What keeps a model from doing what is asked.
fn obstacle(
    asked: &RouteRequest<'_>,
    mode: Mode,
    model: &Candidate<'_>,
    (candidates, profiles): (&[Candidate<'_>], &Profiles),
) -> Option<Error> {
    let id = model.id;
    let needs = |modes: &[Mode]| instead(modes, candidates, id);
    if mode == Mode::T2V && asked.picture() {
        return Some(
            input("start_image", format!("{id} makes video from words and takes no picture"))
                .remedy(format!("Leave the picture out, or {}", needs(&[Mode::I2V, Mode::TI2V]))),
        );
    }
    if mode == Mode::I2V && !asked.picture() {
        return Some(
            input("start_image", format!("{id} starts from a picture, and there is none"))
                .remedy(format!("Choose a picture, or {}", needs(&[Mode::T2V, Mode::TI2V]))),
        );
    }
    if mode != Mode::I2V && asked.end_image {
        return Some(
            input("end_image", format!("{id} takes no last picture"))
                .remedy(format!("Leave it out, or {}", needs(&[Mode::I2V]))),
        );
    }
    if mode != Mode::I2V && !asked.words() {
        return Some(
            input("prompt", format!("{id} needs a prompt, and it is empty"))
                .remedy(format!("Write what should be seen, or {}", needs(&[Mode::I2V]))),
        );
    }
    if asked.loras && !model.limits.lora {
        return Some(
            input("lora", format!("{id} takes no LoRAs"))
                .remedy("Leave them out, or write \"_lora\": true into its model_index.json to allow them"),
        );
    }
    let (profile, size) = (profiles.of(mode, model.family)?, asked.size?);
    (!profile.takes(size)).then(|| too_large(profile, size, asked, (candidates, profiles)))
}

/// "ti2v-5B takes 480p and 720p: 1080p needs t2v-A14B, which is not installed".
fn too_large(
    profile: &Profile,
    size: Resolution,
    asked: &RouteRequest<'_>,
    (candidates, profiles): (&[Candidate<'_>], &Profiles),
) -> Error {
    let start = format!("{} takes {}", profile.name(), profile.size_names());
    let wanted = if asked.picture() { Mode::I2V } else { Mode::T2V };
    let other = profiles.modes.iter().find(|other| other.mode == wanted && other.takes(size));
    let Some(other) = other else {
        return input("size", format!("{start}, and {size} is larger")).remedy("Choose a smaller size");
    };
    let (class, name) = (other.class_of(size), other.name());
    let installed = candidates
        .iter()
        .find(|model| model.family == Some(other.family) && model.limits.modes.contains(&wanted));
    match installed {
        Some(model) => input("size", format!("{start}: {class} needs {name}"))
            .remedy(format!("Choose a smaller size, or the model {}", model.id)),
        None => input("size", format!("{start}: {class} needs {name}, which is not installed"))
            .remedy(format!("Choose a smaller size, or install {name}")),
    }
}

/// What else to choose: an installed model, or which one to install.
fn instead(modes: &[Mode], candidates: &[Candidate<'_>], not: &str) -> String {
    let able = |mode: &Mode| best_for(*mode, candidates).filter(|id| *id != not);
    if let Some(id) = modes.iter().find_map(able) {
        return format!("choose the model {id}");
    }
    let names: Vec<_> = modes.iter().map(|mode| official(*mode)).collect();
    format!("install {}", names.join(" or "))
}

fn official(mode: Mode) -> &'static str {
    match mode {
        Mode::T2V => "t2v-A14B",
        Mode::I2V => "i2v-A14B",
        Mode::TI2V => "ti2v-5B",
    }
}

/// The error when no model comes into question at all.
fn nobody_does(asked: &RouteRequest<'_>, candidates: &[Candidate<'_>], modes: &[Mode]) -> Error {
    let names: Vec<_> = modes.iter().map(ToString::to_string).collect();
    let wanted: Vec<_> = modes.iter().map(|mode| official(*mode)).collect();
    let remedy = format!("Install {}", wanted.join(" or "));
    if candidates.is_empty() {
        return Error::new(Kind::MissingModel, "There is no usable model on this machine")
            .field("model")
            .remedy(remedy);
    }
    let field = match (asked.mode, asked.end_image, asked.picture()) {
        (Some(_), ..) => "mode",
        (None, true, _) => "end_image",
        (None, _, true) => "start_image",
        _ => "model",
    };
    let because = if asked.mode.is_some() { "it was chosen" } else { asked.given() };
    Error::new(Kind::MissingModel, format!("No installed model does {}, and {because}", names.join(" or ")))
        .field(field)
        .remedy(remedy)
}

fn reasons(asked: &RouteRequest<'_>, model: &Candidate<'_>, obstacles: &[Error]) -> Vec<String> {
    let mut reasons = Vec::new();
    match (asked.model, asked.mode) {
        (Some(_), _) => reasons.push("the model was chosen".to_owned()),
        (None, Some(_)) => reasons.push("the mode was chosen".to_owned()),
        (None, None) => reasons.push(asked.given().to_owned()),
    }
    reasons.extend(obstacles.iter().map(|obstacle| obstacle.message.clone()));
    if asked.model.is_none() && model.family.is_none() {
        reasons.push("none of Wan's own models that could is installed".to_owned());
    }
    reasons
}

fn input(field: &'static str, message: impl Into<String>) -> Error {
    Error::new(Kind::Input, message).field(field)
}
