//! Fonts that come with the program, beside egui's own.

use eframe::egui::epaint::text::{FontInsert, FontPriority, InsertFontFamily};
use eframe::egui::{Context, FontData, FontFamily};

/// Chinese, Japanese and Korean; `assets/fonts/make.py` says which characters.
const CJK: &[u8] = include_bytes!("../../assets/fonts/NotoSansCJK-subset.otf");

/// Adds the font for Chinese, Japanese and Korean behind all others, so that Latin text looks as before.
pub(super) fn install(ctx: &Context) {
    let families = [FontFamily::Proportional, FontFamily::Monospace]
        .map(|family| InsertFontFamily { family, priority: FontPriority::Lowest });
    ctx.add_font(FontInsert::new("NotoSansCJK-subset", FontData::from_static(CJK), families.into()));
}

#[cfg(test)]
mod tests {
    use eframe::egui::FontId;

    use super::*;
    use crate::presets;

    /// Draws one frame, because fonts are added at the start of the next.
    fn context() -> Context {
        let ctx = Context::default();
        install(&ctx);
        ctx.run_ui(Default::default(), |_| {}).textures_delta.clear();
        ctx
    }

    #[test]
    fn chinese_japanese_and_korean_have_glyphs() {
        let ctx = context();
        let negative = presets::by_name("t2v-A14B").unwrap().settings.negative_prompt.unwrap();
        assert!(!negative.is_empty());
        for id in [FontId::proportional(14.0), FontId::monospace(14.0)] {
            for text in ["你好", "繁體中文", "こんにちは、カメラ。", "안녕하세요", negative.as_str()]
            {
                assert!(ctx.fonts_mut(|fonts| fonts.has_glyphs(&id, text)), "{id:?}: {text}");
            }
        }
    }

    /// A font whose outlines cannot be read has glyphs that are all blank.
    #[test]
    fn a_chinese_character_is_drawn() {
        let ctx = context();
        let galley = ctx.fonts_mut(|fonts| {
            fonts.layout_no_wrap("你".to_owned(), FontId::proportional(14.0), Default::default())
        });
        let glyph = &galley.rows[0].row.glyphs[0];
        assert!(glyph.uv_rect.size.x > 5.0 && glyph.uv_rect.size.y > 5.0, "{:?}", glyph.uv_rect);
    }
}
