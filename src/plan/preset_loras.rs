//! The own presets with the files of their LoRAs: a file that was moved or renamed is found by its hash.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::catalog::Folders;
use super::lora_list::lora_files;
use crate::core::{Bytes, Error, Result};
use crate::models::manifest::load_manifest;
use crate::presets::{self, Preset, PresetLora};

/// The shipped presets and then the own ones of the data folder by name, and an error for each file that is not one. A LoRA
/// whose file is not at its place is looked for in the folders of LoRAs, and marked as missing if it is not there, with the
/// item of the manifest that has it. This may hash files, so call it where waiting is allowed.
pub fn all_presets(folders: &Folders) -> Result<(Vec<Preset>, Vec<Error>)> {
    let mut presets = presets::shipped()?;
    let (own, errors) = presets::own_presets(&folders.data);
    presets.extend(own);
    let loras = presets.iter_mut().flat_map(|preset| preset.settings.loras.iter_mut().flatten());
    let lost: Vec<_> = loras.filter(|lora| !lora.file.is_file()).collect();
    if !lost.is_empty() {
        // a manifest that cannot be read is reported where models are fetched
        let manifest = load_manifest(&folders.data).ok();
        let mut files = KnownFiles { files: lora_files(folders), hashes: HashMap::new() };
        for lora in lost {
            if let Some(found) = files.find(lora) {
                lora.file = found;
                continue;
            }
            lora.is_missing = true;
            let name = lora.file.file_name().unwrap_or_default().to_string_lossy();
            let item = manifest.as_ref().and_then(|known| known.item_of(&name, lora.sha256.as_deref()));
            lora.fetched_as = item.map(str::to_owned);
        }
    }
    Ok((presets, errors))
}

/// The LoRA files on this machine, with the hashes that were needed.
struct KnownFiles {
    files: Vec<PathBuf>,
    hashes: HashMap<PathBuf, Option<String>>,
}

impl KnownFiles {
    /// The file with the hash of `lora`; for a LoRA without a hash, the only one with its name.
    fn find(&mut self, lora: &PresetLora) -> Option<PathBuf> {
        let has_name = |file: &&PathBuf| file.file_name() == lora.file.file_name();
        let Some(wanted) = &lora.sha256 else {
            let mut named = self.files.iter().filter(has_name);
            return named.next().filter(|_| named.next().is_none()).cloned();
        };
        let has_size = |file: &&PathBuf| lora.size.is_none_or(|size| size_of(file) == Some(size));
        let mut candidates: Vec<_> = self.files.iter().filter(has_size).collect();
        // most were moved, not renamed
        candidates.sort_by_key(|file| !has_name(file));
        let hashes = &mut self.hashes;
        let mut hash = |file: &Path| {
            let read = || presets::lora_identity(file).ok().map(|(_, hash)| hash);
            hashes.entry(file.to_path_buf()).or_insert_with(read).clone()
        };
        candidates.into_iter().find(|file| hash(file).as_ref() == Some(wanted)).cloned()
    }
}

