//! The request stored in a video file: written by every format, and read back from files.

use std::io::{self, Read as _};
use std::path::Path;

use crate::core::{Kind, Result, open_regular};

use super::fault::io_error;
use super::foreign::ForeignFormat;
use super::{gif_blocks, mp4_demux, png};

/// Name of the entry with the request in every format.
pub(super) const KEY: &str = "wandeck";

/// Metadata of a video file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    comment: String,
    json: String,
}

impl Metadata {
    /// A one-line comment, shown by players and file managers, and the whole request as JSON text.
    pub fn new(comment: &str, json: &str) -> Self {
        // tags are one line, and NUL is not allowed in a PNG text
        let comment = comment.split(char::is_control).filter(|part| !part.is_empty());
        Self { comment: comment.collect::<Vec<_>>().join(" "), json: json.replace('\0', "") }
    }

    /// The comment.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// The request as JSON text.
    pub fn json(&self) -> &str {
        &self.json
    }
}

/// File format by the first bytes; extensions may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Mp4,
    Gif,
    Png,
    /// An image in another format.
    Still,
    /// A folder of PNG frames.
    Folder,
    /// A format that is recognised but not supported.
    Foreign(ForeignFormat),
    Unknown,
}

impl Container {
    /// The format of a file or folder.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        if path.is_dir() {
            return Ok(Self::Folder);
        }
        let mut start = Vec::with_capacity(ForeignFormat::START_BYTES as usize);
        open_regular(path)?.take(ForeignFormat::START_BYTES).read_to_end(&mut start)?;
        if let Some(format) = ForeignFormat::of(&start) {
            return Ok(Self::Foreign(format));
        }
        Ok(match start.as_slice() {
            // QuickTime files may start with another box than ftyp
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => Self::Mp4,
            [0, _, _, _, kind @ ..]
                if [b"moov", b"mdat", b"wide"].iter().any(|known| kind.starts_with(*known)) =>
            {
                Self::Mp4
            }
            [b'G', b'I', b'F', b'8', ..] => Self::Gif,
            [0x89, b'P', b'N', b'G', ..] => Self::Png,
            other if image::guess_format(other).is_ok_and(|format| format.reading_enabled()) => Self::Still,
            _ => Self::Unknown,
        })
    }
}

/// The request as JSON text, from a file or from the first frame of a folder.
///
/// `None` if there is none, whatever the file is. Fails with [`Kind::Io`] if it cannot be read.
pub fn read_metadata(path: &Path) -> Result<Option<String>> {
    let container = Container::of(path).map_err(|error| io_error("Cannot read", path, error))?;
    let found = match container {
        Container::Mp4 => mp4_demux::read_metadata(path),
        Container::Gif => gif_blocks::read_metadata(path),
        Container::Png => png::read_metadata(path),
        Container::Folder => {
            let first = path.join(png::frame_name(0));
            if first.is_file() { png::read_metadata(&first) } else { Ok(None) }
        }
        Container::Still | Container::Foreign(_) | Container::Unknown => Ok(None),
    };
    found.map_err(|mut error| {
        error.kind = Kind::Io;
        error
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_comment_is_one_line() {
        let metadata = Metadata::new("a cat\r\n\ton a\0 mat", "{}");
        assert_eq!(metadata.comment(), "a cat on a  mat");
    }

    #[test]
    fn files_without_metadata_are_not_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("notes.mp4");
        std::fs::write(&text, "not a video").unwrap();
        assert_eq!(read_metadata(&text).unwrap(), None);
        assert_eq!(read_metadata(folder.path()).unwrap(), None);
        assert_eq!(read_metadata(&folder.path().join("missing.mp4")).unwrap_err().kind, Kind::Io);
    }
}
