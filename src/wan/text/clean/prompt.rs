//! All cleaning steps in order: repair, unescape, collapse white space.

use unicode_normalization::UnicodeNormalization as _;

use super::{entities, fixes, mojibake};

/// Cleans a prompt for the tokenizer, equal to diffusers' `prompt_clean`.
///
/// Full-width punctuation becomes ASCII, curly quotes become straight, HTML entities become characters, mojibake is
/// repaired, and white space becomes one space.
pub fn clean(prompt: &str) -> String {
    let fixed = fix_text(prompt);
    let text = entities::unescape(&entities::unescape(&fixed));
    let words: Vec<&str> = text.split(fixes::is_space).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// Repairs each line separately, because lines may have different origins and encodings.
fn fix_text(text: &str) -> String {
    // after a literal < the text is taken as HTML, and its entities are left to `html.unescape`
    let mut escaped = true;
    text.split_inclusive('\n')
        .map(|line| {
            escaped &= !line.contains('<');
            fix_line(line, escaped)
        })
        .collect()
}

/// Applies all repairs until the text no longer changes.
fn fix_line(line: &str, escaped: bool) -> String {
    let mut text = line.to_owned();
    loop {
        let mut fixed = if escaped { entities::unescape_strict(&text) } else { text.clone() };
        fixed = mojibake::fix_encoding(&fixed);
        fixed = fixes::characters(&fixed);
        fixed = fixes::line_breaks(&fixed);
        fixed = fixes::without_terminal_escapes(&fixed);
        fixed = fixes::without_controls(&fixed);
        fixed = fixed.nfc().collect();
        if fixed == text {
            return fixed;
        }
        text = fixed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values computed with diffusers 0.42.1 and ftfy 6.3.1.
    const CASES: [(&str, &str); 24] = [
        ("  a   red\tcircle \n moves ", "a red circle moves"),
        ("色调艳丽，过曝", "色调艳丽,过曝"),
        ("ＦＵＬＬ　ｗｉｄｔｈ！", "FULL width!"),
        ("ﾊﾝｶｸ ｶﾞ", "ハンカク ガ"),
        ("“curly” ‘quotes’ it’s", "\"curly\" 'quotes' it's"),
        ("ﬂuﬃeﬆ ŉ Ǆ", "fluffiest 'n DŽ"),
        ("schÃ¶n", "schön"),
        ("â€œlike thisâ€\u{9d}", "\"like this\""),
        ("âœ” No problems", "✔ No problems"),
        ("voilÃ  le travail", "voilà le travail"),
        ("l’humanitÃ©", "l'humanité"),
        ("Ã la mode", "à la mode"),
        ("ã\u{81}“ã‚“ã\u{81}«ã\u{81}¡ã\u{81}¯", "こんにちは"),
        ("ÐŸÑ€Ð¸Ð²ÐµÑ‚", "Привет"),
        ("The “naïve” café, 20°C – ¿qué?", "The \"naïve\" café, 20°C – ¿qué?"),
        ("Ã\u{83}Â©tÃ\u{83}Â©", "été"),
        ("&lt;b&gt; &amp;amp; &eacute;&EACUTE; &#8217; &notit;", "<b> & éÉ ' ¬it;"),
        ("<b>&amp;</b>", "<b>&</b>"),
        ("\u{1b}[31mred\u{1b}[0m \u{0}\u{7}bell\u{feff}", "red bell"),
        ("e\u{301}te\u{301}", "été"),
        ("a\u{2028}b\rc\r\nd\u{85}e", "a b c d…e"),
        ("\u{93}C1\u{94} \u{80}5", "\"C1\" €5"),
        ("100 €/m² ±5 µm, São Paulo, ÅNGSTRÖM", "100 €/m² ±5 µm, São Paulo, ÅNGSTRÖM"),
        ("", ""),
    ];

    #[test]
    fn prompts_are_cleaned_as_diffusers_does() {
        for (raw, cleaned) in CASES {
            assert_eq!(clean(raw), cleaned, "{raw:?}");
        }
    }
}
