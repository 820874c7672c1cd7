//! Whether a model fits the memory of this machine with its own defaults, before anything is entered.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::memory_sample::MemorySample;
use super::planner::Planner;
use super::preflight::{PreparedJob, compute_plan, repacked_model, report};
use super::request::PlanRequest;
use super::run_limits::RunLimits;
use super::{DraftChanges, SeedChoice};
use crate::core::{Bytes, Draft, GenRequest, Mode, Result, Severity, Subject};
use crate::jobs::JobSpec;
use crate::models::{self, Installed, RoleHints};
use crate::preflight::PreflightReport;
use crate::store::Settings;

/// Whether the free memory is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryFit {
    /// It is.
    Fits,
    /// It may be, with less speed or other programs closed.
    Tight,
    /// It is not.
    TooLarge,
}

/// The memory that a model takes with its own defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFit {
    /// The model's id.
    pub model: String,
    /// Whether the free memory is enough.
    pub fit: MemoryFit,
    /// Peak memory; none if it cannot be estimated.
    pub needed: Option<Bytes>,
}

impl Planner {
    /// How well each usable model fits this machine. Reads headers and measures memory, so call it where waiting is
    /// allowed.
    pub fn model_fits(&self) -> Vec<ModelFit> {
        let usable = self.catalog().models.iter().filter(|model| model.limits.is_ok());
        usable.filter_map(|model| self.model_fit(model).ok()).collect()
    }

    fn model_fit(&self, model: &Installed) -> Result<ModelFit> {
        self.model_preflight(model).map(|(fit, _)| fit)
    }

    /// Preflight of a job with the model's own defaults.
    pub(super) fn model_preflight(&self, model: &Installed) -> Result<(ModelFit, PreflightReport)> {
        let changes = DraftChanges {
            model: Some(model.id.clone()),
            prompt: Some("a".to_owned()),
            seed: Some(SeedChoice::Fixed(0)),
            ..DraftChanges::default()
        };
        let draft = self.draft(&PlanRequest { changes, ..PlanRequest::default() })?.draft;
        // only the mode counts here: the image is not opened
        let start_image = (self.mode(&draft) == Some(Mode::I2V)).then(|| PathBuf::from("any"));
        let draft = Draft { start_image, ..draft };
        let preflight = preflight_of(&model.path, draft, &self.folders().data)?;
        let peak = preflight.memory.iter().chain(&preflight.device).map(|stage| stage.peak).max();
        let needed = peak.filter(|peak| *peak > Bytes(0));
        Ok((ModelFit { model: model.id.clone(), fit: fit_of(&preflight), needed }, preflight))
    }
}

fn preflight_of(model: &Path, draft: Draft, data_dir: &Path) -> Result<PreflightReport> {
    let checkpoint = models::open_with(model, RoleHints::remembered(data_dir))?;
    let request = GenRequest::parse(&draft, &checkpoint.limits())?;
    let compute = compute_plan(&checkpoint, &request, data_dir)?;
    let limits = RunLimits::from(&Settings::load(data_dir).0);
    let memory = MemorySample::now(&compute, true, limits);
    let spec = JobSpec::new(draft, model.to_path_buf(), data_dir.join("outputs/any.mp4"));
    let model = &repacked_model(&checkpoint, &compute, data_dir)?;
    let job = PreparedJob { spec: &spec, request: &request, model, compute: &compute, memory, limits };
    report(job, data_dir).map(|(found, _)| found)
}

fn fit_of(found: &PreflightReport) -> MemoryFit {
    let of_memory = found.findings.iter().filter(|finding| finding.subject == Subject::Memory);
    match of_memory.map(|finding| finding.severity).max() {
        Some(Severity::Blocker) => MemoryFit::TooLarge,
        Some(Severity::Warning) => MemoryFit::Tight,
        _ => MemoryFit::Fits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Catalog, Folders, Profiles};

    #[test]
    fn the_toys_fit_every_machine_in_every_mode() {
        let dir = tempfile::tempdir().unwrap();
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let folders = Folders { data: dir.path().to_path_buf(), models: Some(models) };
        let catalog = Catalog::new(folders.scan(), Profiles::shipped().unwrap()).unwrap();
        let fits = Planner::new(folders, Settings::default(), catalog).model_fits();
        for id in ["toy-t2v-A14B", "toy-i2v-A14B", "toy-ti2v-5B"] {
            let found = fits.iter().find(|fit| fit.model == id).unwrap();
            assert_eq!(found.fit, MemoryFit::Fits, "{found:?}");
            assert!(found.needed.is_some(), "{found:?}");
        }
    }
}
