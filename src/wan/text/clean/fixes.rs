//! The plain repairs: characters that stand for others, line breaks, and what nobody meant to type.

use unicode_normalization::UnicodeNormalization as _;

/// White space as Python knows it: Unicode's, and the four ASCII separators.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Latin ligatures apart, full-width and half-width forms to the usual width, curly quotes straight.
pub(super) fn characters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match ligature(c) {
            Some(letters) => out.extend(letters.chars().map(straight_quote)),
            None if has_width(c) => out.extend(std::iter::once(c).nfkc()),
            None => out.push(straight_quote(c)),
        }
    }
    out
}

fn ligature(c: char) -> Option<&'static str> {
    Some(match c {
        'Ĳ' => "IJ",
        'ĳ' => "ij",
        'ŉ' => "\u{2bc}n",
        'Ǳ' => "DZ",
        'ǲ' => "Dz",
        'ǳ' => "dz",
        'Ǆ' => "DŽ",
        'ǅ' => "Dž",
        'ǆ' => "dž",
        'Ǉ' => "LJ",
        'ǈ' => "Lj",
        'ǉ' => "lj",
        'Ǌ' => "NJ",
        'ǋ' => "Nj",
        'ǌ' => "nj",
        'ﬀ' => "ff",
        'ﬁ' => "fi",
        'ﬂ' => "fl",
        'ﬃ' => "ffi",
        'ﬄ' => "ffl",
        'ﬅ' => "ſt",
        'ﬆ' => "st",
        _ => return None,
    })
}

/// The block of half-width and full-width forms, and the ideographic space.
fn has_width(c: char) -> bool {
    c == '\u{3000}' || ('\u{ff01}'..='\u{ffef}').contains(&c)
}

fn straight_quote(c: char) -> char {
    match c {
        '\u{2bc}' | '\u{2018}'..='\u{201b}' => '\'',
        '\u{201c}'..='\u{201f}' => '"',
        c => c,
    }
}

/// Every kind of line break as `\n`.
pub(super) fn line_breaks(text: &str) -> String {
    text.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}', '\u{85}'], "\n")
}

/// Without the sequences that colour a terminal: `ESC [`, numbers, a letter.
pub(super) fn without_terminal_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        out.push_str(before);
        let letter = after.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        if let Some(next) = letter.strip_prefix(|c: char| c.is_ascii_alphabetic()) {
            rest = next;
        } else {
            out.push_str("\u{1b}[");
            rest = after;
        }
    }
    out + rest
}

/// Without characters that show nothing and mean nothing in a prompt; joiners and direction marks stay.
pub(super) fn without_controls(text: &str) -> String {
    let unwanted = |c: char| {
        matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{e}'..='\u{1f}' | '\u{7f}' | '\u{206a}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffc}')
    };
    text.replace(unwanted, "")
}
