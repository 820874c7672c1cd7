//! How long the jobs of the queue will take, worked out from the history on a thread of its own.

use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use super::task::TaskThread;
use crate::app::panels::queue::JobTimes;
use crate::core::{Draft, Result, Waker};
use crate::jobs::{HistoryEntry, Job};
use crate::library::{History, HistoryEstimate, expected};

/// Earlier runs of a model that an estimate is made from.
const MAX_RUNS: usize = 20;

/// The latest estimates, and the thread that makes them.
pub(in crate::app) struct Forecast {
    data_dir: PathBuf,
    thread: TaskThread<Result<JobTimes>>,
    /// The queue that was asked about last.
    asked: Arc<[Job]>,
    is_busy: bool,
    times: Arc<JobTimes>,
}

impl Forecast {
    /// Starts the thread. `waker` is called after each answer.
    pub(in crate::app) fn start(data_dir: PathBuf, waker: Waker) -> Result<Self> {
        let thread = TaskThread::start("forecast", waker)?;
        Ok(Self { data_dir, thread, asked: Arc::default(), is_busy: false, times: Arc::default() })
    }

    /// Takes in an answer, and asks about a queue that has changed.
    pub(in crate::app) fn update(&mut self, jobs: &Arc<[Job]>) {
        if let Some(answer) = self.thread.poll() {
            self.is_busy = false;
            match answer.and_then(|times| times) {
                Ok(times) => self.times = Arc::new(times),
                // the queue works without estimates
                Err(error) => tracing::warn!("The times of queued jobs are unknown: {error:#}"),
            }
        }
        if self.is_busy || Arc::ptr_eq(&self.asked, jobs) {
            return;
        }
        self.asked = Arc::clone(jobs);
        let (jobs, data_dir) = (Arc::clone(jobs), self.data_dir.clone());
        self.is_busy = self.thread.submit(move || estimate(&data_dir, &jobs));
    }

    /// The estimates.
    pub(in crate::app) fn times(&self) -> &Arc<JobTimes> {
        &self.times
    }
}

/// An estimate for each job that has not ended and whose model has run before.
fn estimate(data_dir: &Path, jobs: &[Job]) -> Result<JobTimes> {
    let open: Vec<_> = jobs.iter().filter(|job| job.ended().is_none()).collect();
    if open.is_empty() || !History::path_in(data_dir).exists() {
        return Ok(JobTimes::default());
    }
    let (history, _) = History::open(data_dir)?;
    let mut runs: HashMap<String, Vec<HistoryEntry>> = HashMap::new();
    // many jobs of a queue differ in nothing that takes time
    let mut known: Vec<(&Draft, &Path, Option<HistoryEstimate>)> = Vec::new();
    let mut times = JobTimes::default();
    for job in open {
        let (draft, folder) = (&job.spec.draft, job.spec.model.as_path());
        let same = known.iter().find(|(other, model, _)| *model == folder && takes_as_long(other, draft));
        let estimate = if let Some((_, _, estimate)) = same {
            *estimate
        } else {
            let model = job.spec.model_name();
            if !runs.contains_key(&model) {
                let found = history.runs_of_model(&model, MAX_RUNS)?;
                runs.insert(model.clone(), found);
            }
            let estimate = runs.get(&model).and_then(|runs| expected(draft, runs));
            known.push((draft, folder, estimate));
            estimate
        };
        if let Some(estimate) = estimate {
            times.insert(job.id, estimate);
        }
    }
    Ok(times)
}

/// Whether two drafts of a model take the same time.
fn takes_as_long(a: &Draft, b: &Draft) -> bool {
    let cost = |draft: &Draft| (draft.size, draft.frames, draft.steps);
    let guidance = |draft: &Draft| (draft.guidance, draft.guidance_low);
    cost(a) == cost(b) && guidance(a) == guidance(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::draft;
    use crate::core::{Secs, Stage, StageTime};
    use crate::jobs::{EndStatus, JobId, JobSpec};

    #[test]
    fn a_model_whose_folder_has_another_name_is_estimated() {
        let dir = tempfile::tempdir().unwrap();
        let draft = Draft { model: "Wan-AI/Wan2.2-TI2V-5B-Diffusers".to_owned(), ..draft() };
        let (history, _) = History::open(dir.path()).unwrap();
        let seconds = Secs(2.0);
        let run = HistoryEntry {
            id: "1".to_owned(),
            status: EndStatus::Done,
            model: draft.model.clone(),
            request: serde_json::to_value(&draft).unwrap(),
            generation_time_s: Some(seconds),
            stages: vec![StageTime { name: Stage::DenoiseHigh, seconds }],
            steps: vec![Secs(0.0); draft.steps as usize],
            ..HistoryEntry::default()
        };
        history.record(&run).unwrap();
        let folder = "hub/models--Wan-AI--Wan2.2-TI2V-5B-Diffusers/snapshots/0f1e2d";
        let job = Job::new(JobId(1), "u".to_owned(), JobSpec::new(draft, folder.into(), "o.mp4".into()));
        let times = estimate(dir.path(), std::slice::from_ref(&job)).unwrap();
        let mut expected = JobTimes::default();
        expected.insert(job.id, HistoryEstimate { seconds, num_runs: 1 });
        assert_eq!(times, expected);
    }
}
