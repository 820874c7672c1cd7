//! Finished work: the history of ended jobs, and the record that each file carries of how it was made.

mod bin;
mod bundle;
mod document;
mod export;
mod gallery;
mod history;
mod performance;
mod provenance;
mod rebuild;
mod reproduction;
mod request_record;

pub use bin::{move_to_bin, restore_from_bin};
pub use bundle::{DiagnosticsBundle, diagnostics_bundle};
pub use document::{AnalysisDocument, OutcomeDocument};
pub use export::export;
pub(crate) use gallery::MAX_RATING;
pub use gallery::{GalleryFilter, GalleryItem, GalleryOrder, Ratings, Thumbnails, load_gallery};
pub use history::{
    Analysis, Bottleneck, Counts, History, HistoryEstimate, ModelSteps, SimilarRuns, StageShare, expected,
};
pub use performance::{Diagnosis, MachinePeak, PerformanceStore, Recommendation, RecordedJob, Remedy};
pub(crate) use provenance::Provenance;
pub use provenance::SavedRequest;
pub use rebuild::{Rebuilt, rebuild};
pub use reproduction::Reproduction;
pub(crate) use request_record::{LoraFileRecord, RequestRecord};
