//! `wandeck generate --dry-run`: the planned job, its estimated cost and findings.

use serde_json::json;

use super::report::{counted, note, out};
use super::{ExitCode, Places};
use crate::core::{Bytes, Finding, Result, Severity};
use crate::jobs::JobSpec;
use crate::plan::{PlannedJob, PreflightResult, examine};

const MIB: f64 = 1_048_576.0;

pub(super) fn run(planned: &PlannedJob, places: &Places, as_json: bool) -> Result<ExitCode> {
    let examined = examine(&planned.spec, &places.data_dir, false)?;
    let reasons = planned.chosen_by.reasons();
    if as_json {
        out(&document(&examined, &planned.spec, &reasons).to_string());
    } else {
        print(&examined, &reasons);
    }
    Ok(if examined.preflight.can_run() { ExitCode::Done } else { ExitCode::Invalid })
}

fn document(examined: &PreflightResult, work: &JobSpec, reasons: &[String]) -> serde_json::Value {
    let PreflightResult { request, model, preflight, .. } = examined;
    let mib = |bytes: Bytes| bytes.0 as f64 / MIB;
    let memory = preflight.memory.iter().map(|stage| {
        json!({"stage": stage.stage, "peak_mb": mib(stage.peak), "droppable_mb": mib(stage.droppable)})
    });
    let findings = preflight.findings.iter().map(|finding| {
        let suggested: Vec<_> = finding.fixes.iter().map(ToString::to_string).collect();
        let mut value = json!(finding);
        value["suggested_fixes"] = json!(suggested);
        value
    });
    json!({
        "status": if preflight.can_run() { "can_run" } else { "blocked" },
        "mode": request.mode,
        "model": model,
        "reasons": reasons,
        "output": work.output,
        "request": request,
        "findings": findings.collect::<Vec<_>>(),
        "memory": memory.collect::<Vec<_>>(),
        "device": preflight.device.iter().map(|stage| json!({"stage": stage.stage, "peak_mb": mib(stage.peak)})).collect::<Vec<_>>(),
        "estimated_peak_mb": mib(preflight.peak()),
        "time": preflight.time,
    })
}

fn print(examined: &PreflightResult, reasons: &[String]) {
    let PreflightResult { request, model, preflight, .. } = examined;
    out(&format!("{} with {model}: {}", request.mode, reasons.join("; ")));
    let (frames, steps) = (counted(request.frames.0, "frame"), counted(request.steps.0, "step"));
    out(&format!("{frames}, {}, {steps}", request.size));
    for stage in &preflight.memory {
        let time = preflight.time.as_ref().and_then(|time| {
            let (_, seconds) = time.stages.iter().find(|(name, _)| *name == stage.stage)?;
            Some(format!(", about {seconds}"))
        });
        out(&format!("  {}: {} of memory{}", stage.stage, stage.peak, time.unwrap_or_default()));
    }
    for stage in &preflight.device {
        out(&format!("  {}: {} of GPU memory (estimate)", stage.stage, stage.peak));
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
    for change in &finding.fixes {
        out(&format!("  Suggested fix: {change}"));
    }
}
