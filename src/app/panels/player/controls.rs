//! The player's controls: transport and position, and below them speed, range, zoom and export.

use eframe::egui::containers::menu::MenuButton;
use eframe::egui::{Align, Button, ComboBox, Label, Layout, Rect, Role, Slider, Ui, Vec2, WidgetInfo, vec2};
use egui_material_icons::MaterialIcon;
use egui_material_icons::icons::{
    ICON_MORE_HORIZ, ICON_PAUSE, ICON_PLAY_ARROW, ICON_REPEAT, ICON_SYNC_ALT, ICON_TRENDING_FLAT,
};

use super::command::PlayerCommand;
use super::view::{PlayerAction, Repeat, Screen};
use crate::app::shell::command::Command;
use crate::app::theme;
use crate::app::widgets::icon::icon_button;

/// Height of two rows of controls, including the space above them.
const HEIGHT: f32 = 74.0;
/// Height of one row more.
const ROW: f32 = 36.0;
/// Below this width the position is short, and the options take two rows.
const NARROW: f32 = 530.0;
/// Below this width, and below this height of the panel, the options are in a menu.
const TIGHT: [f32; 2] = [350.0, 350.0];
/// Width from which on there are buttons for a step back and forward.
const STEPS: f32 = 240.0;
/// Width of "Frame 121 of 121 · 7.50 s".
const POSITION_WIDTH: f32 = 176.0;
/// Width of "121 / 121".
const SHORT_POSITION_WIDTH: f32 = 68.0;
/// Width of "-4.00×" and "3200 %".
const VALUE_WIDTH: f32 = 52.0;
/// The listed speeds, relative to the video's frame rate.
const SPEEDS: [f64; 7] = [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0];

/// How the controls are arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrangement {
    /// Transport, and all options in a row below it.
    Wide,
    /// Transport without first and last frame, and the options in two rows.
    Narrow,
    /// One row, with the options in a menu, so that the video has the room.
    Tight,
}

impl Arrangement {
    /// The arrangement for a panel of this size.
    pub(super) fn of(panel: Vec2) -> Self {
        if panel.x < TIGHT[0] || panel.y < TIGHT[1] {
            Self::Tight
        } else if panel.x < NARROW {
            Self::Narrow
        } else {
            Self::Wide
        }
    }

    /// Height of the controls.
    pub(super) fn height(self) -> f32 {
        match self {
            Self::Wide => HEIGHT,
            Self::Narrow => HEIGHT + ROW,
            Self::Tight => HEIGHT - ROW,
        }
    }
}

/// Draws the rows; `zoom` is in screen pixels per pixel of the frame.
pub(super) fn ui(
    ui: &mut Ui,
    screen: &Screen,
    arrangement: Arrangement,
    zoom: Option<f32>,
    actions: &mut Vec<PlayerAction>,
) {
    ui.add_space(4.0);
    ui.add_enabled_ui(screen.frames > 0, |ui| {
        ui.horizontal(|ui| transport_ui(ui, screen, arrangement, actions));
        match arrangement {
            Arrangement::Wide => {
                ui.horizontal(|ui| {
                    speed_and_range_ui(ui, screen, actions);
                    ui.separator();
                    view_ui(ui, zoom, actions);
                });
            }
            Arrangement::Narrow => {
                ui.horizontal(|ui| speed_and_range_ui(ui, screen, actions));
                ui.horizontal(|ui| view_ui(ui, zoom, actions));
            }
            Arrangement::Tight => {}
        }
    });
}

fn transport_ui(ui: &mut Ui, screen: &Screen, arrangement: Arrangement, actions: &mut Vec<PlayerAction>) {
    let is_narrow = arrangement != Arrangement::Wide;
    let has_steps = ui.available_width() >= STEPS;
    // where there is little room, the first and the last frame are for the keyboard and the slider
    if !is_narrow {
        button_ui(ui, PlayerCommand::FirstFrame, actions);
    }
    if has_steps {
        button_ui(ui, PlayerCommand::StepBack, actions);
    }
    let (icon, name) = if screen.playing { (ICON_PAUSE, "Pause") } else { (ICON_PLAY_ARROW, "Play") };
    let play = PlayerCommand::PlayPause;
    if icon_button(ui, icon, name, &Command::Player(play).tooltip(ui.ctx())).clicked() {
        actions.push(PlayerAction::Command(play));
    }
    if has_steps {
        button_ui(ui, PlayerCommand::StepForward, actions);
    }
    if !is_narrow {
        button_ui(ui, PlayerCommand::LastFrame, actions);
    }
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        if arrangement == Arrangement::Tight {
            options_menu_ui(ui, screen, actions);
        }
        position_ui(ui, screen, is_narrow, actions);
    });
}

