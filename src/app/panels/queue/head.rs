//! The line above the table: how many jobs there are, when all are done, and the pause of the whole queue.

use eframe::egui::{Align, Button, Label, Layout, RichText, Role, Ui, WidgetInfo, vec2};
use egui_material_icons::icons::{ICON_PAUSE, ICON_PLAY_ARROW, ICON_VIEW_COLUMN};

use super::rows::Rows;
use super::view::{QueueAction, QueueView};
use crate::app::theme;
use crate::app::widgets::icon::icon_button;
use crate::queue::QueueCommand;

/// Height of the line.
const HEIGHT: f32 = 30.0;

/// Draws the line.
pub(super) fn head_ui(ui: &mut Ui, view: &QueueView<'_>, rows: &Rows, actions: &mut Vec<QueueAction>) {
    let room = ui.available_width();
    ui.allocate_ui_with_layout(vec2(room, HEIGHT), Layout::right_to_left(Align::Center), |ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let columns = icon_button(ui, ICON_VIEW_COLUMN, "Columns of the queue", "Choose the columns");
        eframe::egui::Popup::menu(&columns)
            .close_behavior(eframe::egui::PopupCloseBehavior::CloseOnClickOutside)
            .show(|ui| actions.extend(view.columns.menu_ui(ui, room).map(QueueAction::Columns)));
        pause_ui(ui, view, actions);
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            let count = match rows.num_open {
                0 => "The queue is empty".to_owned(),
                1 => "1 job".to_owned(),
                count => format!("{count} jobs"),
            };
            let total = rows.schedule.total(view);
            let text = [Some(count), total].into_iter().flatten().collect::<Vec<_>>().join(" · ");
            ui.add(Label::new(RichText::new(&text).weak()).truncate().show_tooltip_when_elided(false))
                .on_hover_text(text);
        });
    });
}

/// The button that pauses the whole queue, or says that it is paused and resumes it.
fn pause_ui(ui: &mut Ui, view: &QueueView<'_>, actions: &mut Vec<QueueAction>) {
    let command = if view.is_paused {
        let text = RichText::new("Resume queue").color(theme::tokens(ui).on_accent);
        let button = Button::new((ICON_PLAY_ARROW.rich_text().color(theme::tokens(ui).on_accent), text));
        let button = button.fill(theme::tokens(ui).accent);
        let about = "The queue is paused: no job starts until it is resumed";
        let response = ui.add(button);
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, "Resume queue"));
        response.on_hover_text(about).clicked().then_some(QueueCommand::ResumeAll)
    } else {
        let about = "No job starts until the queue is resumed, also after a restart; a running one stops after its step";
        let clicked = icon_button(ui, ICON_PAUSE, "Pause queue", about).clicked();
        clicked.then_some(QueueCommand::PauseAll)
    };
    actions.extend(command.map(QueueAction::Command));
}
