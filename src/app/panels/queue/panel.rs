//! The queue: what waits in its order, what runs, what ended, and what can be done with each.

use eframe::egui::{CursorIcon, Label, Rect, RichText, Role, ScrollArea, Sense, Stroke, Ui, WidgetInfo};
use egui_material_icons::MaterialIcon;
use egui_material_icons::icons::{
    ICON_ARROW_UPWARD, ICON_CLOSE, ICON_CONTENT_COPY, ICON_DELETE, ICON_DRAG_INDICATOR, ICON_EDIT,
    ICON_PAUSE, ICON_PLAY_ARROW, ICON_PRIORITY_HIGH, ICON_REPLAY,
};

use crate::app::shell::action::Action;
use crate::app::shell::view::AppView;
use crate::app::theme;
use crate::app::widgets::icon::icon_button;
use crate::jobs::EndStatus;
use crate::jobs::{JobEntry, JobId, JobState, PendingAction, Priority};
use crate::worker::QueueCommand;

/// Draws the queue; says what the person asked for.
pub(in crate::app) fn ui(ui: &mut Ui, view: &AppView<'_>) -> Vec<Action> {
    let mut actions = Vec::new();
    let (ended, open): (Vec<_>, Vec<_>) = view.queue.iter().partition(|entry| entry.ended().is_some());
    ui.horizontal(|ui| {
        ui.heading("Queue");
        ui.weak(match open.len() {
            0 => "nothing waits".to_owned(),
            1 => "1 job".to_owned(),
            count => format!("{count} jobs"),
        });
        if !ended.is_empty() && ui.small_button("Clear ended").clicked() {
            actions.push(Action::Queue(QueueCommand::Clear));
        }
    });
    ScrollArea::vertical().auto_shrink([false, false]).show_rows(
        ui,
        theme::ROW_HEIGHT,
        view.queue.len(),
        |ui, rows| {
            // the order in which they run, and below it what ended, the last first
            let all: Vec<_> = open.iter().chain(ended.iter().rev()).collect();
            for index in rows {
                let Some(entry) = all.get(index) else { break };
                let above = index.checked_sub(1).and_then(|above| {
                    Place::of(&open, entry.job.id, above, true).and_then(|place| place.before)
                });
                ui.push_id(entry.job.id, |ui| {
                    let row = row_ui(ui, entry, above, &mut actions);
                    actions.extend(drop_ui(ui, row, &open, index).map(Action::Queue));
                });
            }
        },
    );
    actions
}

/// Takes a row that is dropped here: before this one or behind it, where the line shows.
fn drop_ui(ui: &Ui, row: Rect, open: &[&JobEntry], index: usize) -> Option<QueueCommand> {
    let row = row.with_max_x(ui.max_rect().right());
    let response = ui.interact(row, ui.scope_id().with("drop"), Sense::hover());
    let dragged = *response.dnd_hover_payload::<JobId>()?;
    let pointer = ui.input(|input| input.pointer.interact_pos())?;
    let place = Place::of(open, dragged, index, pointer.y < row.center().y)?;
    let y = if place.index > index { row.bottom() } else { row.top() };
    ui.painter().hline(row.x_range(), y, Stroke::new(2.0, theme::tokens(ui).accent));
    response.dnd_release_payload::<JobId>().map(|_| QueueCommand::Place(dragged, place.before))
}

/// Where a job would stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// Of the row that it pushes down.
    index: usize,
    before: Option<JobId>,
}

impl Place {
    /// The place in the upper or lower half of a row; none where a job would not stay or already is.
    fn of(open: &[&JobEntry], dragged: JobId, row: usize, is_upper: bool) -> Option<Self> {
        let from = open.iter().position(|entry| entry.job.id == dragged)?;
        let over = open.get(row)?;
        // lanes follow each other whatever the order, and what runs has begun
        if over.job.work.priority != open.get(from)?.job.work.priority {
            return None;
        }
        let index = if is_upper && over.worker().is_none() { row } else { row + 1 };
        let before = open.get(index).map(|entry| entry.job.id);
        (index != from && index != from + 1).then_some(Self { index, before })
    }
}

