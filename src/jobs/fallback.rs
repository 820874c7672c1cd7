//! Other models that may take a job over, because a person allowed it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::spec::JobSpec;
use crate::core::{Fix, GenRequest, Kind, Result};
use crate::models;

/// A model that may take the place of the one that was asked for, where that cannot be read or does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallback {
    /// Its name.
    pub model: String,
    /// Its folder.
    pub folder: PathBuf,
}

impl Fallback {
    /// The model called `id`, see [`models::find`].
    pub fn find(id: &str, data_dir: &Path, models_dir: Option<&Path>) -> Result<Self> {
        let folder = models::find(id, data_dir, models_dir)?;
        Ok(Self { model: id.to_owned(), folder })
    }
}

/// Whether another model may mend a failure of this kind.
pub(crate) fn may_help(kind: Kind) -> bool {
    matches!(kind, Kind::OutOfMemory | Kind::MissingModel | Kind::CorruptModel)
}

/// The first model that was not tried and takes the form as it is.
pub(crate) fn next(work: &JobSpec, tried: &[Fix]) -> Option<Fix> {
    let takes = |fallback: &&Fallback| {
        let change = Fix::Model(fallback.model.clone());
        if tried.contains(&change) || fallback.folder == work.model {
            return false;
        }
        let draft = Fix::applied([&change], &work.draft);
        models::open(&fallback.folder).is_ok_and(|model| GenRequest::parse(&draft, &model.limits()).is_ok())
    };
    work.fallbacks.iter().find(takes).map(|fallback| Fix::Model(fallback.model.clone()))
}

impl JobSpec {
    /// The work after `changes`; a fallback's folder comes with its name.
    pub(crate) fn after<'a>(&self, changes: impl IntoIterator<Item = &'a Fix>) -> Self {
        let mut work = self.clone();
        for change in changes {
            change.apply(&mut work.draft);
            if let Fix::Model(name) = change
                && let Some(fallback) = self.fallbacks.iter().find(|fallback| fallback.model == *name)
            {
                work.model.clone_from(&fallback.folder);
            }
        }
        work
    }
}
