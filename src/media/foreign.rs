//! Recognises files in formats that are not supported, so that an error can name the format and a command that converts
//! the file.

use std::path::Path;

use crate::core::{Error, Kind};

/// A recognised format that is not supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ForeignFormat {
    /// HEIF image with HEVC, as phones save photographs.
    Heic,
    /// HEIF image with AV1.
    Avif,
    JpegXl,
    /// Another image format, by its name.
    OtherImage(&'static str),
    WebM,
    Matroska,
    Avi,
    /// Another video format, by its name.
    OtherVideo(&'static str),
}

impl ForeignFormat {
    /// Number of bytes at the start of a file that [`Self::of`] needs.
    pub(super) const START_BYTES: u64 = 64;

    /// The format of a file by its first bytes; `None` if it is not one of these.
    pub(super) fn of(start: &[u8]) -> Option<Self> {
        if let [a, b, c, d, b'f', b't', b'y', b'p', brands @ ..] = start {
            let box_bytes = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            return of_brands(brands.get(..box_bytes.saturating_sub(8)).unwrap_or(brands));
        }
        let has = |word: &[u8]| start.windows(word.len()).any(|window| window == word);
        Some(match start {
            [0xff, 0x0a, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => Self::JpegXl,
            [0x1a, 0x45, 0xdf, 0xa3, ..] => {
                if has(b"webm") {
                    Self::WebM
                } else {
                    Self::Matroska
                }
            }
            [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' ', ..] => Self::Avi,
            [b'F', b'L', b'V', 1, ..] => Self::OtherVideo("Flash"),
            [0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11, ..] => Self::OtherVideo("Windows Media"),
            [0, 0, 1, 0xba | 0xb3, ..] => Self::OtherVideo("MPEG"),
            [b'O', b'g', b'g', b'S', ..] => Self::OtherVideo("Ogg"),
            [b'8', b'B', b'P', b'S', ..] => Self::OtherImage("Photoshop"),
            [0x76, 0x2f, 0x31, 0x01, ..] => Self::OtherImage("OpenEXR"),
            [b'#', b'?', b'R', b'A', b'D', b'I', b'A', b'N', b'C', b'E', ..] => {
                Self::OtherImage("Radiance HDR")
            }
            [b'q', b'o', b'i', b'f', ..] => Self::OtherImage("QOI"),
            [b'D', b'D', b'S', b' ', ..] => Self::OtherImage("DDS"),
            [0, 0, 1, 0, ..] => Self::OtherImage("icon (ICO)"),
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Heic => "HEIC",
            Self::Avif => "AVIF",
            Self::JpegXl => "JPEG XL",
            Self::WebM => "WebM",
            Self::Matroska => "Matroska (MKV)",
            Self::Avi => "AVI",
            Self::OtherImage(name) | Self::OtherVideo(name) => name,
        }
    }

    /// Whether it is an image and not a video.
    pub(super) fn is_image(self) -> bool {
        matches!(self, Self::Heic | Self::Avif | Self::JpegXl | Self::OtherImage(_))
    }

    /// The error of a file in this format, with a command that converts it.
    pub(super) fn error(self, path: &Path) -> Error {
        let name = self.name();
        let article = if matches!(self, Self::Avi | Self::Avif) { "an" } else { "a" };
        if !self.is_image() {
            let message = format!(
                "The file is {article} {name} video, and only H.264 in MP4 or MOV and GIF are supported: {}",
                path.display()
            );
            return Error::new(Kind::Unsupported, message).remedy(format!("Convert it: {}", to_mp4(path)));
        }
        let (from, to) = (quoted(path), quoted(&renamed(path, "png")));
        let remedy = match self {
            Self::Heic => format!(
                "Convert it: heif-convert {from} {to}. Phones save JPEG instead with \"Most compatible\" in their camera \
                 settings"
            ),
            Self::JpegXl => format!("Convert it: djxl {from} {to}"),
            _ => format!("Convert it: ffmpeg -i {from} -frames:v 1 {to}"),
        };
        let message =
            format!("The file is {article} {name} image, which is not supported: {}", path.display());
        Error::new(Kind::Unsupported, message).remedy(remedy)
    }
}

/// The format of an ISO media file by the brands in its `ftyp` box; `None` for videos in MP4 and MOV.
fn of_brands(brands: &[u8]) -> Option<ForeignFormat> {
    let is_any = |known: &[&[u8]]| brands.chunks_exact(4).any(|brand| known.contains(&brand));
    if is_any(&[b"avif", b"avis"]) {
        return Some(ForeignFormat::Avif);
    }
    is_any(&[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"])
        .then_some(ForeignFormat::Heic)
}

/// The ffmpeg command that converts a video to 8-bit H.264 in an MP4 file beside it.
pub(super) fn to_mp4(path: &Path) -> String {
    let mut to = renamed(path, "mp4");
    if to == path {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        to = path.with_file_name(format!("{stem}-h264.mp4"));
    }
    format!("ffmpeg -i {} -c:v libx264 -pix_fmt yuv420p {}", quoted(path), quoted(&to))
}

fn renamed(path: &Path, extension: &str) -> std::path::PathBuf {
    path.with_extension(extension)
}

/// A path as one word of a shell's command line.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/\\._-+,:=@%".contains(c);
    match (text.chars().all(is_plain), cfg!(windows)) {
        (true, _) => text,
        (false, true) => format!("\"{text}\""),
        (false, false) => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_recognised_by_their_first_bytes() {
        for (start, format) in [
            (&b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..], ForeignFormat::Heic),
            (b"\0\0\0\x1cftypmif1\0\0\0\0avifmif1miaf", ForeignFormat::Avif),
            (b"\0\0\0\x1cftypavis\0\0\0\0", ForeignFormat::Avif),
            (b"\xff\x0a\0\0", ForeignFormat::JpegXl),
            (b"\0\0\0\x0cJXL \x0d\x0a\x87\x0a", ForeignFormat::JpegXl),
            (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm", ForeignFormat::WebM),
            (b"\x1a\x45\xdf\xa3\xa3B\x86\x81\x01B\x82\x88matroska", ForeignFormat::Matroska),
            (b"RIFF\0\0\0\0AVI LIST", ForeignFormat::Avi),
        ] {
            assert_eq!(ForeignFormat::of(start), Some(format));
        }
        for start in [&b"\0\0\0\x1cftypisom\0\0\x02\0isomiso2avc1mp41"[..], b"RIFF\0\0\0\0WEBPVP8 ", b"text"]
        {
            assert_eq!(ForeignFormat::of(start), None);
        }
    }

    #[test]
    fn commands_name_the_file_and_never_overwrite_it() {
        assert_eq!(to_mp4(Path::new("a.webm")), "ffmpeg -i a.webm -c:v libx264 -pix_fmt yuv420p a.mp4");
        let command = to_mp4(Path::new("my clip.mp4"));
        assert!(command.contains("my clip-h264.mp4"), "{command}");
        #[cfg(unix)]
        assert!(to_mp4(Path::new("it's.mkv")).contains(r"'it'\''s.mkv'"));
        let error = format!("{:#}", ForeignFormat::Heic.error(Path::new("IMG_1.JPG")));
        assert!(error.contains("a HEIC") && error.contains("heif-convert IMG_1.JPG IMG_1.png"), "{error}");
        let message = ForeignFormat::Avi.error(Path::new("a.avi")).message;
        assert!(message.starts_with("The file is an AVI video"), "{message}");
    }
}
