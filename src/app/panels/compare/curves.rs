//! One metric over the frames, a curve for each video.

use eframe::egui::{Color32, ComboBox, Label, RichText, Role, Ui, WidgetInfo};
use egui_plot::{Legend, Line, Plot, VLine};

use super::stage::letter;
use super::view::{CompareAction, CompareView};
use crate::app::background::comparison::comparison::MeasureStatus;
use crate::app::theme;
use crate::compare::Measurements;
use crate::metrics::{ClipMetric, DifferenceMetric};

/// Height of the plot.
const HEIGHT: f32 = 140.0;

/// What is drawn over the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    /// A difference to the reference.
    Difference(DifferenceMetric),
    /// A property of each video.
    Clip(ClipMetric),
}

impl Default for Curve {
    fn default() -> Self {
        Self::Difference(DifferenceMetric::Ssim)
    }
}

impl Curve {
    fn label(self) -> String {
        match self {
            Self::Difference(metric) => format!("Difference to reference: {}", metric.label()),
            Self::Clip(metric) => metric.label().to_owned(),
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Difference(metric) => metric.meaning(),
            Self::Clip(metric) => metric.meaning(),
        }
    }

    /// Draws the choice of the metric and its curves.
    pub(super) fn ui(&mut self, ui: &mut Ui, view: CompareView<'_>, actions: &mut Vec<CompareAction>) {
        let MeasureStatus::Done(measured) = view.comparison.measured() else { return };
        let list = ComboBox::from_id_salt("curve").width(240.0).selected_text(self.label());
        let shown = list.show_ui(ui, |ui| {
            let differences = DifferenceMetric::ALL.map(Self::Difference);
            for curve in differences.into_iter().chain(ClipMetric::ALL.map(Self::Clip)) {
                ui.selectable_value(self, curve, curve.label());
            }
        });
        shown.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Curve"));
        ui.add(Label::new(RichText::new(self.meaning()).weak()).wrap());
        self.plot_ui(ui, view, measured, actions);
    }

    fn plot_ui(
        self,
        ui: &mut Ui,
        view: CompareView<'_>,
        measured: &Measurements,
        actions: &mut Vec<CompareAction>,
    ) {
        let [index, frames] = view.comparison.position();
        let colours = colours(ui);
        let plot = Plot::new("metric over frames")
            .height(HEIGHT)
            .allow_drag(false)
            .allow_zoom(false)
            .allow_scroll(false)
            .allow_boxed_zoom(false)
            .legend(Legend::default())
            .x_axis_label("frame")
            .include_x(1.0)
            .include_x(f64::from(frames.max(2)));
        let shown = plot.show(ui, |plot| {
            for video in 0..measured.clips.len() {
                let points = self.points(measured, video);
                if !points.is_empty() {
                    let colour = colours[video % colours.len()];
                    plot.line(Line::new(letter(video), points).color(colour).width(1.5));
                }
            }
            plot.vline(VLine::new("", f64::from(index + 1)).color(colours[3]).width(1.0).allow_hover(false));
            let at = plot.pointer_coordinate().filter(|_| plot.response().clicked());
            at.map(|at| (at.x.round() - 1.0).clamp(0.0, f64::from(frames.saturating_sub(1))) as u32)
        });
        actions.extend(shown.inner.map(CompareAction::Seek));
    }

    /// The values of a video by frames, counted from 1.
    fn points(self, measured: &Measurements, video: usize) -> Vec<[f64; 2]> {
        match self {
            Self::Difference(metric) => {
                let Some(Some(curves)) = measured.differences.get(video) else { return Vec::new() };
                let first = measured.alignments.get(video).map_or(0, |aligned| aligned.frames.start);
                let values = curves.of(metric).iter().enumerate();
                values
                    .filter_map(|(at, value)| Some([f64::from(first) + at as f64 + 1.0, (*value)?]))
                    .collect()
            }
            Self::Clip(metric) => {
                let Some(curves) = measured.clips.get(video) else { return Vec::new() };
                let first = metric.first_frame() as f64 + 1.0;
                let shift = measured.alignments.get(video).map_or(0, |aligned| aligned.shift);
                let values = curves.of(metric).iter().enumerate();
                values.map(|(at, value)| [first + at as f64 - f64::from(shift), *value]).collect()
            }
        }
    }
}

/// A colour for each video.
fn colours(ui: &Ui) -> [Color32; 4] {
    let tokens = theme::tokens(ui);
    [tokens.plot_line, tokens.plot_disk, tokens.plot_memory, tokens.plot_earlier]
}