fn size_of(file: &Path) -> Option<Bytes> {
    std::fs::metadata(file).ok().map(|about| Bytes(about.len()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::core::testing::draft;
    use crate::core::{Draft, LoraChoice, Mode};

    #[test]
    fn a_moved_lora_is_found_by_its_hash_and_a_lost_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders { data: dir.path().to_path_buf(), models: None };
        let loras = dir.path().join("loras");
        fs::create_dir_all(loras.join("styles")).unwrap();
        for (name, text) in [("ink", "the ink"), ("rain", "the rain"), ("decoy", "not ink")] {
            fs::write(loras.join(name).with_extension("safetensors"), text).unwrap();
        }
        let file = |name: &str| loras.join(name).with_extension("safetensors");
        let chosen =
            vec![LoraChoice::new(file("ink")), LoraChoice { strength: 0.5, ..LoraChoice::new(file("rain")) }];
        let look = Preset::of(&Draft { loras: chosen.clone(), ..draft() }, Mode::T2V, "look", "");
        presets::save_preset(dir.path(), &look, false).unwrap();
        let found = |folders: &Folders| all_presets(folders).unwrap().0.pop().unwrap();
        let saved = found(&folders);
        let kept = saved.settings.loras.clone().unwrap();
        assert!(kept.iter().all(|lora| lora.sha256.is_some() && !lora.is_missing), "{kept:?}");
        assert!(saved.check_loras().is_ok());

        // renamed, with another file of the same size and one of the old name in its place
        fs::rename(file("ink"), loras.join("styles/new name.safetensors")).unwrap();
        fs::create_dir(loras.join("other")).unwrap();
        fs::write(loras.join("other/ink.safetensors"), "nothing").unwrap();
        fs::remove_file(file("rain")).unwrap();
        let moved = found(&folders);
        let mut applied = draft();
        moved.apply(&mut applied);
        assert_eq!(applied.loras[0].file, loras.join("styles/new name.safetensors"));
        assert_eq!(applied.loras[1], chosen[1], "what is missing keeps its name");
        assert_eq!(moved.missing_loras().map(PresetLora::name).collect::<Vec<_>>(), ["rain"]);
        let error = moved.check_loras().unwrap_err();
        assert!(error.field_name() == Some("lora") && error.message.contains("rain"), "{error:#}");
    }

    #[test]
    fn a_shipped_preset_names_what_fetches_its_loras_and_finds_them_when_they_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders { data: dir.path().to_path_buf(), models: None };
        let four_steps = || {
            let all = all_presets(&folders).unwrap().0;
            all.into_iter().find(|preset| preset.name == "t2v-A14B-4step").unwrap()
        };
        let preset = four_steps();
        assert_eq!(preset.missing_loras().count(), 2);
        assert!(preset.missing_loras().all(|lora| lora.fetched_as.as_deref() == Some("lightning-t2v-A14B")));
        let remedy = preset.check_loras().unwrap_err().remedy_text().unwrap().to_owned();
        assert!(remedy.starts_with("\"wandeck models fetch lightning-t2v-A14B\" fetches it"), "{remedy}");
        assert!(preset.without_distillation().check_loras().is_ok(), "a distilled model needs none");
        // where a fetch puts them
        let place = dir.path().join("loras/lightning-t2v-A14B-lora");
        fs::create_dir_all(&place).unwrap();
        for lora in preset.missing_loras() {
            fs::write(place.join(&lora.file), "lora").unwrap();
        }
        let found = four_steps();
        assert!(found.check_loras().is_ok());
        let mut applied = draft();
        found.apply(&mut applied);
        assert!(applied.loras.iter().all(|lora| lora.file.starts_with(&place)), "{:?}", applied.loras);
    }

    #[test]
    fn a_preset_without_hashes_takes_the_only_file_of_the_name() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders { data: dir.path().to_path_buf(), models: None };
        fs::create_dir_all(dir.path().join("presets")).unwrap();
        let text = r#"(version: 2, name: "old", description: "", settings: (loras: [(file: "/gone/ink.safetensors", strength: 0.7)]))"#;
        fs::write(dir.path().join("presets/old.ron"), text).unwrap();
        let lora = |folders: &Folders| {
            all_presets(folders).unwrap().0.pop().unwrap().settings.loras.unwrap().remove(0)
        };
        assert!(lora(&folders).is_missing);
        let here = dir.path().join("loras/ink.safetensors");
        fs::create_dir_all(dir.path().join("loras/again")).unwrap();
        fs::write(&here, "ink").unwrap();
        assert_eq!((lora(&folders).file, lora(&folders).strength), (here, 0.7));
        fs::write(dir.path().join("loras/again/ink.safetensors"), "other ink").unwrap();
        assert!(lora(&folders).is_missing, "either could be meant");
    }
}
