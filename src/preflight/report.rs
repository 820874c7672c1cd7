//! What preflight reports.

use serde::Serialize;

use crate::core::{Bytes, Finding, Secs, Severity, Stage, StageEstimate, StageForecast};

/// Estimated memory of one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StageMemory {
    /// The stage.
    pub stage: Stage,
    /// Peak resident memory of the process, or of its share of the GPU.
    pub peak: Bytes,
    /// How much of `peak` is file pages that the system can drop and read again.
    pub droppable: Bytes,
}

/// Estimated duration of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimeEstimate {
    /// Of the whole run.
    pub seconds: Secs,
    /// The shortest and the longest that it may be, if the earlier runs were far from this one.
    pub range: Option<(Secs, Secs)>,
    /// Of each stage.
    pub stages: Vec<(Stage, Secs)>,
    /// Shortest and longest duration of each expensive stage, at the speeds of those earlier runs.
    pub ranges: Vec<(Stage, [Secs; 2])>,
    /// Number of earlier runs that the estimate is based on.
    pub runs: usize,
    /// Whether these runs were of the same model on the same provider.
    pub same_model: bool,
}

/// What a run will cost, and what was found before it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PreflightReport {
    /// Blockers first, then warnings, then notes.
    pub findings: Vec<Finding>,
    /// Main memory of each stage; empty if a GPU computes.
    pub memory: Vec<StageMemory>,
    /// GPU memory of each stage, margin included; empty on the CPU.
    pub device: Vec<StageMemory>,
    /// Duration; `None` without an earlier run of the model on this machine.
    pub time: Option<TimeEstimate>,
    /// Multiplications and additions of each stage with an expensive graph.
    pub work: Vec<(Stage, f64)>,
    /// Duration of each stage; without such a run only their proportions mean something.
    pub durations: Vec<StageEstimate>,
}

impl PreflightReport {
    /// The findings that keep the run from succeeding.
    pub fn blockers(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Blocker)
    }

    /// Whether there is no blocker.
    pub fn can_run(&self) -> bool {
        self.blockers().next().is_none()
    }

    /// Peak main memory over all stages; 0 if a GPU computes.
    pub fn peak(&self) -> Bytes {
        self.memory.iter().map(|stage| stage.peak).max().unwrap_or_default()
    }

    /// What is expected of each stage, in the order they run.
    pub fn stage_forecasts(&self) -> Vec<StageForecast> {
        let memory = if self.memory.is_empty() { &self.device } else { &self.memory };
        let times = self.time.iter();
        let mut stages: Vec<_> = self.work.iter().map(|(stage, _)| *stage).collect();
        stages.extend(memory.iter().map(|memory| memory.stage));
        stages.extend(times.clone().flat_map(|time| &time.stages).map(|(stage, _)| *stage));
        stages.sort_unstable();
        stages.dedup();
        let forecast = |stage| StageForecast {
            stage,
            operations: found(&self.work, stage),
            seconds: times.clone().find_map(|time| found(&time.stages, stage)),
            seconds_range: times.clone().find_map(|time| found(&time.ranges, stage)),
            memory: memory.iter().find(|memory| memory.stage == stage).map(|memory| memory.peak),
        };
        stages.into_iter().map(forecast).collect()
    }

    /// Adds findings and keeps the most severe first; findings of one severity stay in order.
    pub fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    }
}

/// The value of `stage`.
fn found<T: Copy>(values: &[(Stage, T)], stage: Stage) -> Option<T> {
    values.iter().find(|(of, _)| *of == stage).map(|(_, value)| *value)
}
