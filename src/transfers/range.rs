//! A part of a file, and the headers of HTTP that name it.

/// Bytes from `start` to before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ByteRange {
    pub(super) start: u64,
    pub(super) end: u64,
}

impl ByteRange {
    /// The value of the header `Range`.
    pub(super) fn header(self) -> String {
        format!("bytes={}-{}", self.start, self.end.saturating_sub(1))
    }
}

/// What a `Content-Range` says: the first byte and the size of the whole file, if it is known.
pub(super) fn parse_content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, size) = text.trim().strip_prefix("bytes")?.trim().split_once('/')?;
    let (start, _) = range.split_once('-')?;
    let size = if size.trim() == "*" { None } else { Some(size.trim().parse().ok()?) };
    Some((start.trim().parse().ok()?, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_inclusive_on_the_wire() {
        assert_eq!(ByteRange { start: 0, end: 10 }.header(), "bytes=0-9");
        assert_eq!(parse_content_range("bytes 5-9/20"), Some((5, Some(20))));
        assert_eq!(parse_content_range("bytes 5-9/*"), Some((5, None)));
        assert_eq!(parse_content_range("bytes */20"), None);
    }
}
