//! Limits of a tokenizer's file that are checked before the library reads it.
//!
//! The library trusts its files: a normalizer may make any text a thousand times as long, and a broken table of
//! characters makes it panic.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Deserialize;
use serde_json::Value;

/// Most bytes that a normalizer may make of one byte; UMT5's makes 12 at most.
const MAX_GROWTH: usize = 64;

/// The parts of a `tokenizer.json` that change the text.
#[derive(Deserialize)]
struct TextSteps {
    #[serde(default)]
    normalizer: Option<Value>,
    #[serde(default)]
    pre_tokenizer: Option<Value>,
}

/// Checks the bytes of a `tokenizer.json`.
pub(super) fn check_json(bytes: &[u8]) -> io::Result<()> {
    let steps: TextSteps = serde_json::from_slice(bytes).map_err(io::Error::other)?;
    let steps = [steps.normalizer, steps.pre_tokenizer];
    let growth = steps.iter().flatten().map(growth).fold(1, usize::saturating_mul);
    steps.iter().flatten().try_for_each(check_charsmaps)?;
    if growth > MAX_GROWTH {
        let message = format!("it makes a text up to {growth} times as long, more than {MAX_GROWTH}");
        return Err(io::Error::other(message));
    }
    Ok(())
}

/// How many bytes a step with all its parts makes of one, at most. Texts that a step inserts count in full.
fn growth(step: &Value) -> usize {
    match step {
        Value::Object(fields) => {
            let inserts =
                ["content", "prepend", "replacement"].iter().filter_map(|key| fields.get(*key)?.as_str());
            let own = inserts.map(|text| text.len().max(1)).fold(1, usize::saturating_mul);
            fields.values().map(growth).fold(own, usize::saturating_mul)
        }
        Value::Array(steps) => steps.iter().map(growth).fold(1, usize::saturating_mul),
        _ => 1,
    }
}

/// Checks every table of characters in a step.
fn check_charsmaps(step: &Value) -> io::Result<()> {
    match step {
        Value::Object(fields) => {
            if let Some(map) = fields.get("precompiled_charsmap").and_then(Value::as_str) {
                check_charsmap(&bytes_from_base64(map))?;
            }
            fields.values().try_for_each(check_charsmaps)
        }
        Value::Array(steps) => steps.iter().try_for_each(check_charsmaps),
        _ => Ok(()),
    }
}

/// The bytes of a text in base64 (RFC 4648, section 4). Other characters are skipped: the library refuses them.
fn bytes_from_base64(text: &str) -> Vec<u8> {
    let (mut bytes, mut bits, mut count) = (Vec::with_capacity(text.len() / 4 * 3), 0_u32, 0);
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        (bits, count) = (bits << 6 | u32::from(value), count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

/// Checks a table of characters: the length of a trie, the trie, and the texts it points to, each ended by a NUL.
pub(super) fn check_charsmap(bytes: &[u8]) -> io::Result<()> {
    let trie_len = bytes.first_chunk().map_or(0, |&len| u32::from_le_bytes(len) as usize);
    let texts = bytes.get(size_of::<u32>()..).and_then(|rest| rest.get(trie_len..));
    let Some(texts) = texts.filter(|_| trie_len >= size_of::<u32>()) else {
        return Err(io::Error::other("its character map is cut off"));
    };
    if texts.split(|&byte| byte == 0).any(|text| text.len() > MAX_GROWTH) {
        return Err(io::Error::other(format!("its character map makes more than {MAX_GROWTH} bytes of one")));
    }
    Ok(())
}

/// Runs `work`, in which the library may panic over an inconsistent file.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> io::Result<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_panic| io::Error::other("it contradicts itself"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read() {
        assert_eq!(bytes_from_base64("V2FuZGVjaw=="), b"Wandeck");
        assert!(
            check_json(br#"{"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}}"#)
                .is_err()
        );
    }

    #[test]
    fn a_normalizer_that_makes_texts_much_longer_is_refused() {
        let replace = |content: &str| {
            format!(r#"{{"type": "Replace", "pattern": {{"String": "a"}}, "content": "{content}"}}"#)
        };
        let file = |steps: &[String]| {
            format!(r#"{{"normalizer": {{"type": "Sequence", "normalizers": [{}]}}}}"#, steps.join(", "))
        };
        assert!(check_json(file(&[replace("b"), replace("abc")]).as_bytes()).is_ok());
        assert!(check_json(file(&[replace(&"a".repeat(65))]).as_bytes()).is_err());
        assert!(
            check_json(file(&vec![replace("aa"); 7]).as_bytes()).is_err(),
            "each doubles what the last made"
        );
    }
}
