//! Checks that a JPEG file is complete. The decoder fills the missing part of a truncated baseline JPEG with grey.

/// Marker that ends an image, ITU-T T.81 table B.1.
const END_OF_IMAGE: u8 = 0xd9;
/// Marker in front of entropy-coded data.
const START_OF_SCAN: u8 = 0xda;

/// Whether `bytes` contain an image from its first to its last marker. Bytes after the end are allowed, such as the
/// second image of a phone's portrait photograph.
pub(super) fn is_complete(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(marker) = next_marker(bytes, &mut at) {
        match marker {
            END_OF_IMAGE => return true,
            // restart markers and other markers without a length
            0x01 | 0xd0..=0xd7 => {}
            _ => {
                let Some(length) = bytes.get(at..at + 2) else { return false };
                at += usize::from(u16::from_be_bytes([length[0], length[1]]));
                if marker == START_OF_SCAN {
                    skip_scan(bytes, &mut at);
                }
            }
        }
    }
    false
}

/// The next marker code; moves `at` behind it.
fn next_marker(bytes: &[u8], at: &mut usize) -> Option<u8> {
    let rest = bytes.get(*at..)?;
    let start = rest.iter().position(|&byte| byte == 0xff)?;
    // any number of fill bytes may precede the code
    let code = rest[start..].iter().position(|&byte| byte != 0xff)?;
    *at += start + code + 1;
    Some(rest[start + code])
}

/// Moves `at` to the marker after entropy-coded data, in which a byte FF is followed by 00 or is a restart marker.
fn skip_scan(bytes: &[u8], at: &mut usize) {
    let rest = bytes.get(*at..).unwrap_or_default();
    let ends = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xd0..=0xd7 | 0xff);
    *at += rest.windows(2).position(ends).unwrap_or(rest.len());
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, ImageFormat, RgbImage};

    use super::*;

    #[test]
    fn every_truncation_of_a_jpeg_is_found() {
        let noisy =
            RgbImage::from_fn(48, 40, |x, y| image::Rgb([(x * y * 37) as u8, (x * 91) as u8, y as u8]));
        let mut whole = std::io::Cursor::new(Vec::new());
        DynamicImage::from(noisy).write_to(&mut whole, ImageFormat::Jpeg).unwrap();
        let whole = whole.into_inner();
        assert!(is_complete(&whole));
        for length in 0..whole.len() {
            assert!(!is_complete(&whole[..length]), "{length} of {}", whole.len());
        }
        assert!(is_complete(&[&whole[..], b"a second image"].concat()));
        // an embedded thumbnail has an end of its own
        let exif = [&[0xff, 0xe1, 0, 8][..], &[0, 0, 0, 0, 0xff, 0xd9]].concat();
        let with_thumbnail = [&whole[..2], &exif, &whole[2..whole.len() - 2]].concat();
        assert!(!is_complete(&with_thumbnail));
    }
}
