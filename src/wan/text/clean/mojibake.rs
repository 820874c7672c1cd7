//! Repair of mojibake: UTF-8 that was decoded as another character set.
//!
//! Text is changed only if it looks like mojibake and its bytes are valid UTF-8. The rest is repaired in pieces, and
//! remaining control characters are decoded as windows-1252.

use super::badness::is_bad;
use super::charset::Charset;
use super::lossy;

/// Undoes repeated wrong decodings one after the other.
pub(super) fn fix_encoding(text: &str) -> String {
    let mut text = text.to_owned();
    while let Some(fixed) = fix_once(&text).filter(|fixed| *fixed != text) {
        text = fixed;
    }
    fix_c1_controls(&text)
}

fn fix_once(text: &str) -> Option<String> {
    if !is_bad(text) {
        return None;
    }
    Charset::ALL
        .into_iter()
        .find_map(|set| misread_as(set, text))
        .or_else(|| fix_pieces(text))
        .or_else(|| windows_for_latin(text))
        .or_else(|| Some(fix_c1_controls(text)))
}

/// The original of `text`, assuming that its UTF-8 was decoded as `set`; `None` if that is impossible.
fn misread_as(set: Charset, text: &str) -> Option<String> {
    let mut bytes = set.encode(text)?;
    // an en dash and a space in Mac Roman would look like a byte that became a space
    if set != Charset::MacRoman {
        bytes = lossy::restore_spaces(&bytes);
    }
    if set.is_windows() {
        bytes = lossy::replace_lost(&bytes);
    }
    lossy::decode_utf8(&bytes)
}

/// Decodes Latin-1 text with control characters as windows-1252, if it has no byte that is undefined there.
fn windows_for_latin(text: &str) -> Option<String> {
    let bytes = Charset::Latin1.encode(text)?;
    if bytes.iter().any(|byte| matches!(byte, 0x81 | 0x8d | 0x8f | 0x90 | 0x9d)) {
        return None;
    }
    let fixed = fix_c1_controls(text);
    (fixed != text).then_some(fixed)
}

/// Decodes control characters 80 to 9F as windows-1252, like browsers.
fn fix_c1_controls(text: &str) -> String {
    if !text.contains(is_c1) {
        return text.to_owned();
    }
    let windows = Charset::Windows1252.upper_half();
    let fix = |c: char| if is_c1(c) { windows[c as usize - 0x80] } else { c };
    text.chars().map(fix).collect()
}

fn is_c1(c: char) -> bool {
    ('\u{80}'..='\u{9f}').contains(&c)
}

/// Repairs sequences that look like UTF-8 in text that is composed of several sources.
fn fix_pieces(text: &str) -> Option<String> {
    let clues = Clues::new();
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let inside = at > 0 && clues.has(chars[at - 1], Clues::STRICT);
        let len = if inside { 0 } else { clues.sequences(&chars[at..]) };
        let piece: String = chars[at..at + len.max(1)].iter().collect();
        // a piece that is the whole text would be an endless loop
        if len > 0 && len < chars.len() && is_bad(&piece) {
            out += &encodings_undone(&piece);
        } else {
            out += &piece;
        }
        at += len.max(1);
    }
    (out != text).then_some(out)
}

/// [`fix_encoding`] without the repair of pieces, for one piece.
fn encodings_undone(piece: &str) -> String {
    let mut text = piece.to_owned();
    while let Some(fixed) = fix_once(&text).filter(|fixed| *fixed != text) {
        text = fixed;
    }
    text
}

/// Roles of characters as bytes of UTF-8 in the Latin-like sets.
struct Clues {
    /// `(character, roles)`, sorted.
    roles: Vec<(char, u8)>,
}

impl Clues {
    const FIRST_OF_2: u8 = 1;
    const FIRST_OF_3: u8 = 2;
    const FIRST_OF_4: u8 = 4;
    const CONTINUES: u8 = 8;
    /// A continuation byte that rarely occurs on its own next to a sequence.
    const STRICT: u8 = 16;

    fn new() -> Self {
        let mut roles = vec![(' ', Self::CONTINUES)];
        for set in Charset::LATIN_LIKE {
            for (index, c) in set.upper_half().into_iter().enumerate() {
                roles.push((c, Self::roles_of(index as u8 + 0x80, c)));
            }
        }
        roles.sort_unstable();
        roles.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 |= next.1;
            }
            same
        });
        Self { roles }
    }

    fn roles_of(byte: u8, c: char) -> u8 {
        let typed = matches!(c, '–' | '—' | '―' | '‘' | '’' | '‚' | '“' | '”' | '„' | '•' | '…');
        match byte {
            0x80..=0xbf if typed => Self::CONTINUES,
            0x80..=0xbf => Self::CONTINUES | Self::STRICT,
            0xc2..=0xdf => Self::FIRST_OF_2,
            0xe0..=0xef => Self::FIRST_OF_3,
            // other lead bytes encode characters that do not exist
            0xf0 | 0xf3 => Self::FIRST_OF_4,
            _ => 0,
        }
    }

    fn has(&self, c: char, role: u8) -> bool {
        self.roles.binary_search_by_key(&c, |&(known, _)| known).is_ok_and(|at| self.roles[at].1 & role != 0)
    }

    /// Length of the consecutive UTF-8 sequences at the start.
    fn sequences(&self, chars: &[char]) -> usize {
        let mut len = 0;
        while let Some(next) = self.sequence(&chars[len..]) {
            len += next;
        }
        len
    }

    fn sequence(&self, chars: &[char]) -> Option<usize> {
        let (&first, rest) = chars.split_first()?;
        [(Self::FIRST_OF_2, 1), (Self::FIRST_OF_3, 2), (Self::FIRST_OF_4, 3)].into_iter().find_map(
            |(role, continues)| {
                let follow = rest.get(..continues)?;
                let fits = self.has(first, role) && follow.iter().all(|&c| self.has(c, Self::CONTINUES));
                fits.then_some(continues + 1)
            },
        )
    }
}
