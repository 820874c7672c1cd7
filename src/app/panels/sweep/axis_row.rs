//! One axis in the editor.

use eframe::egui::{ComboBox, Role, TextEdit, Ui, WidgetInfo};

use crate::app::widgets::field::problem_text_ui;
use crate::core::{Draft, Result};
use crate::sweep::{Axis, SweepField};

/// An axis as it is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AxisRow {
    /// Name of its field.
    pub(super) field: String,
    /// Its values; linked fields follow after " & ".
    pub(super) values: String,
}

impl AxisRow {
    /// An axis of a field with the value of the form.
    pub(super) fn new(field: &SweepField, draft: &Draft) -> Self {
        Self { field: field.to_string(), values: field.value(draft) }
    }

    /// The axis, or what is wrong with it.
    pub(super) fn axis(&self) -> Result<Axis> {
        format!("{}={}", self.field, self.values).parse()
    }

    /// Leaves a value out.
    pub(super) fn leave_out(&mut self, value: &str) {
        let Ok(axis) = self.axis() else { return };
        let Ok(mut values) = axis.own_values() else { return };
        values.retain(|known| known != value);
        let separator = if values.iter().any(|value| value.contains(',')) { " || " } else { ", " };
        self.values = values.join(separator);
    }

    /// Draws the row; returns whether it is to be removed.
    pub(super) fn ui(&mut self, ui: &mut Ui, number: usize, draft: &Draft) -> bool {
        let mut is_removed = false;
        ui.horizontal_wrapped(|ui| {
            let list = ComboBox::from_id_salt(("axis", number)).width(120.0).selected_text(&self.field);
            let shown = list.show_ui(ui, |ui| {
                for field in SweepField::all() {
                    let name = field.to_string();
                    if ui.selectable_label(self.field == name, &name).clicked() {
                        *self = Self::new(&field, draft);
                    }
                }
            });
            let label = format!("Field of axis {number}");
            shown.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, &label));
            let edit = TextEdit::singleline(&mut self.values).hint_text("1, 2, .., 6").desired_width(220.0);
            let response = ui.add(edit).on_hover_text(
                "Commas between values, \"..\" for a range, \"||\" where values have commas; \" & shift=3, 5\" links another field",
            );
            let label = format!("Values of axis {number}");
            response.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, &label));
            is_removed = ui.small_button(format!("Remove axis {number}")).clicked();
        });
        if let Err(problem) = self.axis() {
            problem_text_ui(ui, &problem);
        }
        is_removed
    }
}
