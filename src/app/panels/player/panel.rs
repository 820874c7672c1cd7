//! The video: the picture, and the controls below it.

use eframe::egui::{
    Align, CornerRadius, Image, Label, Layout, Rect, RichText, Role, Sense, Slider, Ui, Vec2, WidgetInfo,
    load::SizedTexture, vec2,
};
use egui_material_icons::icons::{
    ICON_FIRST_PAGE, ICON_LAST_PAGE, ICON_PAUSE, ICON_PLAY_ARROW, ICON_SKIP_NEXT, ICON_SKIP_PREVIOUS,
};

use crate::app::shell::action::{Action, PlayerAction};
use crate::app::shell::command::Command;
use crate::app::shell::view::{AppView, Screen};
use crate::app::theme;
use crate::app::widgets::icon::icon_button;

/// Height of the row of controls, with the space above it.
const CONTROLS_HEIGHT: f32 = 44.0;

/// Draws the video; says what the person asked for.
pub(in crate::app) fn ui(ui: &mut Ui, view: &AppView<'_>) -> Vec<Action> {
    let screen = view.screen;
    let height = (ui.available_height() - CONTROLS_HEIGHT).max(0.0);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Video"));
    ui.painter().rect_filled(rect, CornerRadius::same(6), theme::tokens(ui).stage);
    picture_ui(ui, rect, screen);
    let mut actions = Vec::new();
    if screen.frames == 0 {
        return Vec::new();
    }
    if response.clicked() {
        actions.push(PlayerAction::Toggle);
    }
    keys(ui, screen, &mut actions);
    ui.add_space(4.0);
    ui.horizontal(|ui| controls_ui(ui, screen, &mut actions));
    actions.into_iter().map(Action::Player).collect()
}

fn keys(ui: &Ui, screen: &Screen, actions: &mut Vec<PlayerAction>) {
    for (command, action) in verbs(screen) {
        if command.pressed(ui.ctx()) {
            actions.push(action);
        }
    }
}

fn verbs(screen: &Screen) -> [(Command, PlayerAction); 5] {
    [
        (Command::FirstFrame, PlayerAction::Seek(0)),
        (Command::StepBack, PlayerAction::Step(-1)),
        (Command::PlayPause, PlayerAction::Toggle),
        (Command::StepForward, PlayerAction::Step(1)),
        (Command::LastFrame, PlayerAction::Seek(screen.frames.saturating_sub(1))),
    ]
}

/// The picture as large as it fits, or what to do to get one.
fn picture_ui(ui: &mut Ui, rect: Rect, screen: &Screen) {
    if let Some(error) = &screen.error {
        let text = RichText::new(format!("{error:#}")).color(theme::tokens(ui).error);
        ui.put(rect.shrink(24.0), Label::new(text).wrap());
        return;
    }
    let Some((texture, size)) = screen.picture else {
        let text = match &screen.path {
            Some(_) => "Opening…",
            None => {
                "Your video appears here. Drop a video made with Wandeck to bring its settings back, a picture to start from, or a LoRA"
            }
        };
        ui.put(rect.shrink(24.0), Label::new(RichText::new(text).weak()).wrap());
        return;
    };
    let room = rect.shrink(8.0);
    let scale = (room.size() / size.max(Vec2::splat(1.0))).min_elem().max(0.0);
    let place = Rect::from_center_size(room.center(), size * scale);
    Image::from_texture(SizedTexture::new(texture, size)).paint_at(ui, place);
}

fn controls_ui(ui: &mut Ui, screen: &Screen, actions: &mut Vec<PlayerAction>) {
    for (command, action) in verbs(screen) {
        let icon = match command {
            Command::FirstFrame => ICON_FIRST_PAGE,
            Command::StepBack => ICON_SKIP_PREVIOUS,
            Command::StepForward => ICON_SKIP_NEXT,
            Command::LastFrame => ICON_LAST_PAGE,
            _ if screen.playing => ICON_PAUSE,
            _ => ICON_PLAY_ARROW,
        };
        let name = match command {
            Command::PlayPause if screen.playing => "Pause",
            Command::PlayPause => "Play",
            other => other.text(),
        };
        if icon_button(ui, icon, name, &command.tooltip(ui.ctx())).clicked() {
            actions.push(action);
        }
    }
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let seconds = screen.interval.as_secs_f64() * f64::from(screen.index);
        ui.label(format!("Frame {} of {} · {seconds:.2} s", screen.index + 1, screen.frames));
        let mut shown = screen.index;
        ui.spacing_mut().slider_width = (ui.available_width() - 8.0).max(40.0);
        let slider = Slider::new(&mut shown, 0..=screen.frames.saturating_sub(1)).show_value(false);
        let response = ui.add(slider);
        response.widget_info(|| WidgetInfo::slider(true, f64::from(screen.index), "Position"));
        if response.changed() && shown != screen.index {
            actions.push(PlayerAction::Seek(shown));
        }
    });
}

#[cfg(test)]
mod tests {
    use eframe::egui::{Key, accesskit::Role as NodeRole};
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::app::panels::fixture::{PanelHarness, harness};

    fn player() -> Harness<'static, PanelHarness> {
        let screen = Screen { frames: 17, index: 3, playing: true, ..Screen::default() };
        harness(PanelHarness { screen, ..PanelHarness::new() }, super::ui)
    }

    fn asked(harness: &Harness<'_, PanelHarness>) -> Vec<PlayerAction> {
        let player = |action: &Action| match action {
            Action::Player(action) => *action,
            other => panic!("{other:?}"),
        };
        harness.state().actions.iter().map(player).collect()
    }

    #[test]
    fn keys_play_and_step() {
        let mut harness = player();
        for key in [Key::Space, Key::ArrowLeft, Key::ArrowRight, Key::Home, Key::End] {
            harness.key_press(key);
            harness.run();
        }
        let expected = [
            PlayerAction::Toggle,
            PlayerAction::Step(-1),
            PlayerAction::Step(1),
            PlayerAction::Seek(0),
            PlayerAction::Seek(16),
        ];
        assert_eq!(asked(&harness), expected);
    }

    #[test]
    fn buttons_have_names_and_do_the_same() {
        let mut harness = player();
        for name in ["Pause", "Next frame", "Last frame"] {
            harness.get_by_role_and_label(NodeRole::Button, name).click();
            harness.run();
        }
        assert_eq!(asked(&harness), [PlayerAction::Toggle, PlayerAction::Step(1), PlayerAction::Seek(16)]);
    }

    #[test]
    fn dragging_the_position_seeks() {
        let mut harness = player();
        let rect = harness.get_by_role_and_label(NodeRole::Slider, "Position").rect();
        harness.drag_at(rect.left_center() + vec2(2.0, 0.0));
        harness.run();
        harness.drop_at(rect.left_center() + vec2(2.0, 0.0));
        harness.run();
        assert_eq!(asked(&harness).first(), Some(&PlayerAction::Seek(0)));
    }
}
