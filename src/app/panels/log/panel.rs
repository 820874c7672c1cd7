//! The list of notifications, newest first.

use eframe::egui::{Label, RichText, ScrollArea, Ui};

use crate::app::shell::notifications::{Notification, Notifications};
use crate::app::widgets::tone::{tone_colour, tone_icon};

/// The data that the panel shows.
#[derive(Clone, Copy)]
pub(in crate::app) struct LogView<'a> {
    /// All notifications.
    pub(in crate::app) notifications: &'a Notifications,
}

/// Actions of the log panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) enum LogAction {
    /// Remove all notifications.
    Clear,
}

/// The view state of the log panel.
#[derive(Default)]
pub(in crate::app) struct LogPanel {
    search: String,
}

impl LogPanel {
    /// Draws the notifications; returns the user's actions.
    pub(in crate::app) fn ui(&mut self, ui: &mut Ui, view: LogView<'_>) -> Vec<LogAction> {
        let mut actions = Vec::new();
        ui.horizontal(|ui| {
            let label = ui.label("Search");
            ui.text_edit_singleline(&mut self.search).labelled_by(label.id);
            if ui.button("Clear").clicked() {
                actions.push(LogAction::Clear);
            }
        });
        let search = self.search.to_lowercase();
        let found: Vec<_> = view
            .notifications
            .list()
            .rev()
            .filter(|one| search.is_empty() || one.text.to_lowercase().contains(&search))
            .collect();
        if found.is_empty() {
            ui.weak("No messages yet");
        }
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            for one in found {
                ui.push_id(one.id, |ui| notification_ui(ui, one));
            }
        });
        actions
    }
}

fn notification_ui(ui: &mut Ui, one: &Notification) {
    ui.horizontal_wrapped(|ui| {
        ui.label(tone_icon(one.tone).rich_text().color(tone_colour(ui, one.tone)));
        ui.weak(format!("{} UTC", one.at));
        if let Some(job) = one.job {
            ui.weak(format!("job {job}"));
        }
        ui.add(Label::new(RichText::new(one.sentence())).wrap());
        if one.times > 1 {
            ui.weak(format!("{} times", one.times));
        }
    });
}
