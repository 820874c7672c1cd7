//! The list of notifications: each with its cause, its remedy, and the job that it is about.

use eframe::egui::{Context, Id, Label, Modal, RichText, ScrollArea, Ui};

use super::action::Action;
use super::command::Command;
use super::layout::PanelId;
use super::notifications::{Notification, Notifications};
use crate::app::theme;
use crate::app::widgets::tone::{tone_colour, tone_icon};
use crate::jobs::JobId;

/// Notifications that are listed; the log has more.
const LISTED: usize = 50;

/// Draws the list; returns the user's actions, and whether it stays open. `is_known` says whether a job is in the queue.
pub(super) fn ui(
    ctx: &Context,
    notifications: &Notifications,
    is_known: impl Fn(JobId) -> bool,
) -> (Vec<Action>, bool) {
    let mut actions = Vec::new();
    let modal = Modal::new(Id::unique("notifications")).show(ctx, |ui| {
        ui.set_width(theme::PALETTE_WIDTH);
        ui.label(RichText::new("Notifications").strong());
        if notifications.list().next().is_none() {
            ui.weak("Nothing has happened yet");
        }
        ScrollArea::vertical().max_height(theme::PALETTE_HEIGHT).auto_shrink([false, true]).show(ui, |ui| {
            for one in notifications.list().rev().take(LISTED) {
                ui.push_id(one.id, |ui| {
                    let job = one.job.filter(|job| is_known(*job));
                    actions.extend(one_ui(ui, one, job));
                });
                ui.separator();
            }
        });
        let mut closes = false;
        ui.horizontal(|ui| {
            if ui.button("Open the log").clicked() {
                actions.push(Action::Command(Command::ShowPanel(PanelId::Log)));
            }
            closes = ui.button("Close").clicked();
        });
        closes
    });
    let stays = !modal.should_close() && !modal.inner && actions.is_empty();
    (actions, stays)
}

fn one_ui(ui: &mut Ui, one: &Notification, job: Option<JobId>) -> Option<Action> {
    let mut action = None;
    ui.horizontal_top(|ui| {
        ui.label(tone_icon(one.tone).rich_text().color(tone_colour(ui, one.tone)));
        ui.vertical(|ui| {
            let times = if one.times > 1 { format!(" ({} times)", one.times) } else { String::new() };
            ui.add(Label::new(RichText::new(format!("{}{times}", one.text)).strong()).wrap());
            for more in one.why.iter().chain(&one.remedy) {
                ui.add(Label::new(RichText::new(more).small()).wrap());
            }
            ui.horizontal(|ui| {
                ui.weak(RichText::new(format!("{} UTC", one.at)).small());
                if let Some(job) = job
                    && ui.small_button(format!("Show job {job}")).clicked()
                {
                    action = Some(Action::ShowJob(job));
                }
            });
        });
    });
    action
}
