//! The document that `--dry-run --json` prints.

use std::path::Path;

use serde::Serialize;

use super::preflight::PreflightResult;
use crate::core::{Bytes, Finding, GenRequest, Mode, Stage};
use crate::jobs::JobSpec;
use crate::preflight::{StageMemory, TimeEstimate};

/// The planned job, its estimated cost and findings.
#[derive(Clone, Debug, Serialize)]
pub struct PreflightDocument<'a> {
    /// Whether it can run.
    pub status: PreflightVerdict,
    /// Mode.
    pub mode: Mode,
    /// Model id.
    pub model: &'a str,
    /// Why this mode and model were chosen, a phrase each.
    pub reasons: &'a [String],
    /// Path of the video.
    pub output: &'a Path,
    /// The request as it would run.
    pub request: &'a GenRequest,
    /// What was found.
    pub findings: Vec<FindingDocument<'a>>,
    /// Memory of the process by stage.
    pub memory: Vec<StageMemoryDocument>,
    /// Memory of the GPU by stage.
    pub device: Vec<StageMemoryDocument>,
    /// Largest of these in MiB.
    pub estimated_peak_mb: f64,
    /// Estimated time, if this machine has run something like it.
    pub time: Option<&'a TimeEstimate>,
}

/// Whether a job can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PreflightVerdict {
    /// It can run.
    CanRun,
    /// A blocker stands in its way.
    Blocked,
}

/// A finding with its fixes in words.
#[derive(Clone, Debug, Serialize)]
pub struct FindingDocument<'a> {
    /// The finding.
    #[serde(flatten)]
    pub finding: &'a Finding,
    /// Its fixes in words, with their figures.
    pub suggested_fixes: Vec<String>,
}

/// Memory that one stage needs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct StageMemoryDocument {
    /// The stage.
    pub stage: Stage,
    /// Peak in MiB.
    pub peak_mb: f64,
    /// How much of it is file pages that the system can drop and read again, in MiB.
    pub droppable_mb: f64,
}

impl<'a> PreflightDocument<'a> {
    /// The document of a preflight of `spec`.
    pub fn new(result: &'a PreflightResult, spec: &'a JobSpec, reasons: &'a [String]) -> Self {
        let PreflightResult { request, model, preflight, .. } = result;
        let status = if preflight.can_run() { PreflightVerdict::CanRun } else { PreflightVerdict::Blocked };
        let finding =
            |finding: &'a Finding| FindingDocument { finding, suggested_fixes: finding.suggestions() };
        let stages = |stages: &[StageMemory]| stages.iter().map(StageMemoryDocument::new).collect();
        Self {
            status,
            mode: request.mode,
            model,
            reasons,
            output: &spec.output,
            request,
            findings: preflight.findings.iter().map(finding).collect(),
            memory: stages(&preflight.memory),
            device: stages(&preflight.device),
            estimated_peak_mb: mib(preflight.peak()),
            time: preflight.time.as_ref(),
        }
    }
}

impl StageMemoryDocument {
    pub(super) fn new(memory: &StageMemory) -> Self {
        let &StageMemory { stage, peak, droppable } = memory;
        Self { stage, peak_mb: mib(peak), droppable_mb: mib(droppable) }
    }
}

fn mib(bytes: Bytes) -> f64 {
    bytes.0 as f64 / f64::from(1 << 20)
}
