//! `wandeck generate --dry-run`: the planned job, its estimated cost and findings.

use super::report::{note, out, print_document};
use super::{ExitCode, Places};
use crate::core::{Finding, Result, Severity, Stage, counted};
use crate::plan::{PlannedJob, PreflightDocument, PreflightResult, examine};

pub(super) fn run(planned: &PlannedJob, places: &Places, as_json: bool) -> Result<ExitCode> {
    let examined = examine(&planned.spec, &places.data_dir, false)?;
    let reasons = planned.chosen_by.reasons();
    if as_json {
        print_document(PreflightDocument::new(&examined, &planned.spec, &reasons));
    } else {
        print(&examined, &reasons);
    }
    Ok(if examined.preflight.can_run() { ExitCode::Done } else { ExitCode::Invalid })
}

fn print(examined: &PreflightResult, reasons: &[String]) {
    let PreflightResult { request, model, preflight, .. } = examined;
    out(&format!("{} with {model}: {}", request.mode, reasons.join("; ")));
    let (frames, steps) = (counted(request.frames.0, "frame"), counted(request.steps.0, "step"));
    out(&format!("{frames}, {}, {steps}", request.size));
    let has_two_experts = preflight.memory.iter().any(|stage| stage.stage == Stage::DenoiseLow);
    for stage in &preflight.memory {
        let time = preflight.time.as_ref().and_then(|time| {
            let (_, seconds) = time.stages.iter().find(|(name, _)| *name == stage.stage)?;
            Some(format!(", about {seconds}"))
        });
        let name = stage.stage.name(has_two_experts);
        out(&format!("  {name}: {} of memory{}", stage.peak, time.unwrap_or_default()));
    }
    for stage in &preflight.device {
        let name = stage.stage.name(has_two_experts);
        out(&format!("  {name}: {} of GPU memory (estimate)", stage.peak));
    }
    preflight.findings.iter().for_each(print_finding);
    if preflight.can_run() {
        note("It can run");
    } else {
        note("It cannot run");
    }
}

fn print_finding(finding: &Finding) {
    let word = match finding.severity {
        Severity::Note => "Note",
        Severity::Warning => "Warning",
        Severity::Blocker => "Blocker",
    };
    out(&format!("{word}: {}", finding.message));
    for change in finding.suggestions() {
        out(&format!("  Suggested fix: {change}"));
    }
}
