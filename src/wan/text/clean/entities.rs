//! HTML entities, decoded like Python's `html.unescape` and, more cautiously, like ftfy.

use html_escape::NAMED_ENTITIES;

/// Names that HTML accepts without a semicolon: `&copy2024` is `©2024`.
const LEGACY: [&str; 106] = [
    "AElig", "AMP", "Aacute", "Acirc", "Agrave", "Aring", "Atilde", "Auml", "COPY", "Ccedil", "ETH",
    "Eacute", "Ecirc", "Egrave", "Euml", "GT", "Iacute", "Icirc", "Igrave", "Iuml", "LT", "Ntilde", "Oacute",
    "Ocirc", "Ograve", "Oslash", "Otilde", "Ouml", "QUOT", "REG", "THORN", "Uacute", "Ucirc", "Ugrave",
    "Uuml", "Yacute", "aacute", "acirc", "acute", "aelig", "agrave", "amp", "aring", "atilde", "auml",
    "brvbar", "ccedil", "cedil", "cent", "copy", "curren", "deg", "divide", "eacute", "ecirc", "egrave",
    "eth", "euml", "frac12", "frac14", "frac34", "gt", "iacute", "icirc", "iexcl", "igrave", "iquest",
    "iuml", "laquo", "lt", "macr", "micro", "middot", "nbsp", "not", "ntilde", "oacute", "ocirc", "ograve",
    "ordf", "ordm", "oslash", "otilde", "ouml", "para", "plusmn", "pound", "quot", "raquo", "reg", "sect",
    "shy", "sup1", "sup2", "sup3", "szlig", "thorn", "times", "uacute", "ucirc", "ugrave", "uml", "uuml",
    "yacute", "yen", "yuml",
];

/// Length of the longest entity name.
const MAX_NAME: usize = 32;
/// Longest entity, without `&`, `#` and `;`, that is decoded in text that may not be HTML.
const MAX_STRICT: usize = 24;

/// Decodes all entities like a browser, including those without a semicolon.
pub(super) fn unescape(text: &str) -> String {
    replace(text, |after| match after.strip_prefix('#') {
        Some(number) => numeric(number),
        None => named(after),
    })
}

/// Decodes entities that end in a semicolon, including lower-case names in upper case: `&EACUTE;` is É.
pub(super) fn unescape_strict(text: &str) -> String {
    replace(text, |after| {
        let (number, body) = match after.strip_prefix('#') {
            Some(body) => (true, body),
            None => (false, after),
        };
        let len = body.bytes().take_while(u8::is_ascii_alphanumeric).count();
        if !(1..=MAX_STRICT).contains(&len) || body.as_bytes().get(len) != Some(&b';') {
            return None;
        }
        if !number {
            let name = &body[..len];
            let value = by_name(name).map(str::to_owned).or_else(|| by_upper_name(name))?;
            return Some((value, len + 1));
        }
        let (value, used) = numeric(body)?;
        // only a part of it was a number, or the number was that of a semicolon
        (used == len + 2 && value != ";").then_some((value, used))
    })
}

/// Calls `read` with the text after each `&`; it returns the decoded value and the number of bytes consumed.
fn replace(text: &str, read: impl Fn(&str) -> Option<(String, usize)>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        if let Some((value, used)) = read(after) {
            out.push_str(&value);
            rest = &after[used..];
        } else {
            out.push('&');
            rest = after;
        }
    }
    out + rest
}

/// A number after `&#`: decimal, or hexadecimal after `x`; the semicolon may be missing.
fn numeric(number: &str) -> Option<(String, usize)> {
    let (radix, digits, mark) = match number.strip_prefix(['x', 'X']) {
        Some(digits) => (16, digits, 1),
        None => (10, number, 0),
    };
    let len = digits.chars().take_while(|c| c.is_digit(radix)).count();
    if len == 0 {
        return None;
    }
    // a number above u32 is not a valid character
    let code = u32::from_str_radix(&digits[..len], radix).unwrap_or(u32::MAX);
    let semicolon = usize::from(digits[len..].starts_with(';'));
    Some((character(code), 1 + mark + len + semicolon))
}

