//! Files that lie in a wrong folder: where they belong, and moving them there.

use std::fs;
use std::path::{Path, PathBuf};

use crate::core::{Error, Kind, Result};

/// The folder of LoRAs beside `path`, if that is in a folder whose LoRAs are found; else that of the data folder.
pub(super) fn lora_folder(path: &Path, data_dir: &Path, models_dir: Option<&Path>) -> PathBuf {
    let near = models_dir.filter(|folder| path.starts_with(folder));
    near.map_or_else(|| data_dir.join("models"), Path::to_path_buf).join("loras")
}

/// Moves a file that lies in a wrong folder to where it is found. Never replaces a file.
pub fn move_misplaced(from: &Path, to: &Path) -> Result<()> {
    let failed = |error: std::io::Error| {
        Error::new(Kind::Io, format!("Cannot move {} to {}", from.display(), to.display()))
            .because(error)
            .remedy("Move it in the file manager")
    };
    if to.exists() {
        return Err(Error::new(Kind::Io, format!("There is a file {} already", to.display()))
            .remedy("Rename one of the two, then move it"));
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::rename(from, to).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{installed, other_files};

    #[test]
    fn a_lora_among_models_is_moved_to_where_it_is_found_and_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let lora = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/loras/rslora.safetensors");
        let wrong = dir.path().join("models/mixed/style.safetensors");
        fs::create_dir_all(wrong.parent().unwrap()).unwrap();
        fs::copy(&lora, &wrong).unwrap();
        let others = other_files(dir.path(), None, &installed(dir.path(), None));
        let right = dir.path().join("models/loras/style.safetensors");
        let found = others.iter().find(|other| other.path == wrong).unwrap();
        assert_eq!(found.belongs_at.as_ref(), Some(&right));
        move_misplaced(&wrong, &right).unwrap();
        assert!(right.is_file() && !wrong.exists());
        fs::copy(&lora, &wrong).unwrap();
        let refused = move_misplaced(&wrong, &right).unwrap_err();
        assert!(refused.message.starts_with("There is a file "), "{refused}");
        assert!(wrong.is_file());
        // beside a folder of models of the person's own
        let own = Path::new("/models");
        let place = lora_folder(Path::new("/models/mixed/style.safetensors"), dir.path(), Some(own));
        assert_eq!(place, own.join("loras"));
    }
}
