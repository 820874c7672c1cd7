//! The jobs that stand in the way of removing a model.

use crate::core::{Error, Kind, Result};
use crate::jobs::{Job, JobId};
use crate::models::{Installed, Removal};

/// The jobs that have not ended and need the model: by its name, by its path, or by a file that would go.
pub fn jobs_that_need<'a>(
    model: &Installed,
    removal: &Removal,
    jobs: impl IntoIterator<Item = &'a Job>,
) -> Vec<JobId> {
    let goes = |file: &std::path::Path| {
        let real = file.canonicalize();
        removal
            .paths
            .iter()
            .any(|path| file.starts_with(path) || real.as_ref().is_ok_and(|real| real == path))
    };
    let needs = |job: &&Job| {
        let spec = &job.spec;
        job.ended().is_none()
            && (model.is_called(&spec.draft.model)
                || spec.model == model.path
                || spec.draft.components.iter().any(|(_, file)| goes(file))
                || spec.fallbacks.iter().any(|fallback| fallback.folder == model.path))
    };
    jobs.into_iter().filter(needs).map(|job| job.id).collect()
}

/// Fails with [`Kind::Input`], naming the jobs, if any job needs the model `id`.
pub fn check_removable(id: &str, jobs: &[JobId]) -> Result<()> {
    let numbers: Vec<_> = jobs.iter().map(ToString::to_string).collect();
    let (who, them) = match numbers.split_last() {
        None => return Ok(()),
        Some((only, [])) => (format!("Job {only} needs"), "that job"),
        Some((last, others)) => (format!("Jobs {} and {last} need", others.join(", ")), "those jobs"),
    };
    let remedy = format!("Cancel {them}, or wait for the end");
    Err(Error::new(Kind::Input, format!("{who} the model {id}")).field("model").remedy(remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jobs_are_named() {
        let said = |jobs: &[u64]| {
            let jobs: Vec<_> = jobs.iter().map(|&job| JobId(job)).collect();
            check_removable("t2v-A14B", &jobs).map_err(|error| error.message)
        };
        assert_eq!(said(&[]), Ok(()));
        assert_eq!(said(&[3]), Err("Job 3 needs the model t2v-A14B".to_owned()));
        assert_eq!(said(&[3, 5, 8]), Err("Jobs 3, 5 and 8 need the model t2v-A14B".to_owned()));
    }
}
