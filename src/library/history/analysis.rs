//! Statistics over ended jobs: results, time per stage, bottleneck.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::core::{Category, Secs, Stage};
use crate::jobs::{EndStatus, HistoryEntry};
use crate::metrics::mean_of;

/// Number of jobs by result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Finished jobs.
    pub done: u64,
    /// Failed jobs.
    pub failed: u64,
    /// Cancelled jobs.
    pub cancelled: u64,
    /// Jobs whose settings were refused. Nothing failed, so they do not count against the success rate.
    pub invalid: u64,
    /// Failed jobs by error category.
    pub failures: BTreeMap<Category, u64>,
    /// Retries of all jobs.
    pub retries: u64,
    /// Jobs with at least one retry.
    pub retried: u64,
    /// Jobs with at least one retry that finished.
    pub recovered: u64,
}

impl Counts {
    pub(super) fn add(&mut self, status: EndStatus, category: Option<Category>, retries: u64, count: u64) {
        match status {
            EndStatus::Done => self.done += count,
            EndStatus::Failed if category == Some(Category::InputValidation) => self.invalid += count,
            EndStatus::Failed => {
                self.failed += count;
                *self.failures.entry(category.unwrap_or(Category::Bug)).or_default() += count;
            }
            EndStatus::Cancelled => self.cancelled += count,
        }
        if retries > 0 {
            self.retries += retries * count;
            self.retried += count;
            self.recovered += if status == EndStatus::Done { count } else { 0 };
        }
    }

    /// Number of all jobs.
    pub fn all(&self) -> u64 {
        self.done + self.failed + self.cancelled + self.invalid
    }

    /// Finished jobs as a fraction of finished and failed ones; `None` if there are none. Cancelled jobs do not
    /// count.
    pub fn success_rate(&self) -> Option<f64> {
        let ended = self.done + self.failed;
        (ended > 0).then(|| self.done as f64 / ended as f64)
    }
}

/// What the time of a run is spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bottleneck {
    /// Denoising steps.
    Compute,
    /// Denoising steps that read their weights from disk, because there was not enough memory.
    Memory,
    /// Transfer of weights to a device that waits for them.
    Transfer,
    /// Loading of networks, including the text encoder's single pass.
    Loading,
    /// Encoding and decoding with the VAE.
    Decode,
    /// Encoding, writing and checking the video file.
    Cpu,
}

impl Bottleneck {
    /// Its name as part of a sentence.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Compute => "denoising steps",
            Self::Memory => "denoising steps over weights that were read in place, because memory was short",
            Self::Transfer => "moving weights to the device",
            Self::Loading => "loading the networks and encoding text",
            Self::Decode => "the VAE",
            Self::Cpu => "writing and checking the files",
        }
    }

    /// One sentence on how to reduce it.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::Compute => {
                "Fewer steps, a smaller size, a guidance scale of 1 with a distilled LoRA, or a model converted to \
                 int8 make them cheaper"
            }
            Self::Memory => {
                "A model converted to int8 needs a quarter of the memory of fp32; so does ending other programs"
            }
            Self::Transfer => {
                "A model converted to int8 moves a quarter of what fp32 moves, or fits into the device"
            }
            Self::Loading => {
                "Several jobs with the same prompt in one queue keep the text; a model converted to int8 loads less; \
                 a faster disk helps"
            }
            Self::Decode => {
                "Fewer frames or a smaller size, or larger VAE tiles where tiles are used, make it cheaper"
            }
            Self::Cpu => {
                "A smaller size or fewer frames make it cheaper; PNG frames are written faster than GIF"
            }
        }
    }
}

/// The time spent on one stage or bottleneck.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StageShare<T> {
    /// The stage or bottleneck.
    pub of: T,
    /// Total time over all jobs.
    pub seconds: Secs,
    /// Fraction of the total time, from 0 to 1.
    pub part: f64,
}

/// Step times of one model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelSteps {
    /// The model's id.
    pub model: String,
    /// Number of finished videos.
    pub num_runs: usize,
    /// Number of their steps.
    pub num_steps: usize,
    /// Mean duration of a step over all sizes.
    pub mean_step_s: Secs,
}

