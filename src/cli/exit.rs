//! Exit codes.

use crate::core::{Error, Kind};

/// Exit code of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// The request or the command line is invalid.
    Invalid = 2,
    /// Cancelled by the user.
    Cancelled = 130,
}

impl From<&Error> for ExitCode {
    fn from(error: &Error) -> Self {
        match error.kind {
            Kind::Input | Kind::Unsupported => Self::Invalid,
            // an unknown model is an invalid argument, like an unknown preset
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
