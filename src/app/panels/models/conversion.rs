//! What converting the selected model changed: sizes, and the error of each layer.

use eframe::egui::{CollapsingHeader, Grid, Label, RichText, ScrollArea, Ui};

use crate::core::counted;
use crate::models::convert::ConversionReport;

/// Largest height of the list of layers in points.
const LAYERS_HEIGHT: f32 = 220.0;

/// Draws the report, its layers folded away at first.
pub(super) fn conversion_ui(ui: &mut Ui, report: &ConversionReport) {
    ui.add_space(6.0);
    ui.strong("Conversion");
    let (before, after) = report.sizes();
    let about = format!("Made from {}: {before} became {after}. {}", report.source, report.remark);
    ui.add(Label::new(about).wrap());
    let layers = counted(report.layers.len() as u64, "layer");
    let title = format!("{layers}, mean relative error {:.1e}", report.mean_relative_l2);
    CollapsingHeader::new(title).id_salt("layers").show(ui, |ui| {
        let worst = report.worst(report.layers.len());
        let height = ui.spacing().interact_size.y;
        let area = ScrollArea::vertical().id_salt("layer errors").max_height(LAYERS_HEIGHT);
        area.show_rows(ui, height, worst.len(), |ui, range| {
            Grid::new("layer errors").num_columns(3).striped(true).spacing([14.0, 2.0]).show(ui, |ui| {
                for layer in worst.get(range).into_iter().flatten() {
                    ui.label(format!("{:.2e}", layer.relative_l2));
                    ui.label(RichText::new(&layer.component).weak());
                    ui.label(RichText::new(&layer.name).small());
                    ui.end_row();
                }
            });
        });
    });
}
