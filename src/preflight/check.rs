//! The rules that turn facts into findings.

use super::facts::{DiskSpace, PreflightFacts};
use super::fixes::Fit;
use super::report::{PreflightReport, TimeEstimate};
use super::{device, fixes, memory_plan, time};
use crate::core::{Bytes, Finding, Fix, Secs, Severity, Subject};

/// Runs that take longer than this get a warning.
const LONG: Secs = Secs(3600.0);
/// How much more free memory than the estimate a run should have, in percent of the estimate.
const MARGIN_PERCENT: u64 = 20;
/// Upper bound of multiplications and additions per second of one core, for machines without an earlier run.
const MAX_OPERATIONS_PER_CORE: f64 = 1e11;
/// The same of a GPU: the fastest computes 2.25e15 in bf16.
const MAX_OPERATIONS_OF_A_GPU: f64 = 2.5e15;
/// How many times the estimate a suggested time limit is.
const LIMIT_MARGIN: f64 = 2.0;
/// Bytes that must stay free on a disk besides what the run writes.
const DISK_RESERVE: u64 = 16 << 20;

/// Estimates memory and time of a run and reports what blocks it or deserves a warning.
pub fn check(facts: &PreflightFacts<'_>) -> PreflightReport {
    // the formulas in `memory` hold for the CPU only
    let on_cpu = facts.provider.uses_host_memory();
    let stages = memory_plan::stages(facts);
    let (memory, device) = if on_cpu { (stages, Vec::new()) } else { (Vec::new(), stages) };
    let (time, durations) = match time::estimate(facts) {
        Some((time, durations)) => (Some(time), durations),
        None => (None, time::nominal(facts)),
    };
    let work = time::work(facts.request, facts.model, facts.steps, facts.provider);
    let mut report = PreflightReport { findings: Vec::new(), memory, device, time, work, durations };
    let findings: Vec<_> = memory_finding(facts)
        .filter(|_| on_cpu)
        .into_iter()
        .chain((!on_cpu).then(|| device::finding(facts)).flatten())
        .chain(facts.disk_space.iter().filter_map(disk_finding))
        .chain([time_finding(facts, report.time.as_ref())])
        .collect();
    report.add(findings);
    report
}

fn memory_finding(facts: &PreflightFacts<'_>) -> Option<Finding> {
    let free = facts.free_memory?;
    let (fit, peak) = fixes::fit(facts)?;
    let with_margin = Bytes(peak.0 / 100 * (100 + MARGIN_PERCENT));
    let (severity, message) = match fit {
        Fit::Blocked => {
            let least = fixes::estimate_with(facts, &Fix::WeightsInPlace, fixes::peaks).1;
            (Severity::Blocker, format!("Not enough memory: {least} needed, {free} free"))
        }
        Fit::Risky => {
            let message = format!(
                "May run out of memory: up to {peak} needed, {free} free; the system may end the program"
            );
            (Severity::Warning, message)
        }
        Fit::Slow => (Severity::Warning, slow(facts, peak, free)),
        Fit::Fits if with_margin > free => {
            (Severity::Note, format!("Little memory to spare: up to {peak} needed, {free} free"))
        }
        Fit::Fits => {
            let stored = fixes::streamed_bytes(facts)?;
            let message = format!(
                "The transformer's weights ({stored}) are read from their files block by block in every step, which is slower than from memory"
            );
            (Severity::Note, message)
        }
    };
    Some(memory_finding_with_fixes(facts, severity, message))
}

/// Why a run on the CPU reads from disk in every step.
fn slow(facts: &PreflightFacts<'_>, peak: Bytes, free: Bytes) -> String {
    let left = Bytes(free.0.saturating_sub(peak.0));
    match fixes::streamed_from_disk(facts, left) {
        Some(stored) => format!(
            "The transformer's weights ({stored}) do not fit into the free memory ({free}): they are read from disk block by block in every step, which is slow"
        ),
        None => format!(
            "The model does not fit in memory: {peak} needed, {free} free; the run will be slow because weights are read from disk in every step"
        ),
    }
}

/// A finding about memory with the fixes that remove it, or with what else would if none does.
pub(super) fn memory_finding_with_fixes(
    facts: &PreflightFacts<'_>,
    severity: Severity,
    mut message: String,
) -> Finding {
    let suggestions = fixes::less_memory(facts);
    if suggestions.is_empty() && severity > Severity::Note {
        let least = fixes::least_possible(facts);
        message = format!(
            "{message}. No change of the settings makes it fit, the smallest still needs {least}: use a smaller model, or a machine with more memory"
        );
    }
    let (fixes, figures) = suggestions.into_iter().map(|one| (one.fix, one.figures)).unzip();
    Finding { severity, subject: Subject::Memory, message, fixes, figures }
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
        figures: Vec::new(),
    })
}

fn time_finding(facts: &PreflightFacts<'_>, time: Option<&TimeEstimate>) -> Finding {
    let least = least_seconds(facts);
    let (seconds, message) = match time {
        Some(time) => (time.seconds, format!("Takes {}", time_words(time))),
        None if least.0 >= LONG.0 => (
            least,
            format!("Takes more than {least}; how long exactly is unknown until a first run of this model"),
        ),
        None => (least, "The time is unknown until a first run of this model on this machine".to_owned()),
    };
    if let Some(limit) = facts.time_limit.filter(|limit| seconds.0 > limit.0) {
        let more = if time.is_some() { "about" } else { "more than" };
        let longer = Secs((seconds.0 * LIMIT_MARGIN).max(1.0).ceil());
        return Finding {
            severity: Severity::Blocker,
            subject: Subject::Time,
            message: format!("The time limit is {limit}, and the run takes {more} {seconds}"),
            fixes: vec![Fix::TimeLimit(None), Fix::TimeLimit(Some(longer))],
            figures: Vec::new(),
        };
    }
    let is_long = seconds.0 >= LONG.0;
    let fixes = if is_long { fixes::less_time(facts, None) } else { Vec::new() };
    let after = |fix: &Fix| {
        fixes::estimate_with(facts, fix, |facts| match time::estimate(facts) {
            Some((time, _)) => format!("about {}", time.seconds),
            None => format!("more than {}", least_seconds(facts)),
        })
    };
    Finding {
        severity: if is_long { Severity::Warning } else { Severity::Note },
        subject: Subject::Time,
        message,
        figures: fixes.iter().map(after).collect(),
        fixes,
    }
}

/// The shortest that a run can take on any machine with these cores, or on any GPU.
fn least_seconds(facts: &PreflightFacts<'_>) -> Secs {
    let work: f64 = time::work(facts.request, facts.model, facts.steps, facts.provider)
        .iter()
        .map(|(_, work)| work)
        .sum();
    let per_second = if facts.provider.uses_host_memory() {
        MAX_OPERATIONS_PER_CORE * facts.cores.max(1) as f64
    } else {
        MAX_OPERATIONS_OF_A_GPU
    };
    Secs(work / per_second)
}

/// For instance "about 4 min 00 s, estimated from 3 earlier runs on this machine".
fn time_words(time: &TimeEstimate) -> String {
    let runs =
        if time.runs == 1 { "an earlier run".to_owned() } else { format!("{} earlier runs", time.runs) };
    match time.range {
        None => format!("about {}, estimated from {runs} on this machine", time.seconds),
        Some((from, to)) => {
            format!("from {from} to {to}, estimated from {runs} of other sizes on this machine")
        }
    }
}
