//! Percent-encoding of addresses.

/// `text` with everything encoded that an address cannot hold; slashes, which separate the parts of a path, too unless
/// `keeps_slashes`.
pub fn percent_encoded(text: &str, keeps_slashes: bool) -> String {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (keeps_slashes && byte == b'/');
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0').to_ascii_uppercase();
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_plain(byte) {
            out.push(char::from(byte));
        } else {
            out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_that_means_something_in_an_address_is_encoded() {
        assert_eq!(percent_encoded("a b/ü%?#.mp4", true), "a%20b/%C3%BC%25%3F%23.mp4");
        assert_eq!(percent_encoded("refs/pr/1", false), "refs%2Fpr%2F1");
        assert_eq!(percent_encoded("A-z_0.9~", false), "A-z_0.9~");
    }
}
