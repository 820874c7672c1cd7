//! Fetching models that the manifest lists: a plan first, then what is missing, then a record of what was checked.

mod adopt;
mod document;
mod fetcher;
mod fit;
mod import;
mod listing;
mod plan;
mod progress;
mod record;
mod resolve;

pub use document::{FetchPlanDocument, ManifestItemDocument};
pub use fetcher::Fetcher;
pub use fit::SizeFit;
pub use import::{ImportedModel, import_model};
pub use plan::{FetchPlan, PlannedFile, PlannedState};
pub use progress::{FetchProgress, ModelFetchEvent};
pub use record::{FetchRecord, RECORD_FILE, RecordedFile, has_changed};
pub(super) use record::{is_unfinished, modified, recorded_folder};
pub(super) use resolve::missing;
