//! One field of the form in a row: name, remark, control, and a mark if it differs from the preset or the model.

use eframe::egui::{Align, Layout, Response, Role, Sense, Ui, WidgetInfo, vec2};

use crate::app::theme;
use crate::app::widgets::field::problem_frame_ui;
use crate::core::{Draft, Error};
use crate::monitor::DeviceInfo;
use crate::plan::DraftField;

/// Width of the place for a mark, which is there whether it shows or not.
const MARK_WIDTH: f32 = 14.0;
/// Space for a mark and the gap before it.
pub(super) const MARK_SPACE: f32 = MARK_WIDTH + 8.0;
const MARK_RADIUS: f32 = 3.5;
const MARK_RADIUS_HOVERED: f32 = 5.0;

/// The form's fields while they are drawn.
pub(super) struct Fields<'a> {
    /// The form.
    pub(super) draft: &'a mut Draft,
    /// What it is compared with.
    pub(super) reference: Option<&'a Draft>,
    /// What the reference is: a preset, or the model.
    pub(super) reference_name: &'a str,
    /// What is wrong with it.
    pub(super) problems: &'a [Error],
    /// The GPUs of this machine.
    pub(super) devices: &'a [DeviceInfo],
}

/// The words around a control.
#[derive(Clone, Copy)]
pub(super) struct RowLabel<'a> {
    /// The name.
    pub(super) name: &'a str,
    /// A remark beside it.
    pub(super) note: &'a str,
    /// The tooltip.
    pub(super) about: &'a str,
}

impl Fields<'_> {
    /// Draws a field; `names` are those that errors have for it.
    pub(super) fn row_ui(
        &mut self,
        ui: &mut Ui,
        label: RowLabel<'_>,
        field: DraftField,
        names: &[&str],
        control: impl FnOnce(&mut Ui, &mut Draft) -> Option<Response>,
    ) {
        let row = ui.horizontal(|ui| {
            let name = ui.label(label.name).on_hover_text(label.about);
            if !label.note.is_empty() {
                ui.weak(label.note);
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                self.mark_ui(ui, field);
                if let Some(response) = control(ui, self.draft) {
                    response.labelled_by(name.id).on_hover_text(label.about);
                }
            });
        });
        problem_frame_ui(ui, row.response.rect, names, self.problems);
    }

    /// A dot if the field differs; a click gives it the reference's value.
    pub(super) fn mark_ui(&mut self, ui: &mut Ui, field: DraftField) {
        let size = vec2(MARK_WIDTH, ui.spacing().interact_size.y);
        let Some(reference) = self.reference.filter(|reference| !field.is_same(reference, self.draft)) else {
            ui.allocate_space(size);
            return;
        };
        let (rect, response) = ui.allocate_exact_size(size, Sense::click());
        let (enabled, value) = (ui.is_enabled(), field.value(reference));
        response
            .widget_info(|| WidgetInfo::labeled(Role::Button, enabled, format!("Reset {}", field.label())));
        let is_active = response.hovered() || response.has_focus();
        let radius = if is_active { MARK_RADIUS_HOVERED } else { MARK_RADIUS };
        ui.painter().circle_filled(rect.center(), radius, theme::tokens(ui).accent);
        let about = format!("{} has {value} here. Click to use it", self.reference_name);
        if response.on_hover_text(about).clicked() {
            field.copy(reference, self.draft);
        }
    }

    /// The fields that differ from the reference.
    pub(super) fn differing(&self) -> impl Iterator<Item = DraftField> {
        let differ =
            |field: &DraftField| self.reference.is_some_and(|other| !field.is_same(other, self.draft));
        DraftField::ALL.into_iter().filter(differ)
    }

    /// Gives every field the reference's value; prompt, images and seed stay.
    pub(super) fn reset_all(&mut self) {
        if let Some(reference) = self.reference {
            for field in DraftField::ALL {
                field.copy(reference, self.draft);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use eframe::egui::DragValue;
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::app::panels::compose::fixture::{ComposeHarness, fields_harness};

    #[test]
    fn a_field_that_differs_has_a_mark_that_resets_it_and_moves_nothing() {
        let mut bench = ComposeHarness::new();
        bench.draft.steps = 7;
        let mut harness = fields_harness(bench, "The preset toy-t2v", |ui, fields, _, _| {
            let label = RowLabel { name: "Steps", note: "", about: "" };
            fields.row_ui(ui, label, DraftField::Steps, &["steps"], |ui, draft| {
                Some(ui.add(DragValue::new(&mut draft.steps)))
            });
        });
        let place = |harness: &egui_kittest::Harness<'_, ComposeHarness>| {
            harness.get_by_role_and_label(Role::SpinButton, "Steps").rect().right()
        };
        let before = place(&harness);
        harness.get_by_role_and_label(Role::Button, "Reset Steps").hover();
        harness.run();
        harness.get_by_label("The preset toy-t2v has 20 here. Click to use it");
        harness.get_by_role_and_label(Role::Button, "Reset Steps").click();
        harness.run();
        assert_eq!(harness.state().draft.steps, 20);
        assert!(harness.query_by_role_and_label(Role::Button, "Reset Steps").is_none());
        assert!((place(&harness) - before).abs() < 0.5);
    }
}
