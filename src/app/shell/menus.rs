//! The menu bar, with buttons for the palette and the notifications.

use eframe::egui::{Align, Button, Layout as UiLayout, MenuBar, Panel, RichText, Ui};

use super::action::Action;
use super::app::State;
use super::command::Command;
use super::layout::{Layout, PanelId};
use crate::app::panels::player::PlayerCommand;

/// Draws the bar; returns the user's actions.
pub(super) fn ui(ui: &mut Ui, state: &State, layout: &Layout) -> Vec<Action> {
    let mut asked = Vec::new();
    Panel::top("menu").resizable(false).show(ui, |ui| {
        MenuBar::new().ui(ui, |ui| {
            ui.label(RichText::new("Wandeck").strong());
            ui.menu_button("File", |ui| {
                items_ui(ui, state, &mut asked, &[Command::OpenFile, Command::FindModels]);
                ui.separator();
                items_ui(ui, state, &mut asked, &[Command::Quit]);
            });
            ui.menu_button("Edit", |ui| {
                items_ui(ui, state, &mut asked, &[Command::Undo, Command::Redo]);
                ui.separator();
                items_ui(ui, state, &mut asked, &[Command::RandomSeed, Command::ReuseSeed]);
                ui.separator();
                items_ui(ui, state, &mut asked, &[Command::PreviousPrompt, Command::NextPrompt]);
            });
            ui.menu_button("View", |ui| view_menu_ui(ui, state, layout, &mut asked));
            ui.menu_button("Playback", |ui| {
                for group in PlayerCommand::ALL.chunk_by(|_, next| !next.starts_group()) {
                    if group[0].starts_group() {
                        ui.separator();
                    }
                    items_ui(
                        ui,
                        state,
                        &mut asked,
                        &group.iter().copied().map(Command::Player).collect::<Vec<_>>(),
                    );
                }
            });
            ui.menu_button("Queue", |ui| {
                items_ui(
                    ui,
                    state,
                    &mut asked,
                    &[Command::Generate, Command::GenerateFirst, Command::Cancel],
                );
                ui.separator();
                items_ui(ui, state, &mut asked, &[Command::PauseQueue, Command::ClearEnded]);
            });
            ui.menu_button("Help", |ui| {
                items_ui(
                    ui,
                    state,
                    &mut asked,
                    &[Command::Palette, Command::Shortcuts, Command::ShowPanel(PanelId::Log)],
                );
            });
            ui.with_layout(UiLayout::right_to_left(Align::Center), |ui| {
                let text = match state.notifications.unread() {
                    0 => "Notifications".to_owned(),
                    1 => "1 notification".to_owned(),
                    count => format!("{count} notifications"),
                };
                pill_ui(ui, &text, Command::Notifications, &mut asked);
                let keys = Command::Palette.keys(ui.ctx());
                let text = format!("{keys} commands");
                pill_ui(ui, text.trim_start(), Command::Palette, &mut asked);
            });
        });
    });
    asked.into_iter().map(Action::Command).collect()
}

fn pill_ui(ui: &mut Ui, text: &str, command: Command, asked: &mut Vec<Command>) {
    let button = Button::new(RichText::new(text).small().weak()).corner_radius(10).frame(true);
    // a menu bar removes the frames of its buttons
    let fill = ui.visuals().faint_bg_color;
    let button = button.fill(fill);
    if ui.add(button).on_hover_text(command.tooltip(ui.ctx())).clicked() {
        asked.push(command);
    }
}

fn view_menu_ui(ui: &mut Ui, state: &State, layout: &Layout, asked: &mut Vec<Command>) {
    for panel in PanelId::ALL {
        let command = Command::ShowPanel(panel);
        let is_open = layout.is_open(panel);
        let text = if is_open { panel.title().to_owned() } else { format!("{} (closed)", panel.title()) };
        item_ui(ui, command, &text, state.may(command), asked);
    }
    ui.separator();
    items_ui(ui, state, asked, &[Command::MonitorLine, Command::ResetLayout]);
    ui.separator();
    items_ui(ui, state, asked, &[Command::DarkTheme, Command::LightTheme, Command::SystemTheme]);
    ui.separator();
    items_ui(ui, state, asked, &[Command::ZoomIn, Command::ZoomOut, Command::ZoomReset, Command::FullScreen]);
}

fn items_ui(ui: &mut Ui, state: &State, asked: &mut Vec<Command>, commands: &[Command]) {
    for command in commands {
        item_ui(ui, *command, command.text(), state.may(*command), asked);
    }
}

fn item_ui(ui: &mut Ui, command: Command, text: &str, may: Result<(), String>, asked: &mut Vec<Command>) {
    let button = Button::new(text).shortcut_text(command.keys(ui.ctx()));
    let response = ui.add_enabled(may.is_ok(), button).on_hover_text(command.about());
    let response = match may {
        Ok(()) => response,
        Err(reason) => response.on_disabled_hover_text(reason),
    };
    if response.clicked() {
        asked.push(command);
        ui.close();
    }
}
