//! What is said about a distilled checkpoint and the settings it runs with.

use crate::core::{Finding, Fix, GenRequest, Severity, StepCount, Subject};
use crate::wan::Checkpoint;

/// A note if `model` is distilled; a warning if `request` has other settings than it was distilled for.
pub(super) fn note(request: &GenRequest, model: &Checkpoint) -> Option<Finding> {
    let distilled = model.distilled.as_ref()?;
    let (severity, message, fixes) = match distilled.difference(request) {
        None => (Severity::Note, format!("{} is {distilled}", model.id), Vec::new()),
        Some(difference) => {
            let steps = StepCount(distilled.settings.steps);
            let fixes = if request.steps == steps { Vec::new() } else { vec![Fix::Steps(steps)] };
            (Severity::Warning, format!("{} is {distilled}: this job uses {difference}", model.id), fixes)
        }
    };
    Some(Finding { severity, subject: Subject::Settings, message, fixes, figures: Vec::new() })
}
