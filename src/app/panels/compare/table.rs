//! The table: settings that differ, times, peaks and metrics.

use eframe::egui::{Grid, Label, ProgressBar, RichText, Ui};

use super::stage::LETTERS;
use super::view::CompareView;
use crate::app::background::comparison::comparison::MeasureStatus;
use crate::app::widgets::field::problem_text_ui;
use crate::compare::{ComparisonRow, comparison_rows};

/// Smallest width of a column; a longer value is cut and shown whole under the pointer.
const LEAST_COLUMN: f32 = 84.0;

pub(super) fn ui(ui: &mut Ui, view: CompareView<'_>) {
    let comparison = view.comparison;
    let measured = match comparison.measured() {
        MeasureStatus::Done(measured) => {
            for note in measured.notes() {
                ui.add(Label::new(RichText::new(note).weak()).wrap());
            }
            Some(measured)
        }
        MeasureStatus::Running(fraction) => {
            ui.add(ProgressBar::new(*fraction).text("Measuring the difference to A"));
            None
        }
        MeasureStatus::Failed(error) => {
            problem_text_ui(ui, error);
            None
        }
        MeasureStatus::Idle => None,
    };
    Grid::new("comparison").striped(true).spacing([12.0, 4.0]).min_col_width(LEAST_COLUMN).show(ui, |ui| {
        ui.label("");
        for letter in LETTERS.iter().take(comparison.videos().len()) {
            ui.strong(*letter);
        }
        ui.end_row();
        for row in comparison_rows(comparison.videos(), measured) {
            row_ui(ui, &row);
            ui.end_row();
        }
    });
}

fn row_ui(ui: &mut Ui, row: &ComparisonRow) {
    let name = ui.label(row.name);
    if let Some(meaning) = row.meaning {
        name.on_hover_text(meaning);
    }
    for value in &row.values {
        ui.add(Label::new(value).truncate().show_tooltip_when_elided(false)).on_hover_text(value);
    }
}
