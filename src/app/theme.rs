//! Colours, sizes and fonts; the only place where a colour is made.

use eframe::egui::{Color32, Context, CornerRadius, Margin, Rangef, Theme, Ui, Vec2, vec2};

use super::fonts;

/// Side of an icon in points.
pub(in crate::app) const ICON_SIZE: f32 = 20.0;
/// Smallest size of a button that is an icon.
pub(in crate::app) const ICON_BUTTON: Vec2 = vec2(32.0, 28.0);
/// Height of the button that starts the work.
pub(in crate::app) const MAIN_BUTTON_HEIGHT: f32 = 36.0;
/// Height of a row of the queue.
pub(in crate::app) const ROW_HEIGHT: f32 = 30.0;
/// Height of the queue when the window opens.
pub(in crate::app) const QUEUE_HEIGHT: f32 = 150.0;
/// Height that what is said of a run takes at most.
pub(in crate::app) const LOOK_HEIGHT: f32 = 180.0;
/// Widths of the form that leave room for the video.
pub(in crate::app) const FORM_WIDTHS: Rangef = Rangef { min: 260.0, max: 560.0 };
/// Width of the form when the window opens.
pub(in crate::app) const FORM_WIDTH: f32 = 340.0;

/// Colours with a meaning. Text in them has a contrast of at least 4.5:1 on the panel.
#[derive(Clone, Copy, Debug)]
pub(in crate::app) struct Tokens {
    /// Something is wrong.
    pub(in crate::app) error: Color32,
    /// Something deserves a look.
    pub(in crate::app) warning: Color32,
    /// Something went well.
    pub(in crate::app) good: Color32,
    /// The button that starts the work.
    pub(in crate::app) accent: Color32,
    /// Text on `accent`.
    pub(in crate::app) on_accent: Color32,
    /// Behind the video.
    pub(in crate::app) stage: Color32,
    /// Ordinary text.
    text: Color32,
    /// Text that is not looked for.
    weak: Color32,
}

#[expect(clippy::disallowed_methods, reason = "this is the place where colours are made")]
const DARK: Tokens = Tokens {
    error: Color32::from_rgb(255, 138, 128),
    warning: Color32::from_rgb(255, 202, 110),
    good: Color32::from_rgb(129, 212, 150),
    accent: Color32::from_rgb(46, 111, 214),
    on_accent: Color32::from_rgb(255, 255, 255),
    stage: Color32::from_rgb(14, 15, 18),
    text: Color32::from_rgb(200, 200, 200),
    weak: Color32::from_rgb(152, 152, 152),
};
#[expect(clippy::disallowed_methods, reason = "this is the place where colours are made")]
const LIGHT: Tokens = Tokens {
    error: Color32::from_rgb(176, 24, 24),
    warning: Color32::from_rgb(134, 84, 0),
    good: Color32::from_rgb(22, 108, 54),
    accent: Color32::from_rgb(30, 94, 196),
    on_accent: Color32::from_rgb(255, 255, 255),
    stage: Color32::from_rgb(226, 228, 232),
    text: Color32::from_rgb(50, 50, 50),
    weak: Color32::from_rgb(96, 96, 96),
};

/// The colours of the theme that is on.
pub(in crate::app) fn tokens(ui: &Ui) -> &'static Tokens {
    if ui.visuals().dark_mode { &DARK } else { &LIGHT }
}

/// Fonts and styles, once, before anything is drawn.
pub(in crate::app) fn install(ctx: &Context) {
    egui_material_icons::initialize(ctx);
    fonts::install(ctx);
    for theme in [Theme::Dark, Theme::Light] {
        ctx.style_mut_of(theme, |style| {
            style.spacing.item_spacing = vec2(8.0, 6.0);
            style.spacing.button_padding = vec2(8.0, 4.0);
            style.spacing.interact_size.y = 24.0;
            style.spacing.window_margin = Margin::same(12);
            let tokens = if theme == Theme::Dark { &DARK } else { &LIGHT };
            style.visuals.weak_text_color = Some(tokens.weak);
            style.visuals.widgets.noninteractive.fg_stroke.color = tokens.text;
            let radius = CornerRadius::same(5);
            let widgets = &mut style.visuals.widgets;
            for visuals in
                [&mut widgets.inactive, &mut widgets.hovered, &mut widgets.active, &mut widgets.open]
            {
                visuals.corner_radius = radius;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use eframe::egui::Rgba;

    use super::*;

    /// Ratio of the luminances of text and ground (WCAG 2.2, 1.4.3).
    fn contrast(text: Color32, ground: Color32) -> f32 {
        let luminance = |colour: Color32| {
            let colour = Rgba::from(colour);
            0.2126 * colour.r() + 0.7152 * colour.g() + 0.0722 * colour.b() + 0.05
        };
        let (text, ground) = (luminance(text), luminance(ground));
        text.max(ground) / text.min(ground)
    }

    #[test]
    fn text_can_be_read_in_both_themes() {
        let ctx = Context::default();
        install(&ctx);
        for (theme, tokens) in [(Theme::Dark, &DARK), (Theme::Light, &LIGHT)] {
            let visuals = &ctx.style_of(theme).visuals;
            let panel = visuals.panel_fill;
            let stage = [(visuals.weak_text_color(), tokens.stage), (tokens.error, tokens.stage)];
            let coloured = [tokens.error, tokens.warning, tokens.good].map(|colour| (colour, panel));
            let plain = [
                (visuals.text_color(), panel),
                (visuals.weak_text_color(), panel),
                (visuals.weak_text_color(), visuals.text_edit_bg_color()),
                (tokens.on_accent, tokens.accent),
                (visuals.widgets.inactive.text_color(), visuals.widgets.inactive.weak_bg_fill),
            ];
            for (index, (text, ground)) in stage.into_iter().chain(coloured).chain(plain).enumerate() {
                let ratio = contrast(text, ground);
                assert!(ratio >= 4.5, "{theme:?}, pair {index}: {ratio}");
            }
        }
    }
}
