//! What is known before a run: the input of [`check`](super::check).

use std::path::PathBuf;

use super::device::DeviceFacts;
use super::history::MeasuredRun;
use super::size::ModelSize;
use crate::core::{Bytes, GenRequest, Provider, Quantisation, Secs};

/// Disk space in one folder that a run writes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// What is written there, as it reads in a sentence: "the video".
    pub content: &'static str,
    /// The folder.
    pub path: PathBuf,
    /// Free space; `None` if the system does not report it.
    pub free: Option<Bytes>,
    /// Space that the run will take.
    pub needed: Bytes,
}

impl DiskSpace {
    /// Content of the folder that the video goes to.
    pub const VIDEO: &'static str = "the video";
}

/// How long earlier runs with the same settings took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeasuredTime {
    /// Seconds that the run is expected to take.
    pub seconds: Secs,
    /// Number of runs that the expectation is based on.
    pub num_runs: usize,
}

/// Everything that is known about a run before it starts.
#[derive(Clone, Copy, Debug)]
pub struct PreflightFacts<'a> {
    /// The request.
    pub request: &'a GenRequest,
    /// Sizes of the model's components.
    pub model: &'a ModelSize,
    /// Steps of the high-noise and of the low-noise expert.
    pub steps: [u32; 2],
    /// Memory of the LoRAs, as fp32, on the high-noise and on the low-noise expert.
    pub loras: [Bytes; 2],
    /// Main memory that can be used without swapping, with what the loaded sessions of earlier jobs hold; `None` if the
    /// system does not report it.
    pub free_memory: Option<Bytes>,
    /// Whether the run's sessions may stay loaded for the next job.
    pub keeps_sessions: bool,
    /// The folders that the run writes to.
    pub disk_space: &'a [DiskSpace],
    /// The GPU that computes; `None` on the CPU, or if the driver does not answer.
    pub device: Option<DeviceFacts>,
    /// A second GPU that computes the predictions for the negative prompt, if there is one and its driver answers.
    pub second_device: Option<DeviceFacts>,
    /// The time that the run may take; `None` without a limit.
    pub time_limit: Option<Secs>,
    /// Cores of the CPU.
    pub cores: usize,
    /// Whether the CPU has instructions for products of 8-bit integers.
    pub has_fast_int8: bool,
    /// The execution provider that will run the graphs.
    pub provider: Provider,
    /// Quantised copies of the model on this machine by name, the more exact first.
    pub variants: &'a [(Quantisation, String)],
    /// Whether a quantised copy is suggested if there is none.
    pub suggests_quantised: bool,
    /// Earlier runs on this machine.
    pub history: &'a [MeasuredRun],
    /// How long earlier runs of the same model with the same size, frame count, precision and provider took.
    pub similar_runs: Option<MeasuredTime>,
}
