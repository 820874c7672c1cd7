//! From what is given (words, pictures, installed models) to mode and model, and the reasons in words.
//!
//! Decides over data alone; the one file it reads is the table of modes, when it is told where that is.

#[cfg(test)]
mod fixture;
mod profile;
mod profiles;
mod route;
#[cfg(test)]
mod tests;

pub use profile::{Profile, Range, SizeClass};
pub use profiles::Profiles;
pub use route::{Asked, Candidate, Route, best_for, route};
