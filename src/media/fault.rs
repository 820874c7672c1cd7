//! Plain sentences for what can go wrong with a file.

use std::io::{self, ErrorKind};
use std::path::Path;

use crate::core::{Error, Kind};

/// The error of `doing` (for instance "Cannot write") something with `path`, with a remedy that fits the cause.
pub(super) fn io_error(doing: &str, path: &Path, error: io::Error) -> Error {
    let remedy = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "Free some space or choose another folder"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "Choose a folder you may write to",
        ErrorKind::NotADirectory => "A part of the path before the name is a file; choose another folder",
        ErrorKind::InvalidFilename => "Choose a shorter name",
        ErrorKind::NotFound => "Check the path",
        _ => "Check the disk and the path",
    };
    Error::new(Kind::Io, format!("{doing} {}", path.display())).remedy(remedy).because(error)
}

/// The error of a file that is not what it should be inside.
pub(super) fn damaged(path: &Path, what: &str) -> Error {
    Error::new(Kind::Io, format!("The file is damaged: {what}: {}", path.display()))
        .remedy("Use another copy of the file, or make it again")
}

/// The error of a codec or muxer that refuses what should be fine.
pub(super) fn codec_error(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(Kind::Bug, what)
        .remedy("Try another format, for instance a folder of PNG files")
        .because(error)
}
