//! Moving a job: where a dragged row may land, and what that means for its place and its priority.

use eframe::egui::{Rect, Sense, Stroke, Ui};

use super::view::QueueAction;
use crate::app::theme;
use crate::jobs::{Job, JobId};
use crate::queue::QueueCommand;

/// Takes a row that is dropped on that of `over`: before it or behind it, where the line shows.
pub(super) fn drop_ui(ui: &Ui, row: Rect, jobs: &[Job], over: usize) -> Option<QueueAction> {
    let response = ui.interact(row, ui.scope_id().with("drop"), Sense::hover());
    let dragged = *response.dnd_hover_payload::<JobId>()?;
    let pointer = ui.input(|input| input.pointer.interact_pos())?;
    let is_upper = pointer.y < row.center().y;
    let action = moved(jobs, dragged, over, is_upper)?;
    let y = if is_upper && jobs.get(over)?.worker().is_none() { row.top() } else { row.bottom() };
    ui.painter().hline(row.x_range(), y, Stroke::new(2.0, theme::tokens(ui).accent));
    response.dnd_release_payload::<JobId>().map(|_| action)
}

/// What moving a job to the upper or lower half of another one's row does; nothing where it already is.
///
/// On a row of another priority it also gets that priority.
pub(super) fn moved(jobs: &[Job], dragged: JobId, over: usize, is_upper: bool) -> Option<QueueAction> {
    let from = jobs.iter().position(|job| job.id == dragged)?;
    let target = jobs.get(over).filter(|target| target.ended().is_none())?;
    // what runs has begun
    let index = if is_upper && target.worker().is_none() { over } else { over + 1 };
    let is_same_lane = target.spec.priority == jobs.get(from)?.spec.priority;
    if over == from || is_same_lane && (index == from || index == from + 1) {
        return None;
    }
    let next = jobs.get(index).filter(|next| next.ended().is_none());
    let place = QueueCommand::Move { id: dragged, before: next.map(|next| next.id) };
    if is_same_lane {
        return Some(QueueAction::Command(place));
    }
    let lane = QueueCommand::SetPriority { id: dragged, priority: target.spec.priority };
    Some(QueueAction::Many(vec![QueueAction::Command(lane), QueueAction::Command(place)]))
}

/// Moves a job up or down by one place within its priority.
pub(super) fn shifted(jobs: &[Job], id: JobId, up: bool) -> Option<QueueAction> {
    let from = jobs.iter().position(|job| job.id == id)?;
    let over = if up { from.checked_sub(1)? } else { from + 1 };
    let (job, target) = (jobs.get(from)?, jobs.get(over)?);
    let is_movable = job.worker().is_none() && target.worker().is_none();
    (is_movable && job.spec.priority == target.spec.priority).then(|| moved(jobs, id, over, up))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::draft;
    use crate::jobs::{JobSpec, JobState, Priority};

    fn job(id: u64, priority: Priority, state: JobState) -> Job {
        let spec = JobSpec { priority, ..JobSpec::new(draft(), "model".into(), "a.mp4".into()) };
        Job { state, ..Job::new(JobId(id), id.to_string(), spec) }
    }

    fn jobs() -> Vec<Job> {
        let normal = |id, state| job(id, Priority::Normal, state);
        vec![
            job(6, Priority::Urgent, JobState::Queued),
            normal(1, JobState::Running { worker: "me".into() }),
            normal(2, JobState::Queued),
            normal(3, JobState::Queued),
            normal(5, JobState::Queued),
        ]
    }

    #[test]
    fn a_place_is_one_where_the_job_would_stay() {
        let jobs = jobs();
        let place = |dragged, over, is_upper| match moved(&jobs, JobId(dragged), over, is_upper) {
            Some(QueueAction::Command(QueueCommand::Move { before, .. })) => Some(before.map(|id| id.0)),
            _ => None,
        };
        assert_eq!(place(5, 2, true), Some(Some(2)), "before the first that waits");
        assert_eq!(place(5, 1, true), Some(Some(2)), "what runs has begun");
        assert_eq!(place(2, 4, false), Some(None), "at the end");
        assert_eq!(place(2, 2, true), None, "where it is");
        assert_eq!(place(2, 3, true), None, "where it is");
    }

    #[test]
    fn a_job_gets_the_priority_of_the_row_that_it_is_dropped_on() {
        let lane = QueueCommand::SetPriority { id: JobId(2), priority: Priority::Urgent };
        let place = QueueCommand::Move { id: JobId(2), before: Some(JobId(6)) };
        let expected = QueueAction::Many([lane, place].map(QueueAction::Command).to_vec());
        assert_eq!(moved(&jobs(), JobId(2), 0, true), Some(expected));
    }

    #[test]
    fn keys_move_a_job_within_its_priority() {
        let jobs = jobs();
        let before = |id: Option<u64>| {
            let before = id.map(JobId);
            Some(QueueAction::Command(QueueCommand::Move { id: JobId(3), before }))
        };
        assert_eq!(shifted(&jobs, JobId(3), true), before(Some(2)));
        assert_eq!(shifted(&jobs, JobId(3), false), before(None));
        assert_eq!(shifted(&jobs, JobId(2), true), None, "what runs has begun");
        assert_eq!(shifted(&jobs, JobId(5), false), None, "it is the last");
    }
}
