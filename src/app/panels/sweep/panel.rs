//! The panel: which sweep is shown, its grid, and the editor of a new one.

use eframe::egui::{CollapsingHeader, ComboBox, Role, ScrollArea, Ui, WidgetInfo};

use super::editor::Editor;
use super::grid::Grid;
use super::trials::trials_ui;
use super::view::{SweepAction, SweepView};
use crate::core::counted;

/// The view state of the sweep panel.
#[derive(Default)]
pub(in crate::app) struct SweepPanel {
    pub(super) editor: Editor,
    pub(super) grid: Grid,
}

impl SweepPanel {
    /// Draws the panel; returns the user's actions.
    pub(in crate::app) fn ui(&mut self, ui: &mut Ui, view: &SweepView<'_>) -> Vec<SweepAction> {
        // all of it: in a low panel, the editor and the trials would leave no room for the cells
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| self.content_ui(ui, view)).inner
    }

    fn content_ui(&mut self, ui: &mut Ui, view: &SweepView<'_>) -> Vec<SweepAction> {
        let mut actions = Vec::new();
        CollapsingHeader::new("New sweep").default_open(true).show(ui, |ui| {
            self.editor.ui(ui, view, &mut actions);
        });
        if view.records.len() > 1 {
            let shown = view.open.map_or("", |(record, _)| record.name.as_str());
            let list = ComboBox::from_id_salt("sweeps").width(240.0).selected_text(shown);
            let shown = list.show_ui(ui, |ui| {
                for record in view.records {
                    let is_open = view.open.is_some_and(|(open, _)| open.id == record.id);
                    let text = format!("{} · {}", record.name, counted(record.cells.len() as u64, "cell"));
                    if ui.selectable_label(is_open, text).clicked() {
                        actions.push(SweepAction::Open(record.id.clone()));
                    }
                }
            });
            shown.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Sweep in the grid"));
        }
        ui.separator();
        if let (Some((record, _)), Some(trace)) = (view.open, view.trace) {
            trials_ui(ui, record, trace, view.search_status, &mut actions);
        }
        self.grid.ui(ui, view, &mut actions);
        actions
    }
}
