//! Colours, sizes and fonts. The only place that defines colours.

use eframe::egui::epaint::text::{FontInsert, FontPriority, InsertFontFamily};
use eframe::egui::{
    Color32, Context, CornerRadius, FontData, FontFamily, FontId, Margin, Stroke, TextStyle, Theme, Ui, Vec2,
    Visuals, vec2,
};

use crate::core::Stage;

use super::fonts;

/// Size of small text in points; the default of 9 is hard to read.
pub(in crate::app) const SMALL_TEXT: f32 = 11.0;
/// Side of an icon in points.
pub(in crate::app) const ICON_SIZE: f32 = 20.0;
/// Smallest size of a button that is an icon.
pub(in crate::app) const ICON_BUTTON: Vec2 = vec2(36.0, 32.0);
/// Height of the button that queues a job.
pub(in crate::app) const MAIN_BUTTON_HEIGHT: f32 = 36.0;
/// Height of a line of text with buttons.
pub(in crate::app) const ROW_HEIGHT: f32 = 30.0;
/// Height of the line at the bottom of the window.
pub(in crate::app) const STATUS_HEIGHT: f32 = 24.0;
/// Size of the headings of a page in points.
pub(in crate::app) const HEADING: f32 = 15.0;
/// Width of the command palette and the list of shortcuts.
pub(in crate::app) const PALETTE_WIDTH: f32 = 460.0;
/// Height of their lists at most.
pub(in crate::app) const PALETTE_HEIGHT: f32 = 380.0;
/// Width of a dialog that asks a question.
pub(in crate::app) const DIALOG_WIDTH: f32 = 340.0;

/// Colours with a meaning. Text in them has a contrast of at least 4.5:1 on the panel.
#[derive(Clone, Copy, Debug)]
pub(in crate::app) struct Tokens {
    /// Errors.
    pub(in crate::app) error: Color32,
    /// Warnings.
    pub(in crate::app) warning: Color32,
    /// Success.
    pub(in crate::app) good: Color32,
    /// Selected items and the button that queues a job.
    pub(in crate::app) accent: Color32,
    /// Text on `accent`.
    pub(in crate::app) on_accent: Color32,
    /// Background of the video.
    pub(in crate::app) stage: Color32,
    /// Background of a group of controls.
    pub(in crate::app) card: Color32,
    /// Lines between rows and around fields; the empty part of a bar.
    pub(in crate::app) line: Color32,
    /// Stages before the first step: loading, encoding text and image.
    pub(in crate::app) stage_prepare: Color32,
    /// Steps of the high-noise expert.
    pub(in crate::app) stage_high: Color32,
    /// Steps of the low-noise expert.
    pub(in crate::app) stage_low: Color32,
    /// Decoding and writing.
    pub(in crate::app) stage_decode: Color32,
    /// A curve.
    pub(in crate::app) plot_line: Color32,
    /// An area of memory.
    pub(in crate::app) plot_memory: Color32,
    /// A curve of reading, or of power.
    pub(in crate::app) plot_disk: Color32,
    /// A curve of an earlier job.
    pub(in crate::app) plot_earlier: Color32,
    /// Panels and bars.
    panel: Color32,
    /// Background of tabs and of text fields.
    deep: Color32,
    /// Buttons.
    button: Color32,
    /// Buttons under the pointer.
    hovered: Color32,
    /// Background of selected items.
    selected: Color32,
    /// Ordinary text.
    text: Color32,
    /// Secondary text.
    weak: Color32,
    /// Headings and chosen text.
    pub(in crate::app) strong: Color32,
}

#[expect(clippy::disallowed_methods, reason = "this is the place where colours are made")]
const DARK: Tokens = Tokens {
    error: Color32::from_rgb(255, 130, 112),
    warning: Color32::from_rgb(240, 184, 96),
    good: Color32::from_rgb(84, 200, 138),
    accent: Color32::from_rgb(76, 141, 255),
    on_accent: Color32::from_rgb(10, 16, 30),
    stage: Color32::from_rgb(11, 12, 15),
    card: Color32::from_rgb(36, 40, 50),
    line: Color32::from_rgb(47, 52, 64),
    stage_prepare: Color32::from_rgb(124, 134, 152),
    stage_high: Color32::from_rgb(143, 107, 255),
    stage_low: Color32::from_rgb(63, 182, 198),
    stage_decode: Color32::from_rgb(224, 152, 56),
    plot_line: Color32::from_rgb(92, 152, 255),
    plot_memory: Color32::from_rgb(78, 190, 124),
    plot_disk: Color32::from_rgb(244, 168, 60),
    plot_earlier: Color32::from_rgb(170, 174, 184),
    panel: Color32::from_rgb(29, 32, 39),
    deep: Color32::from_rgb(22, 24, 29),
    button: Color32::from_rgb(42, 46, 57),
    hovered: Color32::from_rgb(54, 60, 75),
    selected: Color32::from_rgb(35, 54, 96),
    text: Color32::from_rgb(214, 218, 226),
    weak: Color32::from_rgb(152, 159, 172),
    strong: Color32::from_rgb(244, 246, 250),
};
#[expect(clippy::disallowed_methods, reason = "this is the place where colours are made")]
const LIGHT: Tokens = Tokens {
    error: Color32::from_rgb(180, 32, 24),
    warning: Color32::from_rgb(134, 84, 0),
    good: Color32::from_rgb(22, 108, 54),
    accent: Color32::from_rgb(30, 94, 196),
    on_accent: Color32::from_rgb(255, 255, 255),
    stage: Color32::from_rgb(222, 225, 231),
    card: Color32::from_rgb(236, 239, 245),
    line: Color32::from_rgb(205, 210, 220),
    stage_prepare: Color32::from_rgb(122, 132, 150),
    stage_high: Color32::from_rgb(118, 82, 230),
    stage_low: Color32::from_rgb(24, 146, 164),
    stage_decode: Color32::from_rgb(196, 122, 20),
    plot_line: Color32::from_rgb(30, 94, 196),
    plot_memory: Color32::from_rgb(38, 140, 84),
    plot_disk: Color32::from_rgb(186, 108, 0),
    plot_earlier: Color32::from_rgb(110, 114, 124),
    panel: Color32::from_rgb(247, 248, 250),
    deep: Color32::from_rgb(255, 255, 255),
    button: Color32::from_rgb(228, 231, 238),
    hovered: Color32::from_rgb(214, 220, 232),
    selected: Color32::from_rgb(204, 221, 250),
    text: Color32::from_rgb(42, 46, 54),
    weak: Color32::from_rgb(90, 96, 108),
    strong: Color32::from_rgb(14, 18, 26),
};

