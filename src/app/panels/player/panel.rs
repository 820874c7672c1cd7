//! The player: the frame, and the controls below it.

use eframe::egui::{
    Align, Button, CornerRadius, Frame, Image, Label, Layout, Rect, RichText, Role, Sense, Slider, TextureId,
    Ui, UiBuilder, Vec2, WidgetInfo, load::SizedTexture, vec2,
};
use egui_material_icons::icons::{
    ICON_FIRST_PAGE, ICON_LAST_PAGE, ICON_PAUSE, ICON_PLAY_ARROW, ICON_SKIP_NEXT, ICON_SKIP_PREVIOUS,
};

use super::view::{LivePreview, PlayerAction, PlayerView, Screen};
use crate::app::shell::command::Command;
use crate::app::theme;
use crate::app::widgets::icon::icon_button;
use crate::core::Stage;

/// Height of the row of controls, with the space above it.
const CONTROLS_HEIGHT: f32 = 40.0;
/// Room for "Frame 121 of 121 · 7.50 s".
const POSITION_WIDTH: f32 = 176.0;

/// The player's own state.
#[derive(Default)]
pub(in crate::app) struct PlayerPanel {
    hides_preview: bool,
}

impl PlayerPanel {
    /// Draws the video and its controls; says what the person asked for.
    pub(in crate::app) fn ui(&mut self, ui: &mut Ui, view: &PlayerView<'_>) -> Vec<PlayerAction> {
        let mut actions = Vec::new();
        let screen = view.screen;
        let height = (ui.available_height() - CONTROLS_HEIGHT).max(0.0);
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::click());
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
            result_ui(ui, rect, screen);
            if response.clicked() && screen.frames > 0 {
                actions.push(PlayerAction::Toggle);
            }
        }
        if let Some(preview) = view.preview {
            self.preview_ui(ui, rect, live, preview, is_empty);
        }
        ui.add_space(4.0);
        ui.add_enabled_ui(screen.frames > 0, |ui| {
            ui.horizontal(|ui| controls_ui(ui, screen, &mut actions));
        });
        actions
    }

    /// The running job, always under its label; the label hides or shows it where a result is shown, too.
    fn preview_ui(
        &mut self,
        ui: &mut Ui,
        all: Rect,
        place: Option<Rect>,
        preview: &LivePreview,
        is_alone: bool,
    ) {
        if let (Some(place), Some((texture, size))) = (place, preview.texture) {
            texture_ui(ui, place.shrink(8.0), texture, size);
        }
        let short = stage_name(preview.stage);
        let text = format!("Live preview · job {} · {short}", preview.job);
        let place =
            Rect::from_min_max(all.right_top() + vec2(-300.0, 8.0), all.right_top() + vec2(-8.0, 34.0));
        let builder = UiBuilder::new().max_rect(place).layout(Layout::right_to_left(Align::Min));
        let mut child = ui.new_child(builder);
        let colour = theme::stage_colour(ui, preview.stage);
        let fill = theme::tokens(ui).stage;
        let button = Button::new(RichText::new(text).small()).fill(fill).stroke((1.0, colour));
        let about = if self.hides_preview { "Show it beside the result" } else { "Hide it" };
        let response = child.add_enabled(!is_alone, button).on_hover_text(about);
        if response.on_disabled_hover_text("What the running job looks like so far").clicked() {
            self.hides_preview = !self.hides_preview;
        }
    }
}

/// The chosen video, with its name above it.
fn result_ui(ui: &mut Ui, rect: Rect, screen: &Screen) {
    screen_ui(ui, rect, screen);
    let Some(path) = &screen.path else { return };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let text = screen.job.map_or_else(|| name.to_string(), |job| format!("Result · job {job}"));
    let place = Rect::from_min_max(rect.left_top() + vec2(8.0, 8.0), rect.left_top() + vec2(260.0, 34.0));
    let mut child = ui.new_child(UiBuilder::new().max_rect(place));
    let frame = Frame::new().fill(theme::tokens(ui).stage).inner_margin(4.0).corner_radius(4);
    frame.show(&mut child, |ui| {
        let label = Label::new(RichText::new(text).small()).truncate();
        ui.add(label).on_hover_text(path.display().to_string());
    });
}

fn stage_name(stage: Stage) -> String {
    stage.to_string().to_lowercase()
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

/// The frame as large as it fits, or what to do to get one.
fn screen_ui(ui: &mut Ui, rect: Rect, screen: &Screen) {
    if let Some(error) = &screen.error {
        let text = RichText::new(format!("{error:#}")).color(theme::tokens(ui).error);
        text_ui(ui, rect, text);
        return;
    }
    let Some((texture, size)) = screen.texture else {
        let text = match &screen.path {
            Some(_) => "Opening…",
            None => {
                "Your video appears here. Drop a video made with Wandeck to bring its settings back, an image to start from, or a LoRA"
            }
        };
        text_ui(ui, rect, RichText::new(text).weak());
        return;
    };
    texture_ui(ui, rect.shrink(8.0), texture, size);
}

/// A sentence in the middle of the stage.
fn text_ui(ui: &mut Ui, rect: Rect, text: RichText) {
    // a child of its own: the controls below stay where they are
    let layout = Layout::centered_and_justified(eframe::egui::Direction::TopDown);
    let mut child = ui.new_child(UiBuilder::new().max_rect(rect.shrink(24.0)).layout(layout));
    child.add(Label::new(text).wrap());
}

fn texture_ui(ui: &Ui, area: Rect, texture: TextureId, size: Vec2) {
    let scale = (area.size() / size.max(Vec2::splat(1.0))).min_elem().max(0.0);
    let place = Rect::from_center_size(area.center(), size * scale);
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
        let text = match screen.frames {
            0 => "No video".to_owned(),
            frames => format!("Frame {} of {frames} · {seconds:.2} s", screen.index + 1),
        };
        // as wide for every frame, so that the slider keeps its place
        ui.add_sized(vec2(POSITION_WIDTH, ui.available_height()), Label::new(text).truncate());
        let mut shown = screen.index;
        ui.spacing_mut().slider_width = (ui.available_width() - 8.0).max(40.0);
        let slider = Slider::new(&mut shown, 0..=screen.frames.max(2) - 1).show_value(false);
        let response = ui.add(slider);
        response.widget_info(|| WidgetInfo::slider(true, f64::from(screen.index), "Position"));
        if response.changed() && shown != screen.index {
            actions.push(PlayerAction::Seek(shown));
        }
    });
}

#[cfg(test)]
mod tests {
    use eframe::egui::accesskit::Role as NodeRole;
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::jobs::JobId;

    #[derive(Default)]
    struct Bench {
        panel: PlayerPanel,
        screen: Screen,
        preview: Option<LivePreview>,
        actions: Vec<PlayerAction>,
    }

    fn player(bench: Bench) -> Harness<'static, Bench> {
        let draw = |ui: &mut Ui, bench: &mut Bench| {
            let view = PlayerView { screen: &bench.screen, preview: bench.preview.as_ref() };
            bench.actions.extend(bench.panel.ui(ui, &view));
        };
        Harness::builder()
            .with_size(vec2(640.0, 480.0))
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
        let asked = [PlayerAction::Toggle, PlayerAction::Step(1), PlayerAction::Seek(16)];
        assert_eq!(harness.state().actions, asked);
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
}
