//! Toasts: new notifications at the lower right, above everything else.

use std::time::Instant;

use eframe::egui::{Align2, Area, Frame, Id, Label, Order, RichText, Ui, vec2};
use egui_material_icons::icons::ICON_CLOSE;

use super::action::Action;
use super::notifications::{Notification, Notifications};
use crate::app::theme;
use crate::app::widgets::icon::icon_button;
use crate::app::widgets::tone::{tone_colour, tone_icon};

/// Draws the toasts; returns the user's actions.
pub(super) fn ui(ui: &Ui, notifications: &Notifications, now: Instant) -> Vec<Action> {
    let mut actions = Vec::new();
    let (shown, next) = notifications.toasts(now);
    if let Some(next) = next {
        ui.ctx().request_repaint_after(next);
    }
    if shown.is_empty() {
        return actions;
    }
    let area = Area::new(Id::unique("toasts"))
        .order(Order::Foreground)
        .anchor(Align2::RIGHT_BOTTOM, vec2(-12.0, -theme::STATUS_HEIGHT - 10.0));
    area.show(ui.ctx(), |ui| {
        ui.set_width(theme::TOAST_WIDTH);
        for one in shown.into_iter().rev() {
            let colour = tone_colour(ui, one.tone);
            let frame = Frame::popup(ui.style()).stroke((1.0, colour));
            if frame.show(ui, |ui| ui.horizontal_top(|ui| toast_ui(ui, one)).inner).inner {
                actions.push(Action::DismissToast(one.id));
            }
        }
    });
    actions
}

/// Draws one toast; returns whether it was dismissed.
fn toast_ui(ui: &mut Ui, one: &Notification) -> bool {
    ui.label(tone_icon(one.tone).rich_text().color(tone_colour(ui, one.tone)));
    let width = ui.available_width() - theme::ICON_BUTTON.x - 8.0;
    ui.vertical(|ui| {
        ui.set_width(width);
        ui.add(Label::new(RichText::new(&one.text).strong()).wrap());
        for more in one.why.iter().chain(&one.remedy) {
            ui.add(Label::new(RichText::new(more).small()).wrap());
        }
    });
    icon_button(ui, ICON_CLOSE, "Dismiss", "It stays in the log").clicked()
}
