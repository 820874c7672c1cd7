//! The rules that turn facts into findings.

use super::facts::{DiskSpace, PreflightFacts};
use super::report::{PreflightReport, TimeEstimate};
use super::{device, fixes, memory_plan, time};
use crate::core::{Bytes, Finding, Fix, Provider, Secs, Severity, Subject};

/// Runs that take longer than this get a warning.
const LONG: Secs = Secs(3600.0);
/// How much more free memory than the estimate a run should have, in percent of the estimate.
const MARGIN_PERCENT: u64 = 20;
/// Upper bound of multiplications and additions per second of one core, for machines without an earlier run.
const MAX_OPERATIONS_PER_CORE: f64 = 1e11;
/// Bytes that must stay free on a disk besides what the run writes.
const DISK_RESERVE: u64 = 16 << 20;

/// Estimates memory and time of a run and reports what blocks it or deserves a warning.
pub fn check(facts: &PreflightFacts<'_>) -> PreflightReport {
    // the formulas in `memory` hold for the CPU only
    let on_cpu = facts.provider == Provider::Cpu;
    let stages = memory_plan::stages(facts);
    let (memory, device) = if on_cpu { (stages, Vec::new()) } else { (Vec::new(), stages) };
    let time = time::estimate(facts);
    let work = time::work(facts.request, facts.model, facts.steps);
    let mut report = PreflightReport { findings: Vec::new(), memory, device, time, work };
    let findings: Vec<_> = memory_finding(facts)
        .filter(|_| on_cpu)
        .into_iter()
        .chain(facts.device.filter(|_| !on_cpu).and_then(|device| device::finding(facts, device)))
        .chain(facts.disk_space.iter().filter_map(disk_finding))
        .chain(time_finding(facts, report.time.as_ref()))
        .collect();
    report.add(findings);
    report
}

fn memory_finding(facts: &PreflightFacts<'_>) -> Option<Finding> {
    let free = facts.free_memory?;
    let (peak, undroppable) = fixes::peaks(facts);
    let with_margin = Bytes(peak.0 / 100 * (100 + MARGIN_PERCENT));
    let subject = Subject::Memory;
    let fixes = || fixes::less_memory(facts, free);
    let least = fixes::estimate_with(facts, &Fix::WeightsInPlace, fixes::peaks).1;
    let hint = conversion_hint(facts);
    if least > free {
        return Some(Finding {
            severity: Severity::Blocker,
            subject,
            message: format!("Not enough memory: {least} needed, {free} free{hint}"),
            fixes: fixes(),
        });
    }
    if peak > free {
        let message = if undroppable > free {
            format!(
                "May run out of memory: up to {peak} needed, {free} free; the system may end the program{hint}"
            )
        } else {
            format!(
                "The model does not fit in memory: {peak} needed, {free} free; the run will be slow because weights are read from disk in every step{hint}"
            )
        };
        return Some(Finding { severity: Severity::Warning, subject, message, fixes: fixes() });
    }
    (with_margin > free).then(|| Finding {
        severity: Severity::Note,
        subject,
        message: format!("Little memory to spare: up to {peak} needed, {free} free"),
        fixes: fixes(),
    })
}

/// How to convert the model to int8, if it is not quantised and the transformer is most of what is needed.
fn conversion_hint(facts: &PreflightFacts<'_>) -> String {
    let model = facts.model;
    let is_large =
        model.transformers.iter().any(|component| component.loaded.0 > fixes::peaks(facts).0.0 / 2);
    if !facts.suggests_quantised
        || model.quantisation.is_some()
        || model.exported.is_some()
        || !is_large
        || !facts.variants.is_empty()
    {
        return String::new();
    }
    format!(
        ". \"wandeck models convert {} --precision int8\" makes a copy with a quarter of the size",
        facts.request.model
    )
}

fn disk_finding(space: &DiskSpace) -> Option<Finding> {
    let free = space.free?;
    let needed = Bytes(space.needed.0 + DISK_RESERVE);
    (free < needed).then(|| Finding {
        severity: Severity::Blocker,
        subject: Subject::Disk,
        message: format!(
            "Not enough disk space for {}: {needed} needed, {free} free in {}",
            space.content,
            space.path.display()
        ),
        fixes: Vec::new(),
    })
}

fn time_finding(facts: &PreflightFacts<'_>, time: Option<&TimeEstimate>) -> Option<Finding> {
    let (seconds, message) = if let Some(time) = time {
        let runs =
            if time.runs == 1 { "an earlier run".to_owned() } else { format!("{} earlier runs", time.runs) };
        let of = if time.same_model { "" } else { " of other models" };
        (time.seconds, format!("Takes about {}, estimated from {runs}{of} on this machine", time.seconds))
    } else {
        let work = time::work(facts.request, facts.model, facts.steps);
        let work: f64 = work.iter().map(|(_, work)| work).sum();
        let seconds = Secs(work / (MAX_OPERATIONS_PER_CORE * facts.cores.max(1) as f64));
        (
            seconds,
            format!("Takes more than {seconds}; no earlier run on this machine gives a better estimate"),
        )
    };
    let long = seconds.0 >= LONG.0;
    (long || time.is_some()).then(|| Finding {
        severity: if long { Severity::Warning } else { Severity::Note },
        subject: Subject::Time,
        message,
        fixes: if long { fixes::less_time(facts, None) } else { Vec::new() },
    })
}
