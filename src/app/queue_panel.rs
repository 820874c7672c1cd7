//! The queue: what waits in its order, what runs, what ended, and what can be done with each.

use eframe::egui::{Label, RichText, ScrollArea, Ui};
use egui_material_icons::MaterialIcon;
use egui_material_icons::icons::{
    ICON_ARROW_UPWARD, ICON_CLOSE, ICON_CONTENT_COPY, ICON_DELETE, ICON_PAUSE, ICON_PLAY_ARROW,
    ICON_PRIORITY_HIGH, ICON_REPLAY,
};

use super::action::Action;
use super::icon::icon_button;
use super::theme;
use super::view::AppView;
use crate::core::TaskStatus;
use crate::queue::{Entry, JobId, Order, Priority, Status, Wish};

/// Draws the queue; says what the person asked for.
pub(super) fn ui(ui: &mut Ui, view: &AppView<'_>) -> Vec<Action> {
    let mut orders = Vec::new();
    let (ended, open): (Vec<_>, Vec<_>) = view.queue.iter().partition(|entry| entry.ended().is_some());
    ui.horizontal(|ui| {
        ui.heading("Queue");
        ui.weak(match open.len() {
            0 => "nothing waits".to_owned(),
            1 => "1 job".to_owned(),
            count => format!("{count} jobs"),
        });
        if !ended.is_empty() && ui.small_button("Clear ended").clicked() {
            orders.push(Order::Clear);
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
                let above = index.checked_sub(1).and_then(|above| open.get(above)).map(|entry| entry.job.id);
                ui.push_id(entry.job.id, |ui| row_ui(ui, entry, above, &mut orders));
            }
        },
    );
    orders.into_iter().map(Action::Queue).collect()
}

fn row_ui(ui: &mut Ui, entry: &Entry, above: Option<JobId>, orders: &mut Vec<Order>) {
    let id = entry.job.id;
    ui.horizontal(|ui| {
        ui.set_min_height(theme::ROW_HEIGHT);
        let mut button = |icon: MaterialIcon, name: &str, tooltip: &str, order: Order| {
            if icon_button(ui, icon, &format!("{name} job {id}"), tooltip).clicked() {
                orders.push(order);
            }
        };
        match (&entry.status, entry.wish) {
            (Status::Ended { .. }, _) => {
                button(
                    ICON_REPLAY,
                    "Retry",
                    "Again; what is still the same is not denoised again",
                    Order::Retry(id),
                );
                button(
                    ICON_DELETE,
                    "Remove",
                    "Take it out of sight; the history keeps it",
                    Order::Remove(id),
                );
            }
            (Status::Held, _) | (Status::Running { .. }, Some(Wish::Hold | Wish::Pause)) => {
                button(ICON_PLAY_ARROW, "Resume", "Go on where it was", Order::Resume(id));
                button(ICON_CLOSE, "Cancel", "Stop it for good", Order::Cancel(id));
            }
            (Status::Running { .. }, _) => {
                button(
                    ICON_PAUSE,
                    "Pause",
                    "Stop after this step and go on later from there",
                    Order::Hold(id),
                );
                button(ICON_CLOSE, "Cancel", "Stop it for good", Order::Cancel(id));
            }
            (Status::Waiting, _) => {
                button(ICON_PAUSE, "Pause", "Do not run it yet", Order::Hold(id));
                button(ICON_CLOSE, "Cancel", "Take it out of the queue", Order::Cancel(id));
                if let Some(above) = above {
                    button(
                        ICON_ARROW_UPWARD,
                        "Move up",
                        "Before the one above",
                        Order::Place(id, Some(above)),
                    );
                }
                let next = Order::Prioritise(id, Priority::Urgent);
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
        button(ICON_CONTENT_COPY, "Duplicate", "The same again, at the end", Order::Duplicate(id));
        ui.label(RichText::new(standing(entry)).color(colour(ui, entry)));
        let draft = &entry.job.work.draft;
        let text = format!("{id}  {}  {} x {}", draft.prompt, draft.size, draft.frames);
        let label = ui.add(Label::new(text).truncate());
        if let Some(error) = entry.ended().and_then(|task| task.error.as_ref()) {
            label.on_hover_text(&error.message);
        }
    });
}

fn standing(entry: &Entry) -> &'static str {
    match (&entry.status, entry.wish) {
        (Status::Waiting, _) => "waiting",
        (Status::Held, _) | (Status::Running { .. }, Some(Wish::Pause)) => "paused",
        (Status::Running { .. }, Some(Wish::Hold)) => "pausing",
        (Status::Running { .. }, Some(Wish::Cancel)) => "stopping",
        (Status::Running { .. }, None) => "running",
        (Status::Ended { task }, _) => match task.status {
            TaskStatus::Done => "done",
            TaskStatus::Failed => "failed",
            TaskStatus::Cancelled => "cancelled",
        },
    }
}

fn colour(ui: &Ui, entry: &Entry) -> eframe::egui::Color32 {
    let tokens = theme::tokens(ui);
    match entry.ended().map(|task| task.status) {
        Some(TaskStatus::Done) => tokens.good,
        Some(TaskStatus::Failed) => tokens.error,
        Some(TaskStatus::Cancelled) => ui.visuals().weak_text_color(),
        None => ui.visuals().text_color(),
    }
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::app::fixture::{Bench, harness};
    use crate::core::Utc;
    use crate::queue::{Job, Work};

    fn entry(id: u64, status: Status) -> Entry {
        let draft = Bench::new().draft;
        let work = Work::new(draft, "model".into(), "a.mp4".into());
        let job = Job { id: JobId(id), uid: id.to_string(), created: Utc::now(), work };
        let (trace, retries) = (crate::queue::Trace::default(), Vec::new());
        Entry { job, status, reserved: None, wish: None, trace, retries }
    }

    fn queue() -> Bench {
        let task = crate::core::Task::default();
        let queue = vec![
            entry(1, Status::Running { worker: "me".into() }),
            entry(2, Status::Waiting),
            entry(3, Status::Waiting),
            entry(4, Status::Ended { task: Box::new(task) }),
        ];
        Bench { queue, ..Bench::new() }
    }

    #[test]
    fn every_order_is_a_button_of_its_job() {
        for (name, order) in [
            ("Pause job 1", Order::Hold(JobId(1))),
            ("Cancel job 1", Order::Cancel(JobId(1))),
            ("Run next job 2", Order::Prioritise(JobId(2), Priority::Urgent)),
            ("Move up job 3", Order::Place(JobId(3), Some(JobId(2)))),
            ("Duplicate job 3", Order::Duplicate(JobId(3))),
            ("Retry job 4", Order::Retry(JobId(4))),
            ("Clear ended", Order::Clear),
        ] {
            let mut harness = harness(queue(), ui);
            harness.get_by_label(name).click();
            harness.run();
            assert_eq!(harness.state().actions, [Action::Queue(order)], "{name}");
        }
    }
}
