//! A SHA-256 in progress that can be written down and continued by another program.

use sha2::Sha256;
use sha2::digest::common::hazmat::{SerializableState as _, SerializedState};

use crate::core::hex;

/// The state of `hash` in hexadecimal.
pub(super) fn to_text(hash: &Sha256) -> String {
    hex(&hash.serialize())
}

/// The hash whose state [`to_text`] wrote; `None` if `text` is no such state.
pub(super) fn from_text(text: &str) -> Option<Sha256> {
    let bytes = bytes_from_hex(text)?;
    let state = SerializedState::<Sha256>::try_from(bytes.as_slice()).ok()?;
    Sha256::deserialize(&state).ok()
}

fn bytes_from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.iter().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use sha2::Digest as _;

    use super::*;

    #[test]
    fn a_hash_goes_on_from_its_text() {
        let whole = Sha256::digest(b"one and two");
        let half = Sha256::new().chain_update(b"one and");
        let rest = from_text(&to_text(&half)).unwrap().chain_update(b" two");
        assert_eq!(rest.finalize(), whole);
        for wrong in ["", "ab", "zz", &to_text(&half)[1..]] {
            assert!(from_text(wrong).is_none(), "{wrong}");
        }
    }
}
