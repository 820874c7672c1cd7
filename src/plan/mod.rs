//! From what is given (words, pictures, installed models) to mode and model, and the reasons in words.
//!
//! Decides over data alone; the one file it reads is the table of modes, when it is told where that is.

#[cfg(test)]
mod fixture;
mod inputs;
mod memory_sample;
mod preflight;
mod profile;
mod profiles;
mod route;
#[cfg(test)]
mod tests;

pub(crate) use inputs::{ResolvedInputs, resolve_inputs};
pub(crate) use memory_sample::{MemorySample, drop_sessions_if_short};
pub(crate) use preflight::report_preflight;
pub use preflight::{PreflightResult, examine};
pub use profile::{ParameterRange, Profile, SizeClass};
pub use profiles::Profiles;
pub use route::{Candidate, Route, RouteRequest, best_for, route};
