//! The rules.

use super::facts::{DiskSpace, Facts, Preflight, TimeEstimate};
use super::{card, fixes, memory, time};
use crate::core::{Bytes, Finding, Fix, Secs, Severity, Subject};

/// Runs that take longer deserve a warning.
const LONG: Secs = Secs(3600.0);
/// The share of its free memory that a machine should keep, in percent.
const MARGIN_PERCENT: u64 = 20;
/// Multiplications and additions that one core does in a second at most, for what was never measured.
const CORE_AT_BEST: f64 = 1e11;
/// Room that must be left on a disk beside what is written.
const SPARE: u64 = 16 << 20;

/// Says what a run will cost and what is in its way.
pub fn check(facts: &Facts<'_>) -> Preflight {
    // the formulas are those of the CPU, where a card computes they would be of nothing
    let on_cpu = facts.provider == "cpu";
    let memory = if on_cpu { memory::stages(facts) } else { Vec::new() };
    let card = facts.card.map(|card| card::stages(facts, card)).unwrap_or_default();
    let time = time::estimate(facts);
    let mut found = Preflight { findings: Vec::new(), memory, card, time };
    let findings: Vec<_> = of_memory(facts)
        .filter(|_| on_cpu)
        .into_iter()
        .chain(facts.card.and_then(|card| card::finding(facts, card)))
        .chain(facts.rooms.iter().filter_map(of_room))
        .chain(of_time(facts, found.time.as_ref()))
        .collect();
    found.add(findings);
    found
}

fn of_memory(facts: &Facts<'_>) -> Option<Finding> {
    let free = facts.free_memory?;
    let (peak, hard) = fixes::peaks(facts);
    let with_margin = Bytes(peak.0 / 100 * (100 + MARGIN_PERCENT));
    let subject = Subject::Memory;
    let changes = || fixes::less_memory(facts, free);
    let least = fixes::with(facts, &Fix::WeightsInPlace, fixes::peaks).1;
    let int8 = int8_hint(facts);
    if least > free {
        return Some(Finding {
            severity: Severity::Blocker,
            subject,
            message: format!("The run needs {least} of memory at least, and {free} are free{int8}"),
            fixes: changes(),
        });
    }
    if peak > free {
        let message = if hard > free {
            format!("The run may need {peak} of memory, and {free} are free: the system may stop it{int8}")
        } else {
            format!(
                "The weights do not fit: {peak} against {free} of free memory, so they are read again and again{int8}"
            )
        };
        return Some(Finding { severity: Severity::Warning, subject, message, fixes: changes() });
    }
    (with_margin > free).then(|| Finding {
        severity: Severity::Note,
        subject,
        message: format!("The run may need {peak} of the {free} of memory that are free, which is tight"),
        fixes: changes(),
    })
}

/// How to make the model small, where that was not done and the transformer is most of what is needed.
fn int8_hint(facts: &Facts<'_>) -> String {
    let model = facts.model;
    let is_large = model.transformers.iter().any(|net| net.loaded.0 > fixes::peaks(facts).0.0 / 2);
    if model.integers.is_some() || model.exported.is_some() || !is_large || !facts.variants.is_empty() {
        return String::new();
    }
    format!(
        "; \"wandeck models convert {} --precision int8\" makes a model of a quarter",
        facts.request.model
    )
}

fn of_room(room: &DiskSpace) -> Option<Finding> {
    let free = room.free?;
    let needed = Bytes(room.needed.0 + SPARE);
    (free < needed).then(|| Finding {
        severity: Severity::Blocker,
        subject: Subject::Disk,
        message: format!(
            "There is no room for {}: about {} are needed and {free} are free in {}",
            room.what,
            room.needed,
            room.path.display()
        ),
        fixes: Vec::new(),
    })
}

fn of_time(facts: &Facts<'_>, time: Option<&TimeEstimate>) -> Option<Finding> {
    let (seconds, message) = if let Some(time) = time {
        let runs =
            if time.runs == 1 { "an earlier run".to_owned() } else { format!("{} earlier runs", time.runs) };
        let of = if time.like { "" } else { " of other models" };
        (time.seconds, format!("About {} on this machine, from {runs}{of}", time.seconds))
    } else {
        let work = time::work(facts.request, facts.model, facts.steps);
        let work: f64 = work.iter().map(|(_, work)| work).sum();
        let seconds = Secs(work / (CORE_AT_BEST * facts.cores.max(1) as f64));
        (seconds, format!("More than {seconds} on this machine; nothing was measured here yet"))
    };
    let long = seconds.0 >= LONG.0;
    (long || time.is_some()).then(|| Finding {
        severity: if long { Severity::Warning } else { Severity::Note },
        subject: Subject::Time,
        message,
        fixes: if long { fixes::less_time(facts, None) } else { Vec::new() },
    })
}