/// The colours of the theme that is on.
pub(in crate::app) fn tokens(ui: &Ui) -> &'static Tokens {
    if ui.visuals().dark_mode { &DARK } else { &LIGHT }
}

/// The colour of a stage, the same in the queue, in the monitor and on the preview.
pub(in crate::app) fn stage_colour(ui: &Ui, stage: Stage) -> Color32 {
    tokens(ui).stage_colour(stage)
}

impl Tokens {
    /// The colour of a stage in this theme.
    pub(in crate::app) fn stage_colour(&self, stage: Stage) -> Color32 {
        match stage {
            Stage::Preflight | Stage::Prepare | Stage::Text | Stage::Image => self.stage_prepare,
            Stage::DenoiseHigh => self.stage_high,
            Stage::DenoiseLow => self.stage_low,
            Stage::Decode | Stage::PostProcess => self.stage_decode,
        }
    }
}

/// Fonts and styles, once, before anything is drawn.
pub(in crate::app) fn install(ctx: &Context) {
    egui_material_icons::initialize(ctx);
    add_east_asian_font(ctx);
    fonts::install(ctx);
    for theme in [Theme::Dark, Theme::Light] {
        ctx.style_mut_of(theme, |style| {
            style.text_styles.insert(TextStyle::Small, FontId::proportional(SMALL_TEXT));
            style.spacing.item_spacing = vec2(8.0, 6.0);
            style.spacing.button_padding = vec2(8.0, 4.0);
            style.spacing.interact_size.y = 24.0;
            style.spacing.window_margin = Margin::same(12);
            colours(&mut style.visuals, if theme == Theme::Dark { &DARK } else { &LIGHT });
        });
    }
}

/// Chinese, Japanese and Korean, after the fonts that come with egui.
fn add_east_asian_font(ctx: &Context) {
    let bytes = include_bytes!("../../assets/fonts/NotoSansCJK-subset.otf");
    let family = |family| InsertFontFamily { family, priority: FontPriority::Lowest };
    let families = vec![family(FontFamily::Proportional), family(FontFamily::Monospace)];
    ctx.add_font(FontInsert::new("noto-sans-cjk", FontData::from_static(bytes), families));
}

fn colours(visuals: &mut Visuals, tokens: &Tokens) {
    visuals.panel_fill = tokens.panel;
    visuals.window_fill = tokens.panel;
    visuals.extreme_bg_color = tokens.deep;
    visuals.text_edit_bg_color = Some(tokens.deep);
    visuals.faint_bg_color = tokens.card;
    visuals.weak_text_color = Some(tokens.weak);
    visuals.hyperlink_color = tokens.accent;
    visuals.selection.bg_fill = tokens.selected;
    visuals.selection.stroke = Stroke::new(1.0, tokens.strong);
    visuals.window_stroke.color = tokens.line;
    let widgets = &mut visuals.widgets;
    widgets.noninteractive.bg_fill = tokens.panel;
    widgets.noninteractive.bg_stroke.color = tokens.line;
    widgets.noninteractive.fg_stroke.color = tokens.text;
    widgets.inactive.bg_fill = tokens.button;
    widgets.inactive.weak_bg_fill = tokens.button;
    widgets.inactive.bg_stroke = Stroke::new(1.0, tokens.line);
    widgets.inactive.fg_stroke.color = tokens.text;
    widgets.hovered.bg_fill = tokens.hovered;
    widgets.hovered.weak_bg_fill = tokens.hovered;
    widgets.hovered.bg_stroke = Stroke::new(1.0, tokens.weak);
    widgets.hovered.fg_stroke.color = tokens.strong;
    widgets.active.bg_fill = tokens.selected;
    widgets.active.weak_bg_fill = tokens.selected;
    widgets.active.bg_stroke = Stroke::new(1.0, tokens.accent);
    widgets.active.fg_stroke.color = tokens.strong;
    widgets.open.bg_fill = tokens.hovered;
    widgets.open.weak_bg_fill = tokens.hovered;
    widgets.open.bg_stroke = Stroke::new(1.0, tokens.line);
    widgets.open.fg_stroke.color = tokens.strong;
    let radius = CornerRadius::same(5);
    for visuals in [&mut widgets.inactive, &mut widgets.hovered, &mut widgets.active, &mut widgets.open] {
        visuals.corner_radius = radius;
        // widgets do not grow under the pointer
        visuals.expansion = 0.0;
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
