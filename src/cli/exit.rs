//! How the program ends.

use crate::core::{Error, Kind};

/// The exit codes of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// The request or the command line is wrong.
    Invalid = 2,
    /// Stopped as asked.
    Cancelled = 130,
}

impl From<&Error> for ExitCode {
    fn from(error: &Error) -> Self {
        match error.kind {
            Kind::Input | Kind::Unsupported => Self::Invalid,
            // a model that is not there is as wrong on the command line as a preset that is not there
            Kind::MissingModel if error.field_name() == Some("model") => Self::Invalid,
            Kind::Cancelled => Self::Cancelled,
            _ => Self::Failed,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}
