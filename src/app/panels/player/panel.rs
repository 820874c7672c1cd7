//! The player panel: the frame, and the controls below it.

use eframe::egui::{
    Align, Button, CornerRadius, Frame, Label, Layout, Rect, Response, RichText, Role, Sense, Ui, UiBuilder,
    WidgetInfo, vec2,
};

use super::command::PlayerCommand;
use super::controls::{self, Arrangement};
use super::view::{PlayerAction, PlayerView, Screen};
use super::viewport::{Viewport, frame_ui};
use crate::app::theme;

/// Margin around a frame that fits the stage.
const MARGIN: f32 = 8.0;
/// Width from which on the names of result and preview fit beside each other.
const BADGES: f32 = 560.0;

/// The view state of the player.
#[derive(Default)]
pub(in crate::app) struct PlayerPanel {
    hides_preview: bool,
    viewport: Viewport,
}

impl PlayerPanel {
    /// Shows the whole frame.
    pub(in crate::app) fn fit(&mut self) {
        self.viewport = Viewport::default();
    }

    /// Shows one pixel of the frame as one pixel of the screen, where there are `pixels_per_point` of them.
    pub(in crate::app) fn full_size(&mut self, pixels_per_point: f32) {
        self.viewport = Viewport::full_size(pixels_per_point);
    }

    /// Draws the video and its controls; returns the user's actions.
    pub(in crate::app) fn ui(&mut self, ui: &mut Ui, view: &PlayerView<'_>) -> Vec<PlayerAction> {
        let mut actions = Vec::new();
        let screen = view.screen;
        let arrangement = Arrangement::of(ui.available_size());
        let height = (ui.available_height() - arrangement.height()).max(0.0);
        let (rect, response) =
            ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::click_and_drag());
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Video"));
        ui.painter().rect_filled(rect, CornerRadius::same(6), theme::tokens(ui).stage);
        let is_empty = screen.path.is_none();
        let (result, live) = match view.preview {
            Some(_) if is_empty => (None, Some(rect)),
            Some(_) if !self.hides_preview => {
                let split = rect.left() + rect.width() * 0.62;
                let (left, right) = rect.split_left_right_at_x(split);
                (Some(left), Some(right))
            }
            _ => (Some(rect), None),
        };
        if let Some(rect) = result {
            self.move_frame(ui, rect, screen, &response);
            self.result_ui(ui, rect, screen);
            if response.clicked() && screen.frames > 0 {
                actions.push(PlayerAction::Command(PlayerCommand::PlayPause));
            }
            if screen.frames > 0 {
                response.context_menu(|ui| controls::options_ui(ui, screen, &mut actions));
            }
        }
        self.preview_ui(ui, rect, live, view, is_empty);
        let shown = result.unwrap_or(rect).shrink(MARGIN);
        let zoom = screen.texture.map(|(_, size)| self.viewport.scale(shown, size) * ui.pixels_per_point());
        controls::ui(ui, screen, arrangement, zoom, &mut actions);
        actions
    }

    /// The wheel zooms at the pointer, a drag moves the frame, a double-click fits it.
    fn move_frame(&mut self, ui: &Ui, rect: Rect, screen: &Screen, response: &Response) {
        let Some((_, size)) = screen.texture else { return };
        let area = rect.shrink(MARGIN);
        if response.double_clicked() {
            self.fit();
        }
        let pointer = response.hover_pos().filter(|pointer| rect.contains(*pointer));
        self.viewport.follow(ui, area, size, pointer, response);
    }

    /// The opened video, with its name above it.
    fn result_ui(&self, ui: &mut Ui, rect: Rect, screen: &Screen) {
        match screen.texture {
            Some((texture, size)) if screen.error.is_none() => {
                frame_ui(ui, rect, self.viewport.place(rect.shrink(MARGIN), size), texture);
            }
            _ => placeholder_ui(ui, rect, screen),
        }
        let Some(path) = &screen.path else { return };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let text = screen.job.map_or_else(|| name.to_string(), |job| format!("Result · job {job}"));
        let right = 260.0_f32.min(rect.width() - 8.0);
        let place = Rect::from_min_max(rect.left_top() + vec2(8.0, 8.0), rect.left_top() + vec2(right, 34.0));
        let mut child = ui.new_child(UiBuilder::new().max_rect(place));
        let frame = Frame::new().fill(theme::tokens(ui).stage).inner_margin(4.0).corner_radius(4);
        frame.show(&mut child, |ui| {
            let label = Label::new(RichText::new(text).small()).truncate().show_tooltip_when_elided(false);
            ui.add(label).on_hover_text(path.display().to_string());
        });
    }

    /// The live preview of the running job with its label, which hides or shows the preview when a video is open,
    /// too.
    fn preview_ui(
        &mut self,
        ui: &mut Ui,
        all: Rect,
        place: Option<Rect>,
        view: &PlayerView<'_>,
        is_alone: bool,
    ) {
        let Some(preview) = view.preview else { return };
        if let (Some(place), Some((texture, size))) = (place, preview.texture) {
            frame_ui(ui, place, Viewport::default().place(place.shrink(MARGIN), size), texture);
        }
        let stage = preview.stage.name(view.has_two_experts).to_lowercase();
        let text = format!("Live preview · job {} · {stage}", preview.job);
        // below the result's name where both do not fit beside each other
        let top = if all.width() < BADGES { 38.0 } else { 8.0 };
        let left = -300.0_f32.min(all.width() - 8.0);
        let place =
            Rect::from_min_max(all.right_top() + vec2(left, top), all.right_top() + vec2(-8.0, top + 26.0));
        let builder = UiBuilder::new().max_rect(place).layout(Layout::right_to_left(Align::Min));
        let mut child = ui.new_child(builder);
        let colour = theme::stage_colour(ui, preview.stage);
        let fill = theme::tokens(ui).stage;
        let button = Button::new(RichText::new(text).small()).fill(fill).stroke((1.0, colour)).truncate();
        let about = if self.hides_preview { "Show it beside the result" } else { "Hide it" };
        let response = child.add_enabled(!is_alone, button).on_hover_text(about);
        if response.on_disabled_hover_text("What the running job looks like so far").clicked() {
            self.hides_preview = !self.hides_preview;
        }
    }
}

