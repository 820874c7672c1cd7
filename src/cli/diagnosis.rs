//! A check of `wandeck doctor` and its result.

use std::fmt;

use serde::Serialize;

use crate::core::Error;

/// The severity of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// No problem.
    Ok,
    /// Something optional is not available.
    Note,
    /// Videos can be made, but something may need attention.
    Warning,
    /// Something does not work.
    Problem,
}

/// The result of one check.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Diagnosis {
    pub(super) level: Level,
    /// What was checked.
    pub(super) subject: &'static str,
    /// What was found.
    pub(super) message: String,
    /// What to do about it.
    pub(super) remedy: Option<String>,
}

/// What `wandeck doctor --json` prints.
#[derive(Clone, Debug, Serialize)]
pub(super) struct DoctorDocument<'a> {
    /// The worst level.
    pub(super) status: Level,
    /// The result of each check.
    pub(super) findings: &'a [Diagnosis],
}

impl Diagnosis {
    pub(super) fn ok(subject: &'static str, message: impl Into<String>) -> Self {
        Self { level: Level::Ok, subject, message: message.into(), remedy: None }
    }

    pub(super) fn warning(
        subject: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { level: Level::Warning, subject, message: message.into(), remedy: Some(remedy.into()) }
    }

    /// The result of a check that failed with `error`.
    pub(super) fn of(level: Level, subject: &'static str, error: &Error) -> Self {
        use std::error::Error as _;
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        let remedy = error.remedy_text().map(str::to_owned);
        Self { level, subject, message: format!("{error}{cause}"), remedy }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Problem => "PROBLEM",
        };
        write!(f, "{level:<8} {:<14} {}", self.subject, self.message)?;
        if let Some(remedy) = &self.remedy {
            write!(f, "\n{:<24}{remedy}", "")?;
        }
        Ok(())
    }
}
