//! What `wandeck doctor` finds, and how it is said.

use std::fmt;

use serde::Serialize;

use crate::core::Error;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// Videos can be made, but something deserves a look.
    Warning,
    /// Something does not work.
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Diagnosis {
    pub(super) level: Level,
    /// What was looked at.
    pub(super) subject: &'static str,
    /// What was seen.
    pub(super) message: String,
    /// What to do about it.
    pub(super) remedy: Option<String>,
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

    /// An error that was met on the way.
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
