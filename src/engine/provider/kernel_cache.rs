//! The kernels that `TensorRT` for RTX compiled for the cards of this machine, kept in the data folder.
//!
//! The plugin keeps one file for each graph, whose name has a hash of the graph, and reads it when it builds the engine of
//! that graph again. It removes none, and whether a file of another version of its own is read is not documented.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::device::Device;
use crate::core::Bytes;

/// The folder in the data folder.
const FOLDER: &str = "cache/rtx";
/// Bytes of kernels that are kept, the least recently written go first.
const LIMIT: Bytes = Bytes(1 << 30);

/// The folder for the kernels of this version of the plugin on cards of this compute capability. Creates it, and removes
/// the kernels of other versions, and old ones beyond the limit.
pub(super) fn prepare(data_dir: &Path, version: &str, card: &Device) -> io::Result<PathBuf> {
    prepare_within(data_dir, version, card, LIMIT)
}

fn prepare_within(data_dir: &Path, version: &str, card: &Device, limit: Bytes) -> io::Result<PathBuf> {
    let (major, minor) = card.capability;
    let all = data_dir.join(FOLDER);
    let version: String =
        version.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    let folder = all.join(format!("{version}-sm{major}{minor}"));
    fs::create_dir_all(&folder)?;
    let is_other = |name: &str| !name.starts_with(&format!("{version}-sm"));
    let mut kept = Vec::new();
    for entry in fs::read_dir(&all)?.filter_map(Result::ok) {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_folder {
            // of an earlier version of this program, which had one folder for all
            remove_file(&entry.path());
        } else if is_other(&entry.file_name().to_string_lossy()) {
            if let Err(error) = fs::remove_dir_all(entry.path()) {
                tracing::debug!("Cannot remove {}: {error}", entry.path().display());
            }
        } else {
            kept.extend(files(&entry.path()));
        }
    }
    kept.sort_by_key(|(written, ..)| std::cmp::Reverse(*written));
    let mut sum = 0_u64;
    for (_, bytes, path) in kept {
        sum = sum.saturating_add(bytes);
        if sum > limit.0 {
            remove_file(&path);
        }
    }
    Ok(folder)
}

/// Removes all kernels.
pub(in crate::engine) fn remove(data_dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(data_dir.join(FOLDER)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The files of a folder: when each was written, and its size.
fn files(folder: &Path) -> Vec<(SystemTime, u64, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let file = |entry: fs::DirEntry| {
        let about = entry.metadata().ok()?;
        Some((about.modified().ok()?, about.len(), entry.path()))
    };
    entries.filter_map(file).collect()
}

/// A file that another program holds stays.
fn remove_file(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::debug!("Cannot remove {}: {error}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn kernels_are_kept_by_version_and_card_within_a_limit_and_can_be_removed() {
        let dir = tempfile::tempdir().unwrap();
        let prepare = |version: &str, capability, limit| {
            let card = Device {
                ordinal: 0,
                uuid: None,
                name: "A card".to_owned(),
                capability,
                memory: Bytes(24 << 30),
                cuda: (13, 0),
            };
            prepare_within(dir.path(), version, &card, Bytes(limit)).unwrap()
        };
        let old = prepare("0.4.0", (8, 9), 1000);
        fs::write(old.join("graph"), [0; 10]).unwrap();
        fs::write(dir.path().join("cache/rtx/loose"), [0; 10]).unwrap();
        let (ada, blackwell) = (prepare("0.5.0", (8, 9), 1000), prepare("0.5.0", (12, 0), 1000));
        assert!(!old.exists() && !dir.path().join("cache/rtx/loose").exists());
        assert!(ada.exists() && ada != blackwell, "another card keeps its own");
        for (age, name) in [(30, "a"), (20, "b"), (10, "c")] {
            let file = fs::File::create(ada.join(name)).unwrap();
            file.set_len(400).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        }
        prepare("0.5.0", (12, 0), 1000);
        let left = ["a", "b", "c"].map(|name| ada.join(name).exists());
        assert_eq!(left, [false, true, true], "the oldest goes");
        remove(dir.path()).unwrap();
        remove(dir.path()).unwrap();
        assert!(!dir.path().join("cache/rtx").exists());
    }
}
