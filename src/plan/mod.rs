//! From what the user asks for to a finished job: defaults, mode and model with their reasons, limits, the output's name,
//! and what preflight says.
//!
//! Command line and window both plan here, so the same input gives the same job. [`Planner`] decides over a snapshot of
//! the installed models and never scans folders itself.

mod brought_presets;
mod catalog;
mod changes;
mod distilled;
mod document;
mod draft_field;
mod fitting_loras;
#[cfg(test)]
mod fixture;
mod inputs;
mod lora_experts;
mod lora_list;
mod lora_profile;
mod memory_sample;
mod model_fit;
mod model_report;
mod one_expert;
mod output_name;
mod planner;
mod preflight;
mod preset_loras;
mod profile;
mod profiles;
mod ran_with;
mod removal;
mod request;
mod route;
mod run_limits;
mod shortage;
#[cfg(test)]
mod tests;
mod token_count;
mod toy;

pub use brought_presets::{brought_presets, find_preset};
pub use catalog::{Catalog, Folders};
pub use changes::{DeviceChange, DraftChanges, GuidanceChoice, SeedChoice, StepCacheChoice};
pub use document::{FindingDocument, PreflightDocument, PreflightVerdict, StageMemoryDocument};
pub use draft_field::{Difference, DraftField, differences, precision, provider, weights};
pub use fitting_loras::{FittingLora, fitting_loras};
pub(crate) use inputs::{ResolvedInputs, resolve_inputs};
pub use lora_list::{ListedLora, ListedLoraFile, LoraListDocument, installed_loras};
pub use lora_profile::apply_profile;
pub(crate) use memory_sample::{MemorySample, drop_sessions_if_short};
pub use model_fit::{MemoryFit, ModelFit};
pub use model_report::ModelReport;
pub use output_name::output_name;
pub use planner::Planner;
pub use preflight::{PreflightResult, examine};
pub(crate) use preflight::{PreparedJob, report_preflight};
pub use preset_loras::all_presets;
pub use profile::{ParameterRange, Profile, SizeClass};
pub use profiles::Profiles;
pub(crate) use ran_with::{RanWith, ran_with};
pub use removal::{check_removable, jobs_that_need};
pub use request::{Base, ChosenBy, Drafted, JobOptions, PlanRequest, PlannedJob};
pub use route::{Candidate, Route, RouteRequest, route};
pub use run_limits::RunLimits;
pub(crate) use shortage::{JobShortage, shortage};
pub use token_count::{MAX_TOKENS, TokenCounter};