/// Statistics over ended jobs. Times are those of finished jobs only.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Analysis {
    /// Number of jobs by result.
    pub counts: Counts,
    /// Step times by model, sorted by name.
    pub models: Vec<ModelSteps>,
    /// Time per stage, in the order of the stages.
    pub stages: Vec<StageShare<Stage>>,
    /// Time per bottleneck, largest first.
    pub bottlenecks: Vec<StageShare<Bottleneck>>,
    /// Mean relative error of the time estimates.
    pub mean_time_error: Option<f64>,
    /// Mean relative error of the memory estimates.
    pub mean_memory_error: Option<f64>,
}

impl Analysis {
    /// Computes the statistics of `tasks`.
    pub fn of(tasks: &[HistoryEntry]) -> Self {
        let mut counts = Counts::default();
        let mut models = BTreeMap::<&str, (usize, Vec<f64>)>::new();
        let mut stages = BTreeMap::<Stage, f64>::new();
        let mut bottlenecks = BTreeMap::<Bottleneck, f64>::new();
        for task in tasks {
            let category = task.error.as_ref().map(|error| error.category);
            counts.add(task.status, category, u64::from(task.retries), 1);
            if task.status != EndStatus::Done {
                continue;
            }
            let (runs, steps) = models.entry(&task.model).or_default();
            *runs += 1;
            steps.extend(task.steps.iter().map(|step| step.0));
            for stage in &task.stages {
                *stages.entry(stage.name).or_default() += stage.seconds.0;
            }
            for (bottleneck, seconds) in spent(task) {
                *bottlenecks.entry(bottleneck).or_default() += seconds;
            }
        }
        let models = models.into_iter().map(|(model, (num_runs, steps))| ModelSteps {
            model: model.to_owned(),
            num_runs,
            num_steps: steps.len(),
            mean_step_s: Secs(mean_of(&steps).unwrap_or_default()),
        });
        let mut bottlenecks = shares(bottlenecks);
        bottlenecks.sort_by(|a, b| b.part.total_cmp(&a.part));
        let distances = |error: fn(&HistoryEntry) -> Option<f64>| {
            mean_of(&tasks.iter().filter_map(error).map(f64::abs).collect::<Vec<_>>())
        };
        Self {
            counts,
            models: models.collect(),
            stages: shares(stages),
            bottlenecks,
            mean_time_error: distances(HistoryEntry::time_error),
            mean_memory_error: distances(HistoryEntry::memory_error),
        }
    }

    /// The largest bottleneck and how to reduce it, in two sentences; `None` if nothing was measured.
    pub fn sentence(&self) -> Option<String> {
        let most = self.bottlenecks.first()?;
        let all: f64 = self.stages.iter().map(|share| share.seconds.0).sum();
        Some(format!(
            "{:.0} % of {} went into {}. {}",
            most.part * 100.0,
            Secs(all),
            most.of.words(),
            most.of.advice()
        ))
    }
}

/// Time of a job by bottleneck.
fn spent(task: &HistoryEntry) -> BTreeMap<Bottleneck, f64> {
    let mut spent = BTreeMap::<Bottleneck, f64>::new();
    let steps: f64 = task.steps.iter().map(|step| step.0).sum();
    let mut denoise = 0.0;
    for stage in &task.stages {
        let of = match stage.name {
            Stage::DenoiseHigh | Stage::DenoiseLow => {
                denoise += stage.seconds.0;
                continue;
            }
            Stage::Preflight | Stage::Prepare | Stage::Text => Bottleneck::Loading,
            Stage::Image | Stage::Decode => Bottleneck::Decode,
            Stage::PostProcess => Bottleneck::Cpu,
        };
        *spent.entry(of).or_default() += stage.seconds.0;
    }
    let in_place = task.optimizations.iter().any(|line| line.contains("in place"));
    let compute = if in_place { Bottleneck::Memory } else { Bottleneck::Compute };
    *spent.entry(compute).or_default() += steps;
    // a denoise stage consists of loading its network and its steps
    *spent.entry(Bottleneck::Loading).or_default() += (denoise - steps).max(0.0);
    spent
}

