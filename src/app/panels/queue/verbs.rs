//! The actions available for a job in its current state.

use egui_material_icons::MaterialIcon;
use egui_material_icons::icons::{
    ICON_CLOSE, ICON_COMPARE, ICON_CONTENT_COPY, ICON_DELETE, ICON_EDIT, ICON_LOW_PRIORITY, ICON_PAUSE,
    ICON_PLAY_ARROW, ICON_PRIORITY_HIGH, ICON_REPLAY, ICON_SAVE_CLOCK,
};

use super::view::QueueAction;
use crate::app::background::comparison::comparison::COMPARED;
use crate::jobs::{EndStatus, Job, JobState, PendingAction, Priority};
use crate::queue::QueueCommand;

/// One action.
#[derive(Clone, Debug)]
pub(super) struct Verb {
    pub(super) icon: MaterialIcon,
    /// Label without the job's number.
    pub(super) name: &'static str,
    /// Tooltip.
    pub(super) about: &'static str,
    pub(super) action: QueueAction,
}

impl Verb {
    fn new(icon: MaterialIcon, name: &'static str, about: &'static str, action: QueueAction) -> Self {
        Self { icon, name, about, action }
    }
}

/// All available actions, the most common first.
pub(super) fn all(entry: &Job) -> Vec<Verb> {
    let id = entry.id;
    let command = QueueAction::Command;
    let mut verbs = Vec::new();
    let pauses = matches!(entry.pending_action, Some(PendingAction::Pause { .. }));
    match &entry.state {
        JobState::Ended { entry: task } => {
            if let (EndStatus::Done, Some(path)) = (task.status, &task.output) {
                let about = "Show the video in the player";
                verbs.push(Verb::new(ICON_PLAY_ARROW, "Open", about, QueueAction::Open(id, path.clone())));
            }
            let (name, about) = match task.status {
                EndStatus::Done => {
                    ("Decode again", "Make it again from its latents; without them it is denoised again, too")
                }
                _ => ("Retry", "Make it again; what is still the same is not denoised again"),
            };
            verbs.push(Verb::new(ICON_REPLAY, name, about, QueueAction::Retry(id, None)));
            let about = "Remove from the list (stays in history)";
            verbs.push(Verb::new(ICON_DELETE, "Remove", about, command(QueueCommand::Remove(id))));
        }
        JobState::Running { .. } if !pauses => {
            let about = "Stop after this step, free its memory, and go on later from there";
            verbs.push(Verb::new(
                ICON_PAUSE,
                "Pause",
                about,
                command(QueueCommand::Pause { id, keep_memory: false }),
            ));
            verbs.push(Verb::new(ICON_CLOSE, "Cancel", "Stop it for good", QueueAction::Cancel(id)));
            let about = "Stop after this step with all its memory, to go on at once";
            verbs.push(Verb::new(
                ICON_SAVE_CLOCK,
                "Pause and keep the memory of",
                about,
                command(QueueCommand::Pause { id, keep_memory: true }),
            ));
        }
        JobState::Paused | JobState::Running { .. } => {
            let about = "Go on where it was";
            verbs.push(Verb::new(ICON_PLAY_ARROW, "Resume", about, command(QueueCommand::Resume(id))));
            verbs.push(Verb::new(ICON_CLOSE, "Cancel", "Stop it for good", QueueAction::Cancel(id)));
        }
        JobState::Queued => {
            verbs.push(Verb::new(
                ICON_PAUSE,
                "Pause",
                "Do not run it yet",
                command(QueueCommand::Pause { id, keep_memory: false }),
            ));
            verbs.push(Verb::new(ICON_CLOSE, "Cancel", "Take it out of the queue", QueueAction::Cancel(id)));
        }
    }
    if matches!(entry.state, JobState::Queued | JobState::Paused) {
        let about = "Take it into the form; what is in the form now comes back afterwards";
        verbs.insert(0, Verb::new(ICON_EDIT, "Edit", about, QueueAction::Edit(id)));
        lanes(entry, &mut verbs);
    }
    let about = "The same again, at the end";
    verbs.push(Verb::new(ICON_CONTENT_COPY, "Duplicate", about, command(QueueCommand::Duplicate(id))));
    verbs
}

fn lanes(entry: &Job, verbs: &mut Vec<Verb>) {
    let (id, priority) = (entry.id, entry.spec.priority);
    let mut lane = |icon, name, about, to| {
        if priority != to {
            let action = QueueAction::Command(QueueCommand::SetPriority { id, priority: to });
            verbs.push(Verb::new(icon, name, about, action));
        }
    };
    lane(
        ICON_PRIORITY_HIGH,
        "Run next",
        "Now: what runs makes room after its step and goes on later",
        Priority::Urgent,
    );
    lane(ICON_PRIORITY_HIGH, "Normal priority for", "In the order of the queue", Priority::Normal);
    lane(ICON_LOW_PRIORITY, "Low priority for", "When nothing else waits", Priority::Low);
}

/// What can be done with all of these jobs at once; a verb that only some of them have is for those.
pub(super) fn shared(jobs: &[&Job]) -> Vec<Verb> {
    if let [job] = jobs {
        return all(job);
    }
    let mut shared: Vec<(Verb, Vec<QueueAction>)> = Vec::new();
    // one form and one player: these are for one job
    let verbs = jobs.iter().flat_map(|job| all(job)).filter(|verb| !matches!(verb.name, "Open" | "Edit"));
    for verb in verbs {
        if let Some((_, actions)) = shared.iter_mut().find(|(known, _)| known.name == verb.name) {
            actions.push(verb.action);
        } else {
            let actions = vec![verb.action.clone()];
            shared.push((verb, actions));
        }
    }
    let many =
        |(verb, actions): (Verb, Vec<QueueAction>)| Verb { action: QueueAction::Many(actions), ..verb };
    compare(jobs).into_iter().chain(shared.into_iter().map(many)).collect()
}

/// Comparing these jobs, if each of them made a video.
fn compare(jobs: &[&Job]) -> Option<Verb> {
    let output = |job: &&Job| match &job.state {
        JobState::Ended { entry } if entry.status == EndStatus::Done => entry.output.clone(),
        _ => None,
    };
    let outputs: Option<Vec<_>> = jobs.iter().map(output).collect();
    let outputs = outputs.filter(|outputs| COMPARED.contains(&outputs.len()))?;
    let about = "Show them in sync, with what differs between them";
    Some(Verb::new(ICON_COMPARE, "Compare videos", about, QueueAction::Compare(outputs)))
}

/// The two or three actions shown at the end of the row, which ends with the last.
///
/// What a click leads to has its own opposite, or nothing that starts work, at the same place: a second click on Pause
/// resumes the job, and one on Cancel does not make it again. When a job starts by itself, Edit goes and the others stay.
pub(super) fn at_end(entry: &Job) -> Vec<Verb> {
    let names: [&[&str]; 3] = match &entry.state {
        JobState::Ended { .. } => [&[], &["Open", "Retry", "Decode again"], &["Remove"]],
        _ => [&["Edit"], &["Pause", "Resume"], &["Cancel"]],
    };
    let mut verbs = all(entry);
    names
        .into_iter()
        .filter_map(|names| {
            let place = verbs.iter().position(|verb| names.contains(&verb.name))?;
            Some(verbs.remove(place))
        })
        .collect()
}
