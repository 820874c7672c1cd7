//! Icon buttons with an accessible name.

use eframe::egui::{Button, Response, Role, Ui, WidgetInfo};
use egui_material_icons::MaterialIcon;

use crate::app::theme;

/// A button with `icon`; `name` is its name for screen readers and tests.
pub(in crate::app) fn icon_button(ui: &mut Ui, icon: MaterialIcon, name: &str, tooltip: &str) -> Response {
    let enabled = ui.is_enabled();
    let text = icon.rich_text().size(theme::ICON_SIZE);
    let response = ui.add(Button::new(text).min_size(theme::ICON_BUTTON));
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, name));
    response.on_hover_text(tooltip)
}

#[cfg(test)]
mod tests {
    use eframe::egui::accesskit::Role as NodeRole;
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;
    use egui_material_icons::icons::ICON_CLOSE;

    use super::*;
    use crate::app::widgets::field::button_row_ui;

    #[test]
    fn a_row_of_buttons_has_its_label_in_its_middle() {
        let harness = Harness::builder().with_context_setup(theme::install).build_ui(|ui| {
            button_row_ui(ui, |ui| {
                ui.label("Close it");
                icon_button(ui, ICON_CLOSE, "Close", "Close");
            });
        });
        let button = harness.get_by_role_and_label(NodeRole::Button, "Close").rect();
        assert_eq!(button.size(), theme::ICON_BUTTON);
        let label = harness.get_by_label("Close it").rect();
        assert!((label.center().y - button.center().y).abs() <= 0.5, "{label} {button}");
    }
}
