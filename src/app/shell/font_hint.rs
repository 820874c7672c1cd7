//! One hint when the prompt has characters that no font on this machine can draw.

use std::collections::BTreeSet;

use eframe::egui::{Context, FontId};

/// Size of the text that is looked up; glyphs are the same in all sizes.
const POINTS: f32 = 14.0;

/// Remembers what was checked, so that each script is named once.
#[derive(Default)]
pub(super) struct FontHint {
    checked: String,
    named: BTreeSet<&'static str>,
}

impl FontHint {
    /// The hint about `text`, if it has characters of a script without a font that was not named before. Only during a
    /// frame.
    pub(super) fn check(&mut self, ctx: &Context, text: &str) -> Option<String> {
        if self.checked == text {
            return None;
        }
        text.clone_into(&mut self.checked);
        let id = FontId::proportional(POINTS);
        let foreign = text.chars().filter(|c| !c.is_ascii() && !c.is_control() && !is_invisible(*c));
        let missing = ctx.fonts_mut(|fonts| {
            let mut foreign = foreign;
            foreign.find(|c| !fonts.has_glyph(&id, *c))
        })?;
        let script = script(missing);
        self.named.insert(script).then(|| {
            format!(
                "No font on this machine draws {script}: the prompt works, but shows boxes. Install a font for it, for \
                 instance one of the Noto fonts, and restart Wandeck"
            )
        })
    }
}

/// Joiners and variation selectors, which no font draws by themselves.
fn is_invisible(c: char) -> bool {
    matches!(u32::from(c), 0x200B..=0x200F | 0x2060 | 0xFE00..=0xFE0F | 0xFEFF)
}

fn script(c: char) -> &'static str {
    match u32::from(c) {
        0x0590..=0x05FF => "Hebrew",
        0x0600..=0x077F => "Arabic",
        0x0900..=0x097F => "Hindi (Devanagari)",
        0x0980..=0x09FF => "Bengali",
        0x0B80..=0x0BFF => "Tamil",
        0x0E00..=0x0E7F => "Thai",
        0x10A0..=0x10FF => "Georgian",
        0x0530..=0x058F => "Armenian",
        0x2E80..=0x9FFF | 0xAC00..=0xD7AF | 0x20000..=0x3FFFF => {
            "some Chinese, Japanese or Korean characters"
        }
        0x2600..=0x27BF | 0x1F000..=0x1FAFF => "emoji",
        _ => "some of its characters",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::theme;

    #[test]
    fn a_script_without_a_font_is_named_once() {
        let ctx = Context::default();
        theme::install(&ctx);
        let mut hint = FontHint::default();
        let mut hints = Vec::new();
        for text in ["a cat", "Überraschung, 一只猫", "ก แมว", "ก แมว นอน", "בוקר"]
        {
            let mut output = ctx.run_ui(Default::default(), |_| hints.extend(hint.check(&ctx, text)));
            output.textures_delta.clear();
        }
        assert_eq!(hints.len(), 2, "{hints:?}");
        assert!(hints[0].contains("draws Thai") && hints[1].contains("draws Hebrew"), "{hints:?}");
    }
}
