//! Files that are written under a temporary name, and the removal of those that a killed program left behind.
//!
//! A program holds its temporary file locked while it writes. What is not locked has no owner any more.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

use crate::core::Bytes;

/// How the temporary names begin; a name of our own, because other programs write into the same folders.
const PREFIX: &str = ".wandeck-tmp";
/// How the temporary names of version 0.1 begin, before six letters or digits. Other programs use it too.
const EARLIER_PREFIX: &str = ".tmp";
/// Age below which a file is never taken for a leftover: its program may not have locked it yet.
const FRESH: Duration = Duration::from_secs(10);
/// Age from which a file is a leftover where the file system has no locks.
const OLD: Duration = Duration::from_hours(24);

/// Creates a temporary file in a folder, locked as long as it is open. It is removed when dropped.
pub fn stage_in(folder: &Path, suffix: &str) -> io::Result<NamedTempFile> {
    let staged = tempfile::Builder::new().prefix(PREFIX).suffix(suffix).tempfile_in(folder)?;
    if let Err(error) = staged.as_file().try_lock() {
        tracing::debug!("cannot lock {}: {error}", staged.path().display());
    }
    Ok(staged)
}

/// Removes the temporary files in a folder whose program was killed. Returns how many.
pub fn sweep_staged(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let staged = entries.map(|entry| entry.path()).filter(|path| is_staged(path));
    let removed = staged.filter(|path| is_leftover(path) && fs::remove_file(path).is_ok()).count();
    if removed > 0 {
        tracing::info!("Removed {removed} incomplete files of programs that ended: {}", folder.display());
    }
    removed
}

/// Removes the temporary files that version 0.1 left in a folder into which only this program writes, once they are a day
/// old. Returns how many.
pub fn sweep_earlier_staged(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let staged = entries.map(|entry| entry.path()).filter(|path| is_earlier_staged(path));
    let old = staged.filter(|path| age(path).is_some_and(|age| age >= OLD) && is_leftover(path));
    let removed = old.filter(|path| fs::remove_file(path).is_ok()).count();
    if removed > 0 {
        tracing::info!("Removed {removed} incomplete files of an earlier version: {}", folder.display());
    }
    removed
}

/// Removes the files of a folder that were used longest ago until the rest takes at most `bound`. Temporary files count,
/// and those that a program still writes stay.
pub fn bound_folder(folder: &Path, bound: Bytes) -> io::Result<()> {
    sweep_staged(folder);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        // another program may remove files at the same time
        let Some((path, about)) = entry.ok().and_then(|entry| Some((entry.path(), entry.metadata().ok()?)))
        else {
            continue;
        };
        if about.is_file() {
            files.push((about.modified().unwrap_or(SystemTime::UNIX_EPOCH), about.len(), path));
        }
    }
    files.sort();
    let mut sum: u64 = files.iter().map(|(_, size, _)| size).sum();
    for (_, size, path) in files {
        if sum <= bound.0 {
            break;
        }
        if is_staged(&path) {
            continue;
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => sum -= size,
        }
    }
    Ok(())
}

pub(super) fn is_staged(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))
}

fn is_earlier_staged(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let random =
        name.and_then(|name| name.strip_prefix(EARLIER_PREFIX)).and_then(|rest| rest.split('.').next());
    random.is_some_and(|random| random.len() == 6 && random.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Whether no program writes the temporary file any more.
fn is_leftover(path: &PathBuf) -> bool {
    let Some(age) = age(path).filter(|age| *age >= FRESH) else { return false };
    match File::open(path).map(|file| file.try_lock()) {
        Ok(Ok(())) => true,
        Ok(Err(fs::TryLockError::WouldBlock)) | Err(_) => false,
        Ok(Err(fs::TryLockError::Error(_))) => age >= OLD,
    }
}

fn age(path: &Path) -> Option<Duration> {
    let about = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    SystemTime::now().duration_since(about.modified().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn make_old(file: &File) {
        file.set_modified(SystemTime::now() - FRESH * 2).unwrap();
    }

    #[test]
    fn what_a_killed_program_left_is_removed_and_what_is_written_stays() {
        let dir = tempfile::tempdir().unwrap();
        let left = dir.path().join(".wandeck-tmpAbCdEf");
        make_old(&File::create(&left).unwrap());
        let fresh = dir.path().join(".wandeck-tmpfresh");
        File::create(&fresh).unwrap();
        // what other programs keep beside it, also under a temporary name, and a video that is being written
        let others = ["other.txt", ".tmpAbCdEf", ".wandeck-0123456789abcdef.part"];
        let others = others.map(|name| dir.path().join(name));
        for other in &others {
            make_old(&File::create(other).unwrap());
        }
        let written = stage_in(dir.path(), ".png").unwrap();
        make_old(written.as_file());
        assert_eq!(sweep_staged(dir.path()), 1);
        assert!(!left.exists() && fresh.exists() && written.path().exists());
        assert!(others.iter().all(|other| other.exists()));
    }

    #[test]
    fn what_an_earlier_version_left_is_removed_after_a_day() {
        let dir = tempfile::tempdir().unwrap();
        let create = |name: &str, age: Duration| {
            let path = dir.path().join(name);
            File::create(&path).unwrap().set_modified(SystemTime::now() - age).unwrap();
            path
        };
        let left = [".tmpAbCdEf", ".tmp012345.png"].map(|name| create(name, OLD * 2));
        let stay = [".tmp", ".tmpAbCdEfG", ".tmpAb_dEf", "tmpAbCdEf", ".tmpAbCd.png"];
        let stay = stay.map(|name| create(name, OLD * 2));
        let fresh = create(".tmpFresh0", OLD / 2);
        let written = File::open(create(".tmpSaved0", OLD * 2)).unwrap();
        written.try_lock().unwrap();
        assert_eq!(sweep_earlier_staged(dir.path()), 2);
        assert!(left.iter().all(|path| !path.exists()));
        assert!(stay.iter().chain([&fresh]).all(|path| path.exists()));
        assert!(dir.path().join(".tmpSaved0").exists());
    }

    #[test]
    fn half_files_count_in_the_bound() {
        let dir = tempfile::tempdir().unwrap();
        let mut half = stage_in(dir.path(), "").unwrap();
        half.write_all(&[0; 60]).unwrap();
        for (age, name) in [(30, "old"), (20, "newer")] {
            fs::write(dir.path().join(name), [0; 30]).unwrap();
            let file = File::options().append(true).open(dir.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        }
        bound_folder(dir.path(), Bytes(100)).unwrap();
        let names = || {
            let entries = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
            entries.filter(|name| !name.to_string_lossy().starts_with('.')).collect::<Vec<_>>()
        };
        assert_eq!(names(), ["newer"]);
        bound_folder(dir.path(), Bytes(10)).unwrap();
        assert!(names().is_empty() && half.path().exists());
    }
}
