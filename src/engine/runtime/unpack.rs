//! Unpacking of the library from a downloaded wheel, with checksums.

use std::fs::{self, File};
use std::io::{self, Seek as _};
use std::path::{Path, PathBuf};

use zip::ZipArchive;
use zip::result::ZipError;

use super::builds::Build;
use crate::core::{Error, Kind, Result, sha256_hex_of_reader};

/// Prefix of temporary files.
pub(super) const LIBRARY_PREFIX: &str = ".library-";

const FETCH_AGAIN: &str = "Fetch it again; if the error persists, a proxy or mirror alters the file: set ORT_DYLIB_PATH to a library you trust";

/// Verifies the wheel, unpacks the library into `dir`, verifies it, and renames it into place.
pub fn unpack(build: &Build, wheel: &Path, dir: &Path) -> Result<PathBuf> {
    let mut archive = checked_wheel(build, wheel)?;
    let mut member = archive.by_name(build.member).map_err(|error| no_member(build, wheel, error))?;
    let write = |error: io::Error| cannot_write(dir, error);
    let mut builder = tempfile::Builder::new();
    builder.prefix(LIBRARY_PREFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // temporary files are private by default, but this one is kept
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

/// Whether the library of `build` is in `dir`, by its checksum.
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
            format!("The downloaded wheel is truncated: {size} of {} bytes", build.wheel_size.0),
        )
        .remedy("Try again"));
    }
    let got = sha256_hex_of_reader(&mut file).map_err(read)?;
    check_sum("the downloaded wheel", build.wheel_sha256, &got)?;
    ZipArchive::new(file).map_err(|error| no_member(build, wheel, error))
}

pub(super) fn check_sum(what: &str, expected: &str, got: &str) -> Result<()> {
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

/// The error of a folder that cannot be written, or of a full disk.
pub(super) fn cannot_write(dir: &Path, error: io::Error) -> Error {
    let (message, remedy) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ("The disk is full", "Free about 150 MB, or choose another data folder with --data-dir")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ("No permission to write ONNX Runtime", "Choose another data folder with --data-dir")
        }
        _ => ("Cannot write ONNX Runtime", "Choose another data folder with --data-dir"),
    };
    Error::new(Kind::Io, format!("{message}: {}", dir.display())).because(error).remedy(remedy)
}

/// Syncs the folder, which makes a rename durable; not needed on Windows, where folders cannot be opened.
fn sync_folder(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::core::{Bytes, sha256_hex};

    const LIBRARY: &[u8] = b"a library, as far as checksums can tell; a library, once more";

    /// A wheel with one member, and the build that pins it.
    fn wheel_in(dir: &Path, member: &str) -> (Build, PathBuf) {
        let path = dir.join("some.whl");
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        zip.start_file(member, SimpleFileOptions::default()).unwrap();
        zip.write_all(LIBRARY).unwrap();
        zip.finish().unwrap();
        let bytes = fs::read(&path).unwrap();
        let build = Build {
            wheel_sha256: sha256_hex(&bytes).leak(),
            wheel_size: Bytes(bytes.len() as u64),
            member: "pack/lib.so",
            library_sha256: sha256_hex(LIBRARY).leak(),
            library_size: Bytes(LIBRARY.len() as u64),
            file_name: "lib.so.1.2.3",
            ..*Build::for_platform("linux", "x86_64").unwrap()
        };
        (build, path)
    }

    /// Unpacks into an empty folder, which must stay empty.
    fn refusal(build: &Build, wheel: &Path) -> String {
        let into = tempfile::tempdir().unwrap();
        let error = unpack(build, wheel, into.path()).unwrap_err();
        assert!(error.remedy_text().is_some(), "{error:#}");
        assert_eq!(fs::read_dir(into.path()).unwrap().count(), 0, "nothing is left behind");
        assert!(!is_unpacked(build, into.path()));
        format!("{error:#}")
    }

    #[test]
    fn the_pinned_library_comes_out_and_replaces_a_damaged_one() {
        let dir = tempfile::tempdir().unwrap();
        let (build, wheel) = wheel_in(dir.path(), "pack/lib.so");
        let into = dir.path().join("into");
        fs::create_dir(&into).unwrap();
        fs::write(into.join(build.file_name), b"damaged").unwrap();
        assert!(!is_unpacked(&build, &into));
        let path = unpack(&build, &wheel, &into).unwrap();
        assert_eq!(fs::read(&path).unwrap(), LIBRARY);
        assert!(is_unpacked(&build, &into));
        assert_eq!(fs::read_dir(&into).unwrap().count(), 1);
    }

    #[test]
    fn a_doctored_wheel_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (build, wheel) = wheel_in(dir.path(), "pack/lib.so");
        let mut bytes = fs::read(&wheel).unwrap();
        bytes[40] ^= 1;
        fs::write(&wheel, &bytes).unwrap();
        let text = refusal(&build, &wheel);
        assert!(
            text.contains("checksum of the downloaded wheel is wrong") && text.contains(build.wheel_sha256)
        );

        bytes.pop();
        fs::write(&wheel, &bytes).unwrap();
        let text = refusal(&build, &wheel);
        assert!(text.contains(&format!("truncated: {} of {}", bytes.len(), bytes.len() + 1)), "{text}");
    }

    #[test]
    fn a_wheel_with_another_library_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (build, wheel) = wheel_in(dir.path(), "pack/lib.so");
        let other = Build { library_sha256: build.wheel_sha256, ..build };
        let text = refusal(&other, &wheel);
        assert!(text.contains("checksum of pack/lib.so is wrong"), "{text}");

        let (build, wheel) = wheel_in(dir.path(), "pack/other.so");
        let text = refusal(&build, &wheel);
        assert!(text.contains("Cannot find pack/lib.so"), "{text}");
    }
}