fn shares<T: Copy>(seconds: BTreeMap<T, f64>) -> Vec<StageShare<T>> {
    let all: f64 = seconds.values().sum();
    let share = |(of, seconds): (T, f64)| StageShare {
        of,
        seconds: Secs(seconds),
        part: if all > 0.0 { seconds / all } else { 0.0 },
    };
    seconds.into_iter().map(share).filter(|share| share.seconds.0 > 0.0).collect()
}

impl fmt::Display for Counts {
    /// For instance "12 done, 1 failed, 2 cancelled".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} done, {} failed, {} cancelled", self.done, self.failed, self.cancelled)?;
        if self.invalid > 0 {
            write!(f, ", {} with invalid settings", self.invalid)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Error, Kind, StageTime};
    use crate::jobs::FailureRecord;
    use crate::library::history::fixture;

    fn timed(stages: &[(Stage, f64)], steps: &[f64]) -> HistoryEntry {
        HistoryEntry {
            stages: stages
                .iter()
                .map(|&(name, seconds)| StageTime { name, seconds: Secs(seconds) })
                .collect(),
            steps: steps.iter().map(|&step| Secs(step)).collect(),
            ..fixture::task("a", 0)
        }
    }

    #[test]
    fn time_is_split_into_what_it_was_spent_on() {
        let run = timed(
            &[(Stage::Text, 2.0), (Stage::DenoiseHigh, 9.0), (Stage::DenoiseLow, 6.0), (Stage::Decode, 3.0)],
            &[4.0, 4.0, 4.0],
        );
        let analysis = Analysis::of(&[run]);
        let found: Vec<_> = analysis.bottlenecks.iter().map(|share| (share.of, share.seconds.0)).collect();
        assert_eq!(
            found,
            [(Bottleneck::Compute, 12.0), (Bottleneck::Loading, 5.0), (Bottleneck::Decode, 3.0)]
        );
        assert!(analysis.sentence().unwrap().starts_with("60 % of 20 s went into denoising steps. Fewer"));
        assert_eq!(analysis.models[0].mean_step_s, Secs(4.0));
        assert_eq!(analysis.stages.len(), 4);
    }

    #[test]
    fn weights_in_place_are_a_matter_of_memory() {
        let mut run = timed(&[(Stage::DenoiseHigh, 9.0)], &[9.0]);
        run.optimizations = vec!["the transformer's weights are read in place".into()];
        assert_eq!(Analysis::of(&[run]).bottlenecks[0].of, Bottleneck::Memory);
    }

    #[test]
    fn ends_are_counted() {
        let failed = |kind| HistoryEntry {
            status: EndStatus::Failed,
            error: Some(FailureRecord::from(&Error::new(kind, "x"))),
            retries: 2,
            ..fixture::task("a", 0)
        };
        let recovered = HistoryEntry { retries: 1, ..fixture::task("b", 0) };
        let stopped = HistoryEntry { status: EndStatus::Cancelled, ..fixture::task("c", 0) };
        let invalid = HistoryEntry { retries: 0, ..failed(Kind::Input) };
        let tasks = [failed(Kind::Io), failed(Kind::OutOfMemory), recovered, stopped, invalid];
        let counts = Analysis::of(&tasks).counts;
        assert_eq!((counts.done, counts.failed, counts.cancelled, counts.invalid), (1, 2, 1, 1));
        assert_eq!(counts.to_string(), "1 done, 2 failed, 1 cancelled, 1 with invalid settings");
        assert_eq!((counts.retries, counts.retried, counts.recovered), (5, 3, 1));
        assert_eq!(counts.failures, [(Category::VramMemory, 1), (Category::FileSystem, 1)].into());
        assert_eq!(counts.success_rate(), Some(1.0 / 3.0));
        assert_eq!(Analysis::of(&[]).sentence(), None);
    }
}
