//! Icon and colour of a notification's severity; never the colour alone.

use eframe::egui::{Color32, Ui};
use egui_material_icons::MaterialIcon;
use egui_material_icons::icons::{ICON_CHECK_CIRCLE, ICON_ERROR, ICON_INFO, ICON_WARNING};

use crate::app::shell::notifications::Tone;
use crate::app::theme;

pub(in crate::app) fn tone_icon(tone: Tone) -> MaterialIcon {
    match tone {
        Tone::Info => ICON_INFO,
        Tone::Good => ICON_CHECK_CIRCLE,
        Tone::Warning => ICON_WARNING,
        Tone::Error => ICON_ERROR,
    }
}

pub(in crate::app) fn tone_colour(ui: &Ui, tone: Tone) -> Color32 {
    let tokens = theme::tokens(ui);
    match tone {
        Tone::Info => tokens.accent,
        Tone::Good => tokens.good,
        Tone::Warning => tokens.warning,
        Tone::Error => tokens.error,
    }
}
