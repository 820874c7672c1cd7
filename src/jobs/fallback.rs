//! Models that may replace the one asked for, because the user allowed them.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::spec::JobSpec;
use crate::core::{Fix, GenRequest, Kind};
use crate::models::{self, RoleHints};

/// A model that may be used where the one asked for cannot be read or does not fit into memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallback {
    /// Model id.
    pub model: String,
    /// Model folder.
    pub folder: PathBuf,
}

/// Whether another model may help after a failure of this kind.
pub(crate) fn may_help(kind: Kind) -> bool {
    matches!(kind, Kind::OutOfMemory | Kind::MissingModel | Kind::CorruptModel)
}

/// The first fallback that was not tried yet and accepts the form as it is.
pub(crate) fn next(spec: &JobSpec, tried: &[Fix], data_dir: &Path) -> Option<Fix> {
    let takes = |fallback: &&Fallback| {
        let fix = Fix::Model(fallback.model.clone());
        if tried.contains(&fix) || fallback.folder == spec.model {
            return false;
        }
        let draft = Fix::applied([&fix], &spec.draft);
        let hints = RoleHints::remembered(data_dir);
        models::open_with(&fallback.folder, hints)
            .is_ok_and(|model| GenRequest::parse(&draft, &model.limits()).is_ok())
    };
    spec.fallbacks.iter().find(takes).map(|fallback| Fix::Model(fallback.model.clone()))
}

impl JobSpec {
    /// A copy with `fixes` applied; a fallback model brings its folder.
    #[must_use]
    pub fn with_fixes<'a>(&self, fixes: impl IntoIterator<Item = &'a Fix>) -> Self {
        let mut spec = self.clone();
        fixes.into_iter().for_each(|fix| spec.apply(fix));
        spec
    }

    fn apply(&mut self, fix: &Fix) {
        fix.apply(&mut self.draft);
        match fix {
            Fix::TimeLimit(limit) => self.timeout_s = limit.map(|limit| limit.0.ceil() as u64),
            Fix::Model(name) => {
                if let Some(fallback) = self.fallbacks.iter().find(|fallback| fallback.model == *name) {
                    self.model.clone_from(&fallback.folder);
                }
            }
            Fix::Together(fixes) => fixes.iter().for_each(|fix| self.apply(fix)),
            _ => {}
        }
    }
}
