//! Errors of media files.

use std::io::{self, ErrorKind};
use std::path::Path;

use crate::core::{Error, Kind};

/// The error of a failed operation (for instance "Cannot write") on `path`, with a remedy for the cause.
pub(super) fn io_error(doing: &str, path: &Path, error: io::Error) -> Error {
    let remedy = match error.kind() {
        ErrorKind::NotFound if is_url(path) => {
            "Only files of this machine are read; download it, then give its path"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "Free some disk space or choose another folder"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "Choose a writable folder",
        ErrorKind::NotADirectory => {
            "The path contains a file where a folder is needed; choose another folder"
        }
        ErrorKind::InvalidFilename => "Choose a shorter name",
        ErrorKind::NotFound => "Check the path",
        _ => "Check the disk and the path",
    };
    Error::new(Kind::Io, format!("{doing} {}", path.display())).remedy(remedy).because(error)
}

/// Whether the path is an address of the web.
fn is_url(path: &Path) -> bool {
    ["http:", "https:"].iter().any(|scheme| path.starts_with(scheme))
}

/// The error of a file with invalid content.
pub(super) fn damaged(path: &Path, what: &str) -> Error {
    Error::new(Kind::Io, format!("The file is damaged: {what}: {}", path.display()))
        .remedy("Use another copy of the file, or generate it again")
}

/// The error of a codec or muxer that rejects valid input.
pub(super) fn codec_error(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(Kind::Bug, what)
        .remedy("Try another format, for instance a folder of PNG files")
        .because(error)
}
