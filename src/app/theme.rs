//! Colours, sizes and fonts; the only place where a colour is made.

use eframe::egui::{Color32, Context, CornerRadius, Margin, Theme, Ui, Vec2, vec2};

/// Side of an icon in points.
pub(super) const ICON_SIZE: f32 = 20.0;
/// Smallest size of a button that is an icon.
pub(super) const ICON_BUTTON: Vec2 = vec2(32.0, 28.0);
/// Height of the button that starts the work.
pub(super) const MAIN_BUTTON_HEIGHT: f32 = 36.0;
/// Height of a row of the queue.
pub(super) const ROW_HEIGHT: f32 = 30.0;
/// Height of the queue when the window opens.
pub(super) const QUEUE_HEIGHT: f32 = 150.0;
/// Width of the form when the window opens.
pub(super) const FORM_WIDTH: f32 = 340.0;

/// Colours with a meaning. Text in them has a contrast of at least 4.5:1 on the panel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tokens {
    /// Something is wrong.
    pub(super) error: Color32,
    /// Something deserves a look.
    pub(super) warning: Color32,
    /// Something went well.
    pub(super) good: Color32,
    /// The button that starts the work.
    pub(super) accent: Color32,
    /// Text on `accent`.
    pub(super) on_accent: Color32,
    /// Behind the video.
    pub(super) stage: Color32,
}

#[expect(clippy::disallowed_methods, reason = "this is the place where colours are made")]
const DARK: Tokens = Tokens {
    error: Color32::from_rgb(255, 138, 128),
    warning: Color32::from_rgb(255, 202, 110),
    good: Color32::from_rgb(129, 212, 150),
    accent: Color32::from_rgb(46, 111, 214),
    on_accent: Color32::from_rgb(255, 255, 255),
    stage: Color32::from_rgb(14, 15, 18),
};
#[expect(clippy::disallowed_methods, reason = "this is the place where colours are made")]
const LIGHT: Tokens = Tokens {
    error: Color32::from_rgb(176, 24, 24),
    warning: Color32::from_rgb(134, 84, 0),
    good: Color32::from_rgb(22, 108, 54),
    accent: Color32::from_rgb(30, 94, 196),
    on_accent: Color32::from_rgb(255, 255, 255),
    stage: Color32::from_rgb(226, 228, 232),
};

/// The colours of the theme that is on.
pub(super) fn tokens(ui: &Ui) -> &'static Tokens {
    if ui.visuals().dark_mode { &DARK } else { &LIGHT }
}

/// Fonts and styles, once, before anything is drawn.
pub(super) fn install(ctx: &Context) {
    egui_material_icons::initialize(ctx);
    for theme in [Theme::Dark, Theme::Light] {
        ctx.style_mut_of(theme, |style| {
            style.spacing.item_spacing = vec2(8.0, 6.0);
            style.spacing.button_padding = vec2(8.0, 4.0);
            style.spacing.interact_size.y = 24.0;
            style.spacing.window_margin = Margin::same(12);
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
