//! Mode and model of the form: what chose them, and what the table of modes says of the form.

use std::path::Path;

use crate::core::{Draft, Error, Kind, Mode, Result};
use crate::models::Installed;
use crate::plan::{self, Candidate, Profiles, RouteRequest};
use crate::presets;

/// The table of modes, and why the form has the model it has.
pub(in crate::app) struct Routing {
    profiles: Profiles,
    pub(in crate::app) reason: String,
}

impl Routing {
    /// With the person's own table; with the shipped one and the error if that cannot be read.
    pub(in crate::app) fn open(
        data_dir: &Path,
        models: &[Installed],
        draft: &Draft,
    ) -> Result<(Self, Option<Error>)> {
        let (profiles, wrong) = match Profiles::open(data_dir) {
            Ok(profiles) => (profiles, None),
            Err(error) => (Profiles::shipped()?, Some(error)),
        };
        let ready = models.iter().any(|model| model.id == draft.model && model.limits.is_ok());
        let reason = if ready { "a small model that runs on any machine" } else { "" };
        Ok((Self { profiles, reason: reason.to_owned() }, wrong))
    }

    /// What the table of modes has against the form.
    pub(in crate::app) fn problems(&self, draft: &Draft, model: &Installed) -> Vec<Error> {
        mode_of(draft, model)
            .map(|mode| self.profiles.problems(draft, mode, model.family))
            .unwrap_or_default()
    }

    /// The model for a mode that the person chose.
    pub(in crate::app) fn by_mode(&mut self, mode: Mode, models: &[Installed]) -> Result<String> {
        let id = plan::best_for(mode, &candidates(models)).ok_or_else(|| {
            Error::new(Kind::MissingModel, format!("No model on this machine does {mode}"))
                .field("mode")
                .remedy("Install one that does, or choose another mode")
        })?;
        "the mode was chosen".clone_into(&mut self.reason);
        Ok(id.to_owned())
    }

    /// The model for what the form has, whatever model it has now.
    pub(in crate::app) fn by_what_is_given(&mut self, draft: &Draft, models: &[Installed]) -> Result<String> {
        let asked = RouteRequest { mode: None, ..RouteRequest::by(draft) };
        let route = plan::route(&asked, &candidates(models), &self.profiles)?;
        self.reason = route.reasons.join("; ");
        Ok(route.model)
    }
}

/// The mode in which the form would run.
pub(in crate::app) fn mode_of(draft: &Draft, model: &Installed) -> Option<Mode> {
    draft.mode.or_else(|| model.limits.as_ref().ok()?.modes.first().copied())
}

fn candidates(models: &[Installed]) -> Vec<Candidate<'_>> {
    fn candidate(model: &Installed) -> Option<Candidate<'_>> {
        let Installed { id, limits, family, .. } = model;
        let known = presets::for_model(id).is_ok_and(|preset| preset.is_some());
        Some(Candidate { id, limits: limits.as_ref().ok()?, family: *family, known })
    }
    models.iter().filter_map(candidate).collect()
}
