//! Open files whose paths others may give to another file.

use std::fs::{self, File};
use std::path::Path;

/// Whether `path` still is the open file `file`, and not another one of that name.
pub fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        match (fs::metadata(path), file.metadata()) {
            (Ok(there), Ok(open)) => (there.ino(), there.dev()) == (open.ino(), open.dev()),
            _ => false,
        }
    }
    #[cfg(not(unix))]
    {
        // a file that is open is not replaced there
        let _ = file;
        fs::exists(path).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_file_that_was_replaced_or_removed_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let [path, other] = ["a", "b"].map(|name| dir.path().join(name));
        let file = File::create(&path).unwrap();
        assert!(is_at(&file, &path));
        File::create(&other).unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(!is_at(&file, &path));
        fs::remove_file(&path).unwrap();
        assert!(!is_at(&file, &path));
    }
}
