//! Buttons that are an icon, with a name for those who do not see it.

use eframe::egui::{Button, Response, Role, Ui, WidgetInfo};
use egui_material_icons::MaterialIcon;

use crate::app::theme;

/// A button that shows `icon`; `name` is what a screen reader says and tests look for.
pub(in crate::app) fn icon_button(ui: &mut Ui, icon: MaterialIcon, name: &str, tooltip: &str) -> Response {
    let enabled = ui.is_enabled();
    let text = icon.rich_text().size(theme::ICON_SIZE);
    let response = ui.add(Button::new(text).min_size(theme::ICON_BUTTON));
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, name));
    response.on_hover_text(tooltip)
}