/// Draws a row; says where.
fn row_ui(ui: &mut Ui, entry: &JobEntry, above: Option<JobId>, actions: &mut Vec<Action>) -> Rect {
    let id = entry.job.id;
    let row = ui.horizontal(|ui| {
        ui.set_min_height(theme::ROW_HEIGHT);
        if matches!(entry.status, JobState::Waiting | JobState::Held) {
            handle_ui(ui, id);
            let tooltip = "Take it into the form; what is in the form now comes back afterwards";
            if icon_button(ui, ICON_EDIT, &format!("Edit job {id}"), tooltip).clicked() {
                actions.push(Action::EditJob(id));
            }
        }
        let mut button = |icon: MaterialIcon, name: &str, tooltip: &str, order: QueueCommand| {
            if icon_button(ui, icon, &format!("{name} job {id}"), tooltip).clicked() {
                actions.push(Action::Queue(order));
            }
        };
        match (&entry.status, entry.wish) {
            (JobState::Ended { .. }, _) => {
                button(
                    ICON_REPLAY,
                    "Retry",
                    "Again; what is still the same is not denoised again",
                    QueueCommand::Retry(id),
                );
                button(
                    ICON_DELETE,
                    "Remove",
                    "Remove from the list (stays in history)",
                    QueueCommand::Remove(id),
                );
            }
            (JobState::Held, _)
            | (JobState::Running { .. }, Some(PendingAction::Hold | PendingAction::Pause)) => {
                button(ICON_PLAY_ARROW, "Resume", "Go on where it was", QueueCommand::Resume(id));
                button(ICON_CLOSE, "Cancel", "Stop it for good", QueueCommand::Cancel(id));
            }
            (JobState::Running { .. }, _) => {
                button(
                    ICON_PAUSE,
                    "Pause",
                    "Stop after this step and go on later from there",
                    QueueCommand::Hold(id),
                );
                button(ICON_CLOSE, "Cancel", "Stop it for good", QueueCommand::Cancel(id));
            }
            (JobState::Waiting, _) => {
                button(ICON_PAUSE, "Pause", "Do not run it yet", QueueCommand::Hold(id));
                button(ICON_CLOSE, "Cancel", "Take it out of the queue", QueueCommand::Cancel(id));
                if let Some(above) = above {
                    button(
                        ICON_ARROW_UPWARD,
                        "Move up",
                        "Before the one above",
                        QueueCommand::Place(id, Some(above)),
                    );
                }
                let next = QueueCommand::Prioritise(id, Priority::Urgent);
                if entry.job.work.priority < Priority::Urgent {
                    button(
                        ICON_PRIORITY_HIGH,
                        "Run next",
                        "Now: what runs leaves after its step and goes on later",
                        next,
                    );
                }
            }
        }
        button(ICON_CONTENT_COPY, "Duplicate", "The same again, at the end", QueueCommand::Duplicate(id));
        ui.label(RichText::new(standing(entry)).color(colour(ui, entry)));
        let draft = &entry.job.work.draft;
        let text = format!("{id}  {}  {} x {}", draft.prompt, draft.size, draft.frames);
        let label = ui.add(Label::new(text).truncate());
        if let Some(error) = entry.ended().and_then(|task| task.error.as_ref()) {
            label.on_hover_text(&error.message);
        }
    });
    row.response.rect
}

/// What a row is dragged by; "Move up" does the same for the keyboard.
fn handle_ui(ui: &mut Ui, id: JobId) {
    let icon = ICON_DRAG_INDICATOR.rich_text().size(theme::ICON_SIZE);
    let handle = ui.add(Label::new(icon).selectable(false).sense(Sense::drag()));
    handle.widget_info(|| WidgetInfo::labeled(Role::Label, true, format!("Drag job {id}")));
    handle.dnd_set_drag_payload(id);
    handle.on_hover_cursor(CursorIcon::Grab).on_hover_text("Drag it to another place");
}

fn standing(entry: &JobEntry) -> &'static str {
    match (&entry.status, entry.wish) {
        (JobState::Waiting, _) => "waiting",
        (JobState::Held, _) | (JobState::Running { .. }, Some(PendingAction::Pause)) => "paused",
        (JobState::Running { .. }, Some(PendingAction::Hold)) => "pausing",
        (JobState::Running { .. }, Some(PendingAction::Cancel)) => "stopping",
        (JobState::Running { .. }, None) => "running",
        (JobState::Ended { task }, _) => match task.status {
            EndStatus::Done => "done",
            EndStatus::Failed => "failed",
            EndStatus::Cancelled => "cancelled",
        },
    }
}

