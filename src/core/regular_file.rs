//! Reading of files that others made: regular files only, and no more bytes than their format needs.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use super::units::Bytes;

/// Opens a regular file to read it. A FIFO or a device would block the program or never end, and is refused with
/// [`ErrorKind::InvalidInput`].
pub fn open_regular(path: &Path) -> io::Result<File> {
    // before opening: opening a FIFO waits for a writer
    check(&fs::metadata(path)?)?;
    let file = File::open(path)?;
    // the path may have changed in between
    check(&file.metadata()?)?;
    Ok(file)
}

/// The bytes of a regular file of at most `max` bytes; a longer one is refused with [`ErrorKind::FileTooLarge`].
pub fn read_bounded(path: &Path, max: Bytes) -> io::Result<Vec<u8>> {
    let file = open_regular(path)?;
    let size = file.metadata()?.len();
    let too_large = || {
        let message = format!("it has more than the {max} that are read of such a file");
        io::Error::new(ErrorKind::FileTooLarge, message)
    };
    if size > max.0 {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(size as usize);
    // it may grow while it is read
    file.take(max.0.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max.0 { Err(too_large()) } else { Ok(bytes) }
}

/// The text of a regular file in UTF-8 of at most `max` bytes.
pub fn read_text_bounded(path: &Path, max: Bytes) -> io::Result<String> {
    let bytes = read_bounded(path, max)?;
    let text = without_byte_order_mark(&bytes).to_vec();
    String::from_utf8(text).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

/// The text of a file that a person may edit, such as settings: regular, in UTF-8, of at most 16 MiB.
pub fn read_edited_text(path: &Path) -> io::Result<String> {
    read_text_bounded(path, Bytes(16 << 20))
}

/// Text without the byte order mark that some editors write at its start, which JSON and RON do not allow.
pub fn without_byte_order_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

fn check(about: &fs::Metadata) -> io::Result<()> {
    let what = match about {
        about if about.is_file() => return Ok(()),
        about if about.is_dir() => return Err(ErrorKind::IsADirectory.into()),
        _ => "it is a device, a pipe or a socket, not a file",
    };
    Err(io::Error::new(ErrorKind::InvalidInput, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_bounded_size_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "four").unwrap();
        assert_eq!(read_bounded(&path, Bytes(4)).unwrap(), b"four");
        assert_eq!(read_text_bounded(&path, Bytes(9)).unwrap(), "four");
        assert_eq!(read_bounded(&path, Bytes(3)).unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert_eq!(read_bounded(dir.path(), Bytes(9)).unwrap_err().kind(), ErrorKind::IsADirectory);
        assert_eq!(read_bounded(&dir.path().join("b"), Bytes(9)).unwrap_err().kind(), ErrorKind::NotFound);
        #[cfg(unix)]
        for device in ["/dev/zero", "/dev/null"] {
            let error = read_bounded(Path::new(device), Bytes(9)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{device}");
        }
    }
}