/// A menu with what has no button where there is little room.
fn options_menu_ui(ui: &mut Ui, screen: &Screen, actions: &mut Vec<PlayerAction>) {
    let enabled = ui.is_enabled();
    let button = Button::new(ICON_MORE_HORIZ.rich_text().size(theme::ICON_SIZE)).min_size(theme::ICON_BUTTON);
    let (response, _) = MenuButton::from_button(button).ui(ui, |ui| options_ui(ui, screen, actions));
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, "More controls"));
    response.on_hover_text("Speed, repeat mode, in and out points, zoom, copy and save the frame");
}

/// The items of a menu with every control but play.
pub(super) fn options_ui(ui: &mut Ui, screen: &Screen, actions: &mut Vec<PlayerAction>) {
    use PlayerCommand::{
        ClearInOut, CopyFrame, FirstFrame, FitFrame, FullSizeFrame, LastFrame, NextRepeatMode, SaveFrame,
        SetInPoint, SetOutPoint, StepBack, StepForward,
    };
    let groups: [&[PlayerCommand]; 4] = [
        &[StepBack, StepForward, FirstFrame, LastFrame],
        &[SetInPoint, SetOutPoint, ClearInOut],
        &[FitFrame, FullSizeFrame],
        &[CopyFrame, SaveFrame],
    ];
    let (_, repeat) = repeat_mode(screen);
    item_ui(ui, NextRepeatMode, &format!("Repeat mode: {repeat}"), actions);
    ui.menu_button(format!("Speed: {}", times(screen.speed)), |ui| speeds_ui(ui, screen, actions));
    for group in groups {
        ui.separator();
        for command in group {
            item_ui(ui, *command, command.text(), actions);
        }
    }
}

fn item_ui(ui: &mut Ui, command: PlayerCommand, text: &str, actions: &mut Vec<PlayerAction>) {
    let keys = Command::Player(command).keys(ui.ctx());
    let response = ui.add(Button::new(text).shortcut_text(keys)).on_hover_text(command.about());
    if response.clicked() {
        actions.push(PlayerAction::Command(command));
        ui.close();
    }
}

fn repeat_mode(screen: &Screen) -> (MaterialIcon, &'static str) {
    match screen.repeat {
        Repeat::Loop => (ICON_REPEAT, "Loop"),
        Repeat::PingPong => (ICON_SYNC_ALT, "Ping-pong"),
        Repeat::Once => (ICON_TRENDING_FLAT, "Play once"),
    }
}

fn speeds_ui(ui: &mut Ui, screen: &Screen, actions: &mut Vec<PlayerAction>) {
    for speed in SPEEDS {
        let is_chosen = (speed - screen.speed).abs() < f64::EPSILON;
        if ui.selectable_label(is_chosen, times(speed)).clicked() {
            actions.push(PlayerAction::Speed(speed));
        }
    }
}

fn button_ui(ui: &mut Ui, command: PlayerCommand, actions: &mut Vec<PlayerAction>) {
    let tooltip = Command::Player(command).tooltip(ui.ctx());
    if icon_button(ui, command.icon(), command.text(), &tooltip).clicked() {
        actions.push(PlayerAction::Command(command));
    }
}