fn colour(ui: &Ui, entry: &JobEntry) -> eframe::egui::Color32 {
    let tokens = theme::tokens(ui);
    match entry.ended().map(|task| task.status) {
        Some(EndStatus::Done) => tokens.good,
        Some(EndStatus::Failed) => tokens.error,
        Some(EndStatus::Cancelled) => ui.visuals().weak_text_color(),
        None => ui.visuals().text_color(),
    }
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::app::panels::fixture::{PanelHarness, harness};
    use crate::core::Utc;
    use crate::jobs::{Job, JobSpec};

    fn entry(id: u64, status: JobState) -> JobEntry {
        let draft = PanelHarness::new().draft;
        let work = JobSpec::new(draft, "model".into(), "a.mp4".into());
        let job = Job { id: JobId(id), uid: id.to_string(), created: Utc::now(), work };
        let (trace, retries) = (crate::jobs::PartialOutput::default(), Vec::new());
        JobEntry { job, status, reserved: None, wish: None, trace, retries }
    }

    fn queue() -> PanelHarness {
        let task = crate::jobs::HistoryEntry::default();
        let queue = vec![
            entry(1, JobState::Running { worker: "me".into() }),
            entry(2, JobState::Waiting),
            entry(3, JobState::Waiting),
            entry(4, JobState::Ended { task: Box::new(task) }),
        ];
        PanelHarness { queue, ..PanelHarness::new() }
    }

    #[test]
    fn every_order_is_a_button_of_its_job() {
        for (name, order) in [
            ("Pause job 1", QueueCommand::Hold(JobId(1))),
            ("Cancel job 1", QueueCommand::Cancel(JobId(1))),
            ("Run next job 2", QueueCommand::Prioritise(JobId(2), Priority::Urgent)),
            ("Move up job 3", QueueCommand::Place(JobId(3), Some(JobId(2)))),
            ("Duplicate job 3", QueueCommand::Duplicate(JobId(3))),
            ("Retry job 4", QueueCommand::Retry(JobId(4))),
            ("Clear ended", QueueCommand::Clear),
        ] {
            let mut harness = harness(queue(), ui);
            harness.get_by_label(name).click();
            harness.run();
            assert_eq!(harness.state().actions, [Action::Queue(order)], "{name}");
        }
    }

    #[test]
    fn a_waiting_job_can_be_edited_and_one_that_runs_or_ended_cannot() {
        let mut harness = harness(queue(), ui);
        for id in [1, 4] {
            assert!(harness.query_by_label(&format!("Edit job {id}")).is_none());
        }
        harness.get_by_label("Edit job 3").click();
        harness.run();
        assert_eq!(harness.state().actions, [Action::EditJob(JobId(3))]);
        assert!(harness.query_by_label("Move up job 2").is_none(), "what runs has begun");
    }

    #[test]
    fn a_row_that_is_dragged_lands_where_it_is_dropped() {
        let mut bench = queue();
        bench.queue.insert(3, entry(5, JobState::Held));
        let mut harness = harness(bench, ui);
        let at =
            |harness: &egui_kittest::Harness<'_, PanelHarness>, name: &str| harness.get_by_label(name).rect();
        let (from, to) = (at(&harness, "Drag job 5").center(), at(&harness, "Drag job 2"));
        harness.hover_at(from);
        harness.drag_at(from);
        harness.run();
        // the upper half of the row
        harness.hover_at(to.center_top());
        harness.run();
        harness.drop_at(to.center_top());
        harness.run();
        assert_eq!(harness.state().actions, [Action::Queue(QueueCommand::Place(JobId(5), Some(JobId(2))))]);
    }

    #[test]
    fn a_place_is_one_where_the_job_would_stay() {
        let mut entries = queue().queue;
        entries.truncate(3);
        entries.push(entry(5, JobState::Waiting));
        let mut urgent = entry(6, JobState::Waiting);
        urgent.job.work.priority = Priority::Urgent;
        entries.insert(0, urgent);
        let open: Vec<_> = entries.iter().collect();
        let place = |dragged, row, is_upper| {
            Place::of(&open, JobId(dragged), row, is_upper).map(|place| place.before.map(|id| id.0))
        };
        assert_eq!(place(5, 2, true), Some(Some(2)), "before the first that waits");
        assert_eq!(place(5, 1, true), Some(Some(2)), "what runs has begun");
        assert_eq!(place(2, 4, false), Some(None), "at the end");
        assert_eq!(place(2, 2, true), None, "where it is");
        assert_eq!(place(2, 3, true), None, "where it is");
        assert_eq!(place(2, 0, true), None, "an urgent one comes first anyway");
    }
}
