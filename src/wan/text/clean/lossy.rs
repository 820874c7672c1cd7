//! Repair of damaged UTF-8: bytes that became spaces, lost bytes, and the variants CESU-8 and Java's modified UTF-8.

use super::charset::LOST;

/// U+FFFD in UTF-8.
const REPLACEMENT: [u8; 3] = [0xef, 0xbf, 0xbd];

/// Restores the byte A0 where it became a space, if the result is UTF-8 of a likely character.
pub(super) fn restore_spaces(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 8);
    let mut rest = bytes;
    while !rest.is_empty() {
        if is_lone_a_grave(rest) {
            out.extend([0xc3, 0xa0, b' ']);
            rest = &rest[2..];
            continue;
        }
        let len = spaced_sequence(rest).unwrap_or(1);
        let spaced = len > 1;
        out.extend(rest[..len].iter().map(|&byte| if spaced && byte == b' ' { 0xa0 } else { byte }));
        rest = &rest[len..];
    }
    out
}

/// C3 before a space is the French word "à" whose A0 was merged with the following space, except at the start of
/// Portuguese words such as "às" and "àquele", where the space itself is the A0.
fn is_lone_a_grave(bytes: &[u8]) -> bool {
    const GOES_ON: [&[u8]; 5] = [b" ", b"quele", b"quela", b"quilo", b"s "];
    bytes.strip_prefix(b"\xc3 ").is_some_and(|after| !GOES_ON.iter().any(|word| after.starts_with(word)))
}

/// Length of the UTF-8 sequence at the start in which a space replaces A0.
fn spaced_sequence(bytes: &[u8]) -> Option<usize> {
    // 85 is often an ellipsis, and A0 would be a second space
    let inner = |byte: u8| matches!(byte, 0x80..=0x84 | 0x86..=0x9f | 0xa1..=0xbf);
    let any = |byte: u8| matches!(byte, 0x80..=0xbf);
    match *bytes {
        [0xc2 | 0xc3 | 0xc5 | 0xce | 0xd0 | 0xd9, b' ', ..] => Some(2),
        [0xe2 | 0xe3, b' ', c, ..] if inner(c) => Some(3),
        [0xe0..=0xe3, b, b' ', ..] if inner(b) => Some(3),
        [0xf0, b' ', c, d, ..] if any(c) && any(d) => Some(4),
        [0xf0, b, b' ', d, ..] if any(b) && any(d) => Some(4),
        [0xf0, b, c, b' ', ..] if any(b) && any(c) => Some(4),
        _ => None,
    }
}

/// Replaces each UTF-8 sequence that has lost a byte by one U+FFFD.
pub(super) fn replace_lost(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(&first) = rest.first() {
        if let Some(len) = lost_sequence(rest) {
            out.extend(REPLACEMENT);
            rest = &rest[len..];
        } else {
            out.push(first);
            rest = &rest[1..];
        }
    }
    out
}

/// Length of the sequence at the start that has lost a byte; a question mark may replace one of its bytes.
fn lost_sequence(bytes: &[u8]) -> Option<usize> {
    let gone = |byte: u8| byte == LOST || byte == b'?';
    let kept = |byte: u8| byte == LOST || matches!(byte, 0x80..=0xbf);
    let either = |byte: u8| gone(byte) || kept(byte);
    match *bytes {
        [0xc2..=0xdf, LOST, ..] | [0xc2 | 0xc3, b'?', ..] => Some(2),
        [0xed, 0xa0..=0xaf, c, 0xed, 0xb0..=0xbf, f, ..] if gone(c) && either(f) || either(c) && gone(f) => {
            Some(6)
        }
        [0xe0..=0xef, b, c, ..] if gone(b) && kept(c) || kept(b) && gone(c) => Some(3),
        [0xf0..=0xf4, b, c, d, ..]
            if gone(b) && kept(c) && kept(d) || kept(b) && (gone(c) && kept(d) || kept(c) && gone(d)) =>
        {
            Some(4)
        }
        [LOST, ..] => Some(1),
        _ => None,
    }
}

/// Decodes UTF-8, including surrogates of three bytes each (CESU-8) and NUL as two bytes (Java).
pub(super) fn decode_utf8(bytes: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        let plain = (0..rest.len()).find(|&at| variant(&rest[at..]).is_some()).unwrap_or(rest.len());
        out.push_str(std::str::from_utf8(&rest[..plain]).ok()?);
        rest = &rest[plain..];
        if let Some((c, len)) = variant(rest) {
            out.push(c);
            rest = &rest[len..];
        }
    }
    Some(out)
}

fn variant(bytes: &[u8]) -> Option<(char, usize)> {
    match *bytes {
        [0xc0, 0x80, ..] => Some(('\0', 2)),
        [0xed, b @ 0xa0..=0xaf, c @ 0x80..=0xbf, 0xed, e @ 0xb0..=0xbf, f @ 0x80..=0xbf, ..] => {
            let bits = [(b, 0x0f, 16), (c, 0x3f, 10), (e, 0x0f, 6), (f, 0x3f, 0)];
            let code = bits.iter().map(|&(byte, mask, shift)| u32::from(byte & mask) << shift).sum::<u32>();
            char::from_u32(code + 0x1_0000).map(|c| (c, 6))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_become_bytes_where_it_is_likely() {
        assert_eq!(restore_spaces(b"voil\xc3 le"), b"voil\xc3\xa0 le");
        assert_eq!(restore_spaces(b"\xc3 quela \xc3 s "), b"\xc3\xa0quela \xc3\xa0s ");
        assert_eq!(restore_spaces(b"\xe2 \x95 \xe9 \x80"), b"\xe2\xa0\x95 \xe9 \x80");
    }

    #[test]
    fn lost_bytes_take_their_sequence_along() {
        assert_eq!(replace_lost(b"a\xe2\x80\x1ab\xc3?\x1a"), "a\u{fffd}b\u{fffd}\u{fffd}".as_bytes());
        assert_eq!(replace_lost(b"\xe2??"), b"\xe2??");
    }

    #[test]
    fn cousins_of_utf8_are_read() {
        assert_eq!(decode_utf8(b"\xed\xa0\xbd\xed\xb8\x80\xc0\x80x").as_deref(), Some("😀\0x"));
        assert_eq!(decode_utf8(b"\xed\xa0\xbd"), None);
    }
}
