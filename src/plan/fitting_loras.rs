//! The LoRAs on this machine that fit a model.

use std::path::PathBuf;

use super::lora_list::ListedLora;
use crate::wan::Checkpoint;
use crate::wan::lora::{LoraFile, LoraFitDocument};

/// A LoRA whose keys and shapes fit a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FittingLora {
    /// Its name.
    pub name: String,
    /// Its files, that of the high-noise expert first.
    pub files: Vec<PathBuf>,
    /// Number of modules of the model that it changes.
    pub matched: usize,
    /// Number of its keys that have no effect on the model.
    pub skipped: usize,
}

/// Those of `loras` that fit `model`, in their order. Reads headers, and values only to find deltas that are zero.
pub fn fitting_loras(loras: &[ListedLora], model: &Checkpoint) -> Vec<FittingLora> {
    loras.iter().filter_map(|lora| FittingLora::of(lora, model)).collect()
}

impl FittingLora {
    fn of(lora: &ListedLora, model: &Checkpoint) -> Option<Self> {
        let mut fitting = Self { name: lora.name.clone(), files: Vec::new(), matched: 0, skipped: 0 };
        for listed in &lora.files {
            let file = LoraFile::open(&listed.file).ok()?;
            let fit = LoraFitDocument::of(&file, model).ok().filter(|fit| fit.problem.is_none())?;
            for (_, report) in fit.reports() {
                fitting.matched += report.matched.len();
                fitting.skipped += report.skipped.len();
            }
            fitting.files.push(listed.file.clone());
        }
        (fitting.matched > 0).then_some(fitting)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::plan::{Folders, installed_loras};

    #[test]
    fn a_lora_of_another_width_is_left_out() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("models/loras");
        std::fs::create_dir_all(&folder).unwrap();
        let golden = root.join("tests/golden/loras/musubi.safetensors");
        for name in ["ink.safetensors", "rainHigh.safetensors", "rainLow.safetensors"] {
            std::fs::copy(&golden, folder.join(name)).unwrap();
        }
        std::fs::write(folder.join("torn.safetensors"), "version https://git-lfs").unwrap();
        let loras = installed_loras(&Folders { data: dir.path().to_path_buf(), models: None });
        assert_eq!(loras.len(), 3);
        let fitting = |model: &str| fitting_loras(&loras, &crate::models::open(&root.join(model)).unwrap());
        let found = fitting("tests/golden/models/tiny-t2v");
        let found: Vec<_> =
            found.iter().map(|lora| (lora.name.as_str(), lora.files.len(), lora.matched)).collect();
        assert_eq!(found, [("ink", 1, 20), ("rain", 2, 40)]);
        assert_eq!(fitting("models/toy-t2v-A14B"), [], "its transformer has another width");
    }
}