/// The reason why there is no frame, or how to get one.
fn placeholder_ui(ui: &mut Ui, rect: Rect, screen: &Screen) {
    if let Some(error) = &screen.error {
        let text = RichText::new(format!("{error:#}")).color(theme::tokens(ui).error);
        return text_ui(ui, rect, text);
    }
    let text = match &screen.path {
        Some(_) => "Opening…",
        None => {
            "Your video appears here. Drop a video made with Wandeck to bring its settings back, an image to start from, or a LoRA"
        }
    };
    text_ui(ui, rect, RichText::new(text).weak());
}

/// A sentence in the middle of the stage.
fn text_ui(ui: &mut Ui, rect: Rect, text: RichText) {
    // a separate child, so that the controls below do not move
    let layout = Layout::centered_and_justified(eframe::egui::Direction::TopDown);
    let mut child = ui.new_child(UiBuilder::new().max_rect(rect.shrink(24.0)).layout(layout));
    child.add(Label::new(text).wrap());
}

#[cfg(test)]
mod tests {
    use eframe::egui::accesskit::Role as NodeRole;
    use std::time::Duration;

    use eframe::egui::{
        ColorImage, Event, Modifiers, MouseWheelSource, MouseWheelUnit, PointerButton, TextureHandle,
        TextureId, TextureOptions, Theme, TouchPhase, Vec2, pos2,
    };
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::app::panels::player::Repeat;
    use crate::app::panels::player::view::LivePreview;
    use crate::core::Stage;
    use crate::jobs::JobId;

    #[derive(Default)]
    struct Bench {
        panel: PlayerPanel,
        screen: Screen,
        preview: Option<LivePreview>,
        actions: Vec<PlayerAction>,
    }