fn position_ui(ui: &mut Ui, screen: &Screen, is_narrow: bool, actions: &mut Vec<PlayerAction>) {
    let seconds = screen.interval.as_secs_f64() * f64::from(screen.index);
    let text = match screen.frames {
        0 => "No video".to_owned(),
        frames if is_narrow => format!("{} / {frames}", screen.index + 1),
        frames => format!("Frame {} of {frames} · {seconds:.2} s", screen.index + 1),
    };
    // fixed width, so that the slider does not move
    let width = if is_narrow { SHORT_POSITION_WIDTH } else { POSITION_WIDTH };
    ui.add_sized(vec2(width, ui.available_height()), Label::new(text).truncate());
    let mut shown = screen.index;
    let last = screen.frames.max(2) - 1;
    ui.spacing_mut().slider_width = (ui.available_width() - 8.0).max(40.0);
    let slider = Slider::new(&mut shown, 0..=last).show_value(false);
    let response = ui.add(slider);
    response.widget_info(|| WidgetInfo::slider(true, f64::from(screen.index), "Position"));
    if response.changed() && shown != screen.index {
        actions.push(PlayerAction::Seek(shown));
    }
    if screen.in_point.is_some() || screen.out_point.is_some() {
        range_ui(ui, response.rect, screen, last);
    }
}

/// A line along the played range.
fn range_ui(ui: &Ui, rect: Rect, screen: &Screen, last: u32) {
    // the slider's handle does not reach the ends of its rectangle
    let track = rect.x_range().shrink(rect.height() / 2.5);
    let x = |index: u32| track.min + track.span() * index as f32 / last as f32;
    let (first, end) = (screen.in_point.unwrap_or(0), screen.out_point.unwrap_or(last));
    let colour = ui.visuals().selection.stroke.color;
    ui.painter().hline(x(first)..=x(end), rect.bottom() - 1.0, (2.0, colour));
}

/// How it repeats, how fast it plays, and the played range.
fn speed_and_range_ui(ui: &mut Ui, screen: &Screen, actions: &mut Vec<PlayerAction>) {
    let (icon, name) = repeat_mode(screen);
    let next = PlayerCommand::NextRepeatMode;
    let about = format!("{name}. {}", next.about());
    if icon_button(ui, icon, name, &Command::Player(next).tooltip_with(ui.ctx(), &about)).clicked() {
        actions.push(PlayerAction::Command(next));
    }
    speed_ui(ui, screen, actions);
    for command in [PlayerCommand::SetInPoint, PlayerCommand::SetOutPoint, PlayerCommand::ClearInOut] {
        button_ui(ui, command, actions);
    }
}

/// The zoom, and what is done with the frame.
fn view_ui(ui: &mut Ui, zoom: Option<f32>, actions: &mut Vec<PlayerAction>) {
    for command in [PlayerCommand::FitFrame, PlayerCommand::FullSizeFrame] {
        button_ui(ui, command, actions);
    }
    let zoom = zoom.map_or_else(String::new, |zoom| format!("{:.0} %", zoom * 100.0));
    value_ui(ui, zoom)
        .on_hover_text("Zoom: the wheel changes it, a drag moves the frame, a double-click fits it");
    ui.separator();
    for command in [PlayerCommand::CopyFrame, PlayerCommand::SaveFrame] {
        button_ui(ui, command, actions);
    }
}

fn value_ui(ui: &mut Ui, text: String) -> eframe::egui::Response {
    ui.add_sized(vec2(VALUE_WIDTH, theme::ICON_BUTTON.y), Label::new(text).truncate())
}

/// The speed control, and beside it the speed of J and L.
fn speed_ui(ui: &mut Ui, screen: &Screen, actions: &mut Vec<PlayerAction>) {
    let enabled = ui.is_enabled();
    let list = ComboBox::from_id_salt("speed").width(VALUE_WIDTH + 12.0).selected_text(times(screen.speed));
    let list = list.show_ui(ui, |ui| speeds_ui(ui, screen, actions));
    list.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, enabled, "Speed"));
    list.response.on_hover_text("Speed relative to the video's own rate");
    let is_shuttle = (screen.rate - screen.speed).abs() > f64::EPSILON;
    let rate = if is_shuttle && screen.playing { times(screen.rate) } else { String::new() };
    value_ui(ui, rate).on_hover_text("Speed now: L plays faster forward, J backwards");
}

fn times(speed: f64) -> String {
    format!("{speed}×")
}
