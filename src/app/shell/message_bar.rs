//! The newest notification, in the right half of the status bar: it covers nothing and moves nothing.

use std::time::Instant;

use eframe::egui::{Align, Label, Layout, RichText, Sense, Ui};
use egui_material_icons::icons::ICON_CLOSE;

use super::action::Action;
use super::command::Command;
use super::notifications::Notifications;
use crate::app::theme;
use crate::app::widgets::tone::{tone_colour, tone_icon};

/// Draws the newest notification; returns the user's actions.
pub(super) fn ui(ui: &mut Ui, notifications: &Notifications, now: Instant) -> Vec<Action> {
    let mut actions = Vec::new();
    let (shown, next) = notifications.recent(now);
    if let Some(next) = next {
        ui.ctx().request_repaint_after(next);
    }
    let Some(newest) = shown.first() else { return actions };
    // nothing in it is higher than the bar, so that all of it stands in its middle
    let height = ui.max_rect().height();
    let spacing = ui.spacing_mut();
    (spacing.item_spacing.x, spacing.interact_size.y, spacing.button_padding.y) = (6.0, height, 0.0);
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let close = ui.add(eframe::egui::Button::new(ICON_CLOSE.rich_text().size(14.0)).frame(false));
        close.widget_info(|| eframe::egui::WidgetInfo::labeled(eframe::egui::Role::Button, true, "Dismiss"));
        if close.on_hover_text("It stays in the list of notifications").clicked() {
            actions.extend(shown.iter().map(|one| Action::DismissNotification(one.id)));
        }
        if let Some(job) = newest.job
            && ui.small_button(format!("Show job {job}")).clicked()
        {
            actions.push(Action::ShowJob(job));
        }
        if shown.len() > 1 {
            let more = ui.small_button(format!("+{}", shown.len() - 1));
            if more.on_hover_text("All notifications").clicked() {
                actions.push(Action::Command(Command::Notifications));
            }
        }
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            let colour = tone_colour(ui, newest.tone);
            ui.label(tone_icon(newest.tone).rich_text().size(15.0).color(colour));
            let text = RichText::new(newest.sentence()).small().color(theme::tokens(ui).strong);
            let label = Label::new(text).truncate().show_tooltip_when_elided(false).sense(Sense::click());
            let response = ui.add(label).on_hover_text(newest.sentence());
            if response.clicked() {
                actions.push(Action::Command(Command::Notifications));
            }
        });
    });
    actions
}
