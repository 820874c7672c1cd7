//! Single-byte character sets that UTF-8 is commonly decoded as by mistake.

use encoding_rs::Encoding;

/// Byte that represents U+FFFD, which other programs insert for undecodable bytes.
pub(super) const LOST: u8 = 0x1a;

/// The upper half of code page 437, which `encoding_rs` does not support.
const CP437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
                     αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// A character set. The variants are in the order in which they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    Latin1,
    Windows1252,
    Windows1251,
    Windows1250,
    Windows1253,
    Windows1254,
    Windows1257,
    Latin2,
    MacRoman,
    Cp437,
}

impl Charset {
    pub(super) const ALL: [Self; 10] = [
        Self::Latin1,
        Self::Windows1252,
        Self::Windows1251,
        Self::Windows1250,
        Self::Windows1253,
        Self::Windows1254,
        Self::Windows1257,
        Self::Latin2,
        Self::MacRoman,
        Self::Cp437,
    ];

    /// The sets in which the leading bytes of UTF-8 are letters.
    pub(super) const LATIN_LIKE: [Self; 7] = [
        Self::Latin1,
        Self::Windows1252,
        Self::Windows1251,
        Self::Windows1250,
        Self::Windows1253,
        Self::Windows1254,
        Self::Windows1257,
    ];

    /// Whether programs decode undefined bytes of this set as control characters and leave U+FFFD in the text.
    pub(super) fn is_windows(self) -> bool {
        !matches!(self, Self::Latin1 | Self::Latin2 | Self::MacRoman | Self::Cp437)
    }

    fn encoding(self) -> Option<&'static Encoding> {
        Some(match self {
            Self::Latin1 | Self::Cp437 => return None,
            Self::Windows1252 => encoding_rs::WINDOWS_1252,
            Self::Windows1251 => encoding_rs::WINDOWS_1251,
            Self::Windows1250 => encoding_rs::WINDOWS_1250,
            Self::Windows1253 => encoding_rs::WINDOWS_1253,
            Self::Windows1254 => encoding_rs::WINDOWS_1254,
            Self::Windows1257 => encoding_rs::WINDOWS_1257,
            Self::Latin2 => encoding_rs::ISO_8859_2,
            Self::MacRoman => encoding_rs::MACINTOSH,
        })
    }

    /// Characters of the bytes 0x80 to 0xFF.
    pub(super) fn upper_half(self) -> Vec<char> {
        match (self, self.encoding()) {
            (Self::Cp437, _) => CP437.chars().collect(),
            (_, None) => ('\u{80}'..='\u{ff}').collect(),
            (_, Some(encoding)) => (0x80..=0xff).map(|byte| filled(encoding, byte)).collect(),
        }
    }

    /// Encodes `text` in this set; `None` if a character is not in it.
    pub(super) fn encode(self, text: &str) -> Option<Vec<u8>> {
        let upper = self.upper_half();
        let windows = self.is_windows();
        text.chars()
            .map(|c| match c {
                '\u{fffd}' if windows => Some(LOST),
                '\u{1a}' if windows => None,
                '\0'..='\u{7f}' => Some(c as u8),
                c => upper.iter().position(|&known| known == c).map(|index| index as u8 + 0x80),
            })
            .collect()
    }
}

/// The character of a byte; undefined bytes are the control character of the same number.
fn filled(encoding: &'static Encoding, byte: u8) -> char {
    let (text, _) = encoding.decode_without_bom_handling(std::slice::from_ref(&byte));
    text.chars().find(|&c| c != '\u{fffd}').unwrap_or_else(|| char::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_has_128_upper_characters_that_come_back() {
        for set in Charset::ALL {
            let upper = set.upper_half();
            assert_eq!(upper.len(), 128, "{set:?}");
            let text: String = upper.iter().collect();
            let bytes: Vec<u8> = (0x80..=0xff).collect();
            assert_eq!(set.encode(&text), Some(bytes), "{set:?}");
        }
        assert_eq!(Charset::Windows1252.encode("a\u{1a}"), None);
        assert_eq!(Charset::Windows1252.encode("€\u{fffd}\u{81}"), Some(vec![0x80, LOST, 0x81]));
    }
}
