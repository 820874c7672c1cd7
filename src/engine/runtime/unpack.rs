//! From a downloaded wheel to a checked library in its place.

use std::fs::{self, File};
use std::io::{self, Seek as _};
use std::path::{Path, PathBuf};

use zip::ZipArchive;
use zip::result::ZipError;

use super::builds::Build;
use crate::core::{Error, Kind, Result, sha256_hex_of_reader};

/// Begins the name of a library that is being written.
pub(super) const LIBRARY_PREFIX: &str = ".library-";

const FETCH_AGAIN: &str = "Fetch it again; if it stays so, something between here and the package index alters \
                           files, and ORT_DYLIB_PATH can name a library you trust";

/// Checks the wheel, takes the library out of it into `dir`, checks that, and puts it in place in one step.
pub fn unpack(build: &Build, wheel: &Path, dir: &Path) -> Result<PathBuf> {
    let mut archive = checked_wheel(build, wheel)?;
    let mut member = archive.by_name(build.member).map_err(|error| no_member(build, wheel, error))?;
    let write = |error: io::Error| cannot_write(dir, error);
    let mut builder = tempfile::Builder::new();
    builder.prefix(LIBRARY_PREFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // Temporary files are private by default; this one stays, for whoever may read the folder.
        builder.permissions(fs::Permissions::from_mode(0o644));
    }
    let mut library = builder.tempfile_in(dir).map_err(write)?;
    io::copy(&mut member, library.as_file_mut()).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            Error::new(Kind::Runtime, format!("Cannot unpack {} of {}", build.member, wheel.display()))
                .because(error)
                .remedy(FETCH_AGAIN)
        }
        _ => write(error),
    })?;
    library.as_file_mut().rewind().map_err(write)?;
    let got = sha256_hex_of_reader(library.as_file_mut()).map_err(write)?;
    check_sum(build.member, build.library_sha256, &got)?;
    library.as_file().sync_all().map_err(write)?;
    let path = dir.join(build.file_name);
    library.persist(&path).map_err(|error| write(error.error))?;
    sync_folder(dir).map_err(write)?;
    Ok(path)
}

/// Whether the very library of `build` lies in `dir`, told by its checksum.
pub(super) fn is_unpacked(build: &Build, dir: &Path) -> bool {
    let path = dir.join(build.file_name);
    let right_size = fs::metadata(&path).is_ok_and(|data| data.len() == build.library_size.0);
    right_size
        && File::open(&path)
            .and_then(|mut file| sha256_hex_of_reader(&mut file))
            .is_ok_and(|sum| sum == build.library_sha256)
}

fn checked_wheel(build: &Build, wheel: &Path) -> Result<ZipArchive<File>> {
    let read = |error: io::Error| {
        Error::new(Kind::Io, "Cannot read the downloaded wheel of ONNX Runtime")
            .because(error)
            .remedy("Try again")
    };
    let mut file = File::open(wheel).map_err(read)?;
    let size = file.metadata().map_err(read)?.len();
    if size < build.wheel_size.0 {
        return Err(Error::new(
            Kind::Runtime,
            format!("The downloaded wheel is cut off: {size} of {} bytes", build.wheel_size.0),
        )
        .remedy("Try again"));
    }
    let got = sha256_hex_of_reader(&mut file).map_err(read)?;
    check_sum("the downloaded wheel", build.wheel_sha256, &got)?;
    ZipArchive::new(file).map_err(|error| no_member(build, wheel, error))
}

fn check_sum(what: &str, expected: &str, got: &str) -> Result<()> {
    if expected == got {
        return Ok(());
    }
    Err(Error::new(Kind::Runtime, format!("The checksum of {what} is wrong: expected {expected}, got {got}"))
        .remedy(FETCH_AGAIN))
}

fn no_member(build: &Build, wheel: &Path, error: ZipError) -> Error {
    Error::new(Kind::Runtime, format!("Cannot find {} in {}", build.member, wheel.display()))
        .because(error)
        .remedy(FETCH_AGAIN)
}

/// The error of a folder that cannot be written to, or of a disk that is full.
pub(super) fn cannot_write(dir: &Path, error: io::Error) -> Error {
    let (message, remedy) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ("The disk is full", "Free some 150 MB, or choose another data folder with --data-dir")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ("ONNX Runtime may not be written", "Choose another data folder with --data-dir")
        }
        _ => ("ONNX Runtime cannot be written", "Choose another data folder with --data-dir"),
    };
    Error::new(Kind::Io, format!("{message}: {}", dir.display())).because(error).remedy(remedy)
}

/// A rename is on disk only when the folder is; folders cannot be opened on Windows, where it is at once.
fn sync_folder(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}
