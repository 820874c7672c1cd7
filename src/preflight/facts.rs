//! What the look before a run is told, and what it says.

use std::path::PathBuf;

use serde::Serialize;

use super::card::Card;
use super::measured::MeasuredRun;
use super::size::ModelSize;
use crate::core::{Bytes, Finding, GenRequest, Quantisation, Secs, Severity, Stage};

/// Room in one place that is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// What is written there, for instance "the video".
    pub what: &'static str,
    /// Where.
    pub path: PathBuf,
    /// What can still be written, if the system tells.
    pub free: Option<Bytes>,
    /// What will be.
    pub needed: Bytes,
}

/// What is known before a run.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What is asked.
    pub request: &'a GenRequest,
    /// How large the model is.
    pub model: &'a ModelSize,
    /// Steps of the high-noise and of the low-noise expert.
    pub steps: [u32; 2],
    /// What the LoRAs take in memory, on the high-noise and on the low-noise expert.
    pub loras: [Bytes; 2],
    /// Memory that can be used now without pushing out anybody's, if the system tells.
    pub free_memory: Option<Bytes>,
    /// Places that are written to.
    pub rooms: &'a [DiskSpace],
    /// The card that computes, if it is not the processor.
    pub card: Option<Card>,
    /// Cores of the processor.
    pub cores: usize,
    /// The execution provider that will run the graphs.
    pub provider: &'a str,
    /// Variants of the same model on this machine whose matrices are integers, the more exact first.
    pub variants: &'a [(Quantisation, String)],
    /// Earlier runs on this machine.
    pub history: &'a [MeasuredRun],
    /// How long this takes by the runs that were made in the same way at the same size, and how many they are.
    pub like_runs: Option<(Secs, usize)>,
}

/// Memory of one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StageMemory {
    /// Which.
    pub stage: Stage,
    /// The largest resident memory of the process during it.
    pub peak: Bytes,
    /// The part of it that are pages of files, which the system can drop.
    pub droppable: Bytes,
}

/// How long a run will take.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimeEstimate {
    /// In all.
    pub seconds: Secs,
    /// Of each stage.
    pub stages: Vec<(Stage, Secs)>,
    /// How many earlier runs it rests on.
    pub runs: usize,
    /// Whether one of them was of the same model on the same provider.
    pub like: bool,
}

/// What the look before a run says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Preflight {
    /// Blockers first, then warnings, then notes.
    pub findings: Vec<Finding>,
    /// Memory of each stage.
    pub memory: Vec<StageMemory>,
    /// Memory of each stage on the card, if one computes: by formula, with a margin.
    pub card: Vec<StageMemory>,
    /// Time, if anything was ever measured on this machine.
    pub time: Option<TimeEstimate>,
}

impl Preflight {
    /// What cannot work.
    pub fn blockers(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Blocker)
    }

    /// Whether it can run.
    pub fn can_run(&self) -> bool {
        self.blockers().next().is_none()
    }

    /// The largest memory over all stages.
    pub fn peak(&self) -> Bytes {
        self.memory.iter().map(|stage| stage.peak).max().unwrap_or_default()
    }

    /// Adds what was found elsewhere, in order.
    pub fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    }
}