/// The character that a browser shows for a numeric entity; empty for numbers that are not characters.
fn character(code: u32) -> String {
    match code {
        0 => "\u{fffd}".into(),
        0x0d => "\r".into(),
        0x80..=0x9f => encoding_rs::WINDOWS_1252.decode_without_bom_handling(&[code as u8]).0.into_owned(),
        0x01..=0x08 | 0x0b | 0x0e..=0x1f | 0x7f | 0xfdd0..=0xfdef => String::new(),
        _ if code & 0xfffe == 0xfffe && code <= 0x0010_ffff => String::new(),
        _ => char::from_u32(code).unwrap_or('\u{fffd}').into(),
    }
}

/// A named entity after `&`: a known name with its semicolon, else the longest known name without one.
fn named(after: &str) -> Option<(String, usize)> {
    let ends = |c: char| matches!(c, '\t' | '\n' | '\u{c}' | ' ' | '<' | '&' | '#' | ';');
    let len: usize = after.chars().take(MAX_NAME).take_while(|&c| !ends(c)).map(char::len_utf8).sum();
    let name = &after[..len];
    if after[len..].starts_with(';')
        && let Some(value) = by_name(name)
    {
        return Some((value.to_owned(), len + 1));
    }
    let old = longest_legacy(name)?;
    Some((by_name(old)?.to_owned(), old.len()))
}

/// The longest name valid without a semicolon that `name` starts with.
fn longest_legacy(name: &str) -> Option<&'static str> {
    LEGACY.into_iter().filter(|old| name.starts_with(old)).max_by_key(|old| old.len())
}

fn by_name(name: &str) -> Option<&'static str> {
    let found = NAMED_ENTITIES.binary_search_by_key(&name.as_bytes(), |&(name, _)| name).ok()?;
    NAMED_ENTITIES.get(found).map(|&(_, value)| value)
}

/// The value of a lower-case name written in upper case, unless a browser decodes the upper-case name.
fn by_upper_name(name: &str) -> Option<String> {
    if name.bytes().any(|byte| byte.is_ascii_lowercase()) || longest_legacy(name).is_some() {
        return None;
    }
    by_name(&name.to_ascii_lowercase()).map(str::to_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_names_are_all_known_and_sorted_names_are_found() {
        assert!(LEGACY.iter().all(|name| by_name(name).is_some()));
        assert!(
            NAMED_ENTITIES
                .iter()
                .all(|(name, value)| by_name(std::str::from_utf8(name).unwrap()) == Some(value))
        );
    }

    #[test]
    fn strange_references_are_read_as_python_does() {
        for (text, expected) in [
            ("&#128;&#x80;&#0;&#xD800;&#1114112;&#99999999999;", "€€\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            ("a&#1;b&#xFFFF;c", "abc"),
            ("&#65&#x42g", "ABg"),
            ("&copy2024 &ampamp; &notin; &noti; &", "©2024 &amp; ∉ ¬i; &"),
            ("&#; &#x; &;", "&#; &#x; &;"),
        ] {
            assert_eq!(unescape(text), expected, "{text}");
        }
    }

    #[test]
    fn strict_reading_leaves_ambiguous_text_alone() {
        for (text, expected) in [
            ("this&not that &copy2024", "this&not that &copy2024"),
            ("P&EACUTE;REZ &SZLIG; &nTILDE; &LTIMES;", "PÉREZ SS &nTILDE; &LTIMES;"),
            ("&#8217;&#x2019;&#12ab;&#59;", "’’&#12ab;&#59;"),
        ] {
            assert_eq!(unescape_strict(text), expected, "{text}");
        }
    }
}
