//! One attempt at a job: from its settings to a checked file, with resume points after its steps.

mod control;
mod device_peak;
mod latents_out;
mod planned;
mod record;
mod resume_key;
mod resume_points;
mod run;
mod saved_preview;
mod saved_states;
mod state_file;
mod switch_states;

pub(crate) use control::{JobControl, StopReason, YieldReason};
pub(crate) use resume_points::{ResumePoints, forget, keep, resume_mark};
pub use run::run_job;
pub(crate) use run::{AttemptContext, AttemptEnd, abandon_output as abandon, attempt, complete, placed};
pub(crate) use saved_preview::saved_preview;
pub(crate) use switch_states::SwitchStates;
