//! The progress bar of a job, coloured by stage.

use eframe::egui::{CornerRadius, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use crate::app::theme;
use crate::core::{Progress, Stage};

/// Draws the finished part, each stage in its colour.
pub(in crate::app) fn stage_bar_ui(ui: &mut Ui, progress: &Progress, height: f32) {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    let percent = progress.fraction() * 100.0;
    response.widget_info(|| {
        let mut info = WidgetInfo::labeled(Role::ProgressIndicator, true, format!("{percent:.0} %"));
        info.value = Some(percent);
        info
    });
    let radius = CornerRadius::same(2);
    ui.painter().rect_filled(rect, radius, theme::tokens(ui).line);
    let mut left = rect.left();
    for (stage, part) in progress.finished_shares() {
        let right = (left + rect.width() * part as f32).min(rect.right());
        let piece = Rect::from_min_max(pos2(left, rect.top()), pos2(right, rect.bottom()));
        ui.painter().rect_filled(piece, radius, theme::stage_colour(ui, stage));
        left = right;
    }
    response.on_hover_text(format!("{percent:.0} % done"));
}

/// The stage and its step, short: "low noise 3 of 4".
pub(in crate::app) fn stage_words(progress: &Progress) -> String {
    match progress.stage() {
        None => "starting…".to_owned(),
        Some((stage, _, 0 | 1)) => short(stage, progress.has_two_experts()).to_owned(),
        Some((stage, done, of)) => format!("{} {done} of {of}", short(stage, progress.has_two_experts())),
    }
}

fn short(stage: Stage, has_two_experts: bool) -> &'static str {
    match stage {
        Stage::Preflight => "preflight",
        Stage::Prepare => "loading",
        Stage::Text => "text",
        Stage::Image => "image",
        Stage::DenoiseHigh if !has_two_experts => "denoising",
        Stage::DenoiseHigh => "high noise",
        Stage::DenoiseLow => "low noise",
        Stage::Decode => "decode",
        Stage::PostProcess => "writing",
    }
}