    fn player(bench: Bench) -> Harness<'static, Bench> {
        player_of(vec2(640.0, 480.0), bench)
    }

    fn player_of(size: Vec2, bench: Bench) -> Harness<'static, Bench> {
        let draw = |ui: &mut Ui, bench: &mut Bench| {
            let view =
                PlayerView { screen: &bench.screen, preview: bench.preview.as_ref(), has_two_experts: true };
            bench.actions.extend(bench.panel.ui(ui, &view));
        };
        Harness::builder()
            .with_size(size)
            // short frames, so that two clicks make a double-click
            .with_step_dt(0.02)
            .with_context_setup(theme::install)
            .build_ui_state(draw, bench)
    }

    fn playing() -> Bench {
        let path = Some("a.mp4".into());
        let screen = Screen { path, frames: 17, index: 3, playing: true, ..Screen::default() };
        Bench { screen, ..Bench::default() }
    }

    #[test]
    fn buttons_have_names() {
        let mut harness = player(playing());
        for name in ["Pause", "Next frame", "Last frame"] {
            harness.get_by_role_and_label(NodeRole::Button, name).click();
            harness.run();
        }
        let asked = [PlayerCommand::PlayPause, PlayerCommand::StepForward, PlayerCommand::LastFrame];
        let asked = asked.map(PlayerAction::Command);
        assert_eq!(harness.state().actions, asked);
    }

    #[test]
    fn nothing_is_cut_in_a_small_panel() {
        for size in [vec2(640.0, 480.0), vec2(460.0, 400.0), vec2(460.0, 260.0), vec2(280.0, 140.0)] {
            let harness = player_of(size, playing());
            let tight = size.x < 350.0 || size.y < 350.0;
            let more = if tight { "More controls" } else { "Save the frame as PNG" };
            for name in ["Previous frame", "Pause", "Next frame", more] {
                let rect = harness.get_by_role_and_label(NodeRole::Button, name).rect();
                assert!(rect.max.x <= size.x && rect.max.y <= size.y, "{size:?}, {name}: {rect:?}");
            }
            let video = harness.get_by_role_and_label(NodeRole::Image, "Video").rect();
            assert!(video.height() >= 0.55 * size.y, "{size:?}: {video:?}");
        }
        let harness = player_of(vec2(190.0, 140.0), playing());
        for name in ["Pause", "More controls"] {
            let rect = harness.get_by_role_and_label(NodeRole::Button, name).rect();
            assert!(rect.max.x <= 190.0 && rect.max.y <= 140.0, "{name}: {rect:?}");
        }
        // the menu has the rest
        let mut harness = player_of(vec2(340.0, 800.0), playing());
        harness.get_by_role_and_label(NodeRole::Button, "More controls").click();
        harness.run();
        harness.get_by_label_contains("Set in point").click();
        harness.run();
        assert_eq!(harness.state().actions, [PlayerAction::Command(PlayerCommand::SetInPoint)]);
    }

    #[test]
    fn every_control_has_a_name_and_its_place_stays() {
        let mut harness = player(playing());
        let names = ["Loop", "Set in point", "Set out point", "Clear in and out points"];
        let others = ["Fit the frame", "Frame at 100 %", "Copy the frame", "Save the frame as PNG"];
        let before = harness.get_by_label("Save the frame as PNG").rect();
        for name in names.into_iter().chain(others) {
            harness.get_by_role_and_label(NodeRole::Button, name).click();
            harness.run();
        }
        let asked = [
            PlayerCommand::NextRepeatMode,
            PlayerCommand::SetInPoint,
            PlayerCommand::SetOutPoint,
            PlayerCommand::ClearInOut,
            PlayerCommand::FitFrame,
            PlayerCommand::FullSizeFrame,
            PlayerCommand::CopyFrame,
            PlayerCommand::SaveFrame,
        ];
        assert_eq!(harness.state().actions, asked.map(PlayerAction::Command));
        let screen = &mut harness.state_mut().screen;
        (screen.repeat, screen.rate, screen.playing) = (Repeat::PingPong, -4.0, false);
        (screen.in_point, screen.out_point) = (Some(2), Some(9));
        harness.run();
        harness.get_by_role_and_label(NodeRole::Button, "Ping-pong");
        harness.get_by_role_and_label(NodeRole::Button, "Play");
        assert_eq!(harness.get_by_label("Save the frame as PNG").rect(), before);
    }

    #[test]
    fn the_video_has_a_menu_of_what_can_be_done_with_it() {
        let mut harness = player(playing());
        harness.get_by_role_and_label(NodeRole::Image, "Video").click_secondary();
        harness.run();
        // the other one is the button below the video
        harness.get_all_by_label_contains("Save the frame as PNG").last().unwrap().click();
        harness.run();
        assert_eq!(harness.state().actions, [PlayerAction::Command(PlayerCommand::SaveFrame)]);
        assert!(harness.query_by_label_contains("Repeat mode").is_none(), "the menu is closed");
    }

    #[test]
    fn the_speed_is_chosen_from_a_list() {
        let mut harness = player(playing());
        harness.get_by_role_and_label(NodeRole::ComboBox, "Speed").click();
        harness.run();
        harness.get_by_label("0.25×").click();
        harness.run();
        assert_eq!(harness.state().actions, [PlayerAction::Speed(0.25)]);
    }

    #[test]
    fn the_wheel_zooms_and_a_double_click_fits() {
        let mut bench = playing();
        bench.screen.texture = Some((TextureId::default(), vec2(64.0, 64.0)));
        let mut harness = player(bench);
        let fit = harness.state().panel.viewport;
        harness.hover_at(pos2(300.0, 200.0));
        harness.run();
        let delta = vec2(0.0, 100.0);
        let (unit, modifiers) = (MouseWheelUnit::Point, Modifiers::NONE);
        harness.event(Event::MouseWheel {
            unit,
            source: MouseWheelSource::Wheel,
            delta,
            phase: TouchPhase::Move,
            modifiers,
        });
        // the wheel is smoothed over several frames
        harness.run_steps(60);
        assert_ne!(harness.state().panel.viewport, fit);
        for _ in 0..2 {
            for pressed in [true, false] {
                let (pos, button) = (pos2(300.0, 200.0), PointerButton::Primary);
                harness.event(Event::PointerButton { pos, button, pressed, modifiers });
            }
        }
        harness.run_steps(10);
        assert_eq!(harness.state().panel.viewport, fit);
    }

    #[test]
    fn dragging_the_position_seeks() {
        let mut harness = player(playing());
        let rect = harness.get_by_role_and_label(NodeRole::Slider, "Position").rect();
        harness.drag_at(rect.left_center() + vec2(2.0, 0.0));
        harness.run();
        harness.drop_at(rect.left_center() + vec2(2.0, 0.0));
        harness.run();
        assert_eq!(harness.state().actions.first(), Some(&PlayerAction::Seek(0)));
    }

    #[test]
    fn a_live_preview_stands_beside_the_result_under_its_own_name() {
        let mut bench = playing();
        bench.screen.job = Some(JobId(41));
        bench.preview = Some(LivePreview { job: JobId(42), stage: Stage::DenoiseLow, texture: None });
        let mut harness = player(bench);
        harness.get_by_label("Result · job 41");
        harness.get_by_label_contains("Live preview · job 42").click();
        harness.run();
        harness.get_by_label("Result · job 41");
        assert!(harness.state().panel.hides_preview);
    }

    #[test]
    fn snapshot_of_the_player() {
        let mut shown: Option<(Theme, TextureHandle)> = None;
        let mut panel = PlayerPanel::default();
        crate::app::snapshots::compare("player", vec2(720.0, 480.0), |ui| {
            let theme = ui.ctx().theme();
            if shown.as_ref().is_none_or(|(of, _)| *of != theme) {
                let rgb: Vec<_> = (0..64 * 64)
                    .flat_map(|pixel| [(pixel % 64 * 4) as u8, (pixel / 16) as u8, 120])
                    .collect();
                let frame = ColorImage::from_rgb([64, 64], &rgb);
                let texture = ui.ctx().load_texture("frame", frame, TextureOptions::NEAREST);
                shown = Some((theme, texture));
            }
            let texture = shown.as_ref().map(|(_, texture)| (texture.id(), texture.size_vec2()));
            let bench = playing();
            let interval = Duration::from_millis(125);
            let screen = Screen {
                texture,
                interval,
                in_point: Some(2),
                out_point: Some(12),
                playing: false,
                speed: 1.0,
                ..bench.screen
            };
            let preview = LivePreview { job: JobId(7), stage: Stage::DenoiseHigh, texture };
            drop(
                panel.ui(ui, &PlayerView { screen: &screen, preview: Some(&preview), has_two_experts: true }),
            );
        });
    }
}
