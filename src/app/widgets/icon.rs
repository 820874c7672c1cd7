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
