//! Position of all videos, and the offset of each in frames.

use eframe::egui::{DragValue, Label, Role, Slider, Ui, WidgetInfo, vec2};
use egui_material_icons::icons::{ICON_PAUSE, ICON_PLAY_ARROW, ICON_SKIP_NEXT, ICON_SKIP_PREVIOUS};

use super::stage::letter;
use super::view::{CompareAction, CompareView};
use crate::app::theme;
use crate::app::widgets::icon::icon_button;

/// Width of "Frame 121 of 121".
const POSITION_WIDTH: f32 = 116.0;
/// Largest shift in frames.
const MOST_SHIFT: i32 = 1000;

pub(super) fn ui(ui: &mut Ui, view: CompareView<'_>, actions: &mut Vec<CompareAction>) {
    let comparison = view.comparison;
    let [index, frames] = comparison.position();
    ui.horizontal_wrapped(|ui| {
        if icon_button(ui, ICON_SKIP_PREVIOUS, "Previous frame of all", "One frame back, in all videos")
            .clicked()
        {
            actions.push(CompareAction::Step(-1));
        }
        let (icon, name) =
            if comparison.is_playing() { (ICON_PAUSE, "Pause all") } else { (ICON_PLAY_ARROW, "Play all") };
        if icon_button(ui, icon, name, "Play all videos in sync, or pause them").clicked() {
            actions.push(CompareAction::PlayPause);
        }
        if icon_button(ui, ICON_SKIP_NEXT, "Next frame of all", "One frame on, in all videos").clicked() {
            actions.push(CompareAction::Step(1));
        }
        let mut shown = index;
        let slider = Slider::new(&mut shown, 0..=frames.max(2) - 1).show_value(false);
        let response = ui.add(slider);
        response.widget_info(|| WidgetInfo::slider(true, f64::from(index), "Position of all"));
        if response.changed() && shown != index {
            actions.push(CompareAction::Seek(shown));
        }
        // fixed width, so that what follows does not move
        let position = Label::new(format!("Frame {} of {frames}", index + 1)).truncate();
        ui.add_sized(vec2(POSITION_WIDTH, theme::ICON_BUTTON.y), position);
        if comparison.blind().is_some() {
            return;
        }
        for (video, &shift) in comparison.shifts().iter().enumerate().skip(1) {
            let letter = letter(video);
            let mut frames = shift;
            let value = DragValue::new(&mut frames).range(-MOST_SHIFT..=MOST_SHIFT).speed(0.1);
            let response = ui.add(value.prefix(format!("{letter} offset ")));
            let name = format!("Shift of {letter}");
            response.widget_info(|| WidgetInfo::labeled(Role::SpinButton, true, name.clone()));
            if response.on_hover_text("Delay relative to A, in frames").changed() {
                actions.push(CompareAction::Shift { video, frames });
            }
        }
    });
}
