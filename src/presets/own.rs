//! A person's own presets: RON files in the folder `presets` of the data folder.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::preset::{Preset, PresetOrigin};
use super::shipped::shipped;
use crate::core::{Bytes, Error, Kind, Result, read_text_bounded};

const FOLDER: &str = "presets";
/// Largest file that is read.
const MAX_FILE: Bytes = Bytes(1 << 20);
/// Longest name in characters.
const LONGEST_NAME: usize = 80;

/// The own presets of a data folder by name, and an error for each file that is not one. An invalid file hides no other.
pub fn own_presets(data_dir: &Path) -> (Vec<Preset>, Vec<Error>) {
    let Ok(entries) = fs::read_dir(data_dir.join(FOLDER)) else { return (Vec::new(), Vec::new()) };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "ron"));
    paths.sort();
    let (mut presets, mut errors) = (Vec::new(), Vec::new());
    for path in paths {
        match read_preset(&path) {
            Ok(preset) => presets.push(preset),
            Err(error) => errors.push(error),
        }
    }
    presets.sort_by(|a: &Preset, b| a.name.cmp(&b.name));
    (presets, errors)
}

/// Reads a preset from any file.
pub fn read_preset(path: &Path) -> Result<Preset> {
    let text = read_text_bounded(path, MAX_FILE).map_err(|error| {
        Error::new(Kind::Io, format!("Cannot read the preset {}", path.display()))
            .because(error)
            .remedy("Check the path, or choose another file")
    })?;
    Preset::parse(&text, &path.display().to_string())
}

/// The own or shipped preset called `name`.
pub fn find_preset(data_dir: &Path, name: &str) -> Result<Preset> {
    let own = own_presets(data_dir).0.into_iter().find(|preset| preset.name == name);
    own.map_or_else(|| super::shipped::by_name(name), Ok)
}

/// Saves a preset among the own ones, with the hashes of its LoRAs. Fails if its name is taken and it does not replace the one of that name, or if the
/// name is one of a shipped preset.
pub fn save_preset(data_dir: &Path, preset: &Preset, replaces: bool) -> Result<()> {
    let name = preset.name.trim();
    let wrong =
        |why: &str| Error::new(Kind::Input, why.to_owned()).field("preset").remedy("Choose another name");
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(wrong(&format!("A preset needs a name of 1 to {LONGEST_NAME} characters in one line")));
    }
    if shipped()?.iter().any(|known| known.name == name) {
        return Err(wrong(&format!("The preset \"{name}\" comes with the program and cannot be changed")));
    }
    let path = path_of(data_dir, name);
    if !replaces && path.exists() {
        return Err(wrong(&format!("There is a preset \"{name}\" already")));
    }
    fs::create_dir_all(data_dir.join(FOLDER)).map_err(|error| failed(&path, error))?;
    let mut preset = Preset { origin: PresetOrigin::Own, ..preset.clone() };
    for lora in preset.settings.loras.iter_mut().flatten().filter(|lora| lora.sha256.is_none()) {
        let file = lora.file.clone();
        // one that is not there keeps its name; whoever applies the preset is asked for the file
        if file.is_file() {
            lora.identify(&file)?;
        }
    }
    crate::store::write_whole(&path, preset.to_ron()?.as_bytes())
}

/// Removes an own preset and returns it, so that it can be saved again.
pub fn remove_preset(data_dir: &Path, name: &str) -> Result<Preset> {
    let (presets, _) = own_presets(data_dir);
    let found = presets.into_iter().find(|preset| preset.name == name).ok_or_else(|| {
        Error::new(Kind::Input, format!("There is no own preset \"{name}\""))
            .field("preset")
            .remedy("Presets that come with the program stay; \"wandeck presets list\" shows all")
    })?;
    let path = path_of(data_dir, name);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(&path, error)),
        _ => Ok(found),
    }
}

/// Writes a preset to a new file of the person's choice.
pub fn export_preset(preset: &Preset, path: &Path) -> Result<()> {
    let text = preset.to_ron()?;
    let written = fs::File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| failed(path, error))
}

/// The file of an own preset: its name with what a file name cannot hold replaced, and a hash against doublets.
fn path_of(data_dir: &Path, name: &str) -> PathBuf {
    let safe: String = name
        .chars()
        .map(|letter| if letter.is_alphanumeric() || letter == '-' { letter } else { '_' })
        .collect();
    let hash = crate::core::sha256_hex(name.as_bytes());
    data_dir.join(FOLDER).join(format!("{safe}-{}.ron", &hash[..8]))
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::new(Kind::Io, format!("Cannot write the preset {}", path.display()))
        .because(error)
        .remedy("Give the name of a new file in a folder that can be written to")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_presets_are_saved_listed_and_removed_and_an_invalid_one_hides_none() {
        let dir = tempfile::tempdir().unwrap();
        let shipped = shipped().unwrap().remove(0);
        assert_eq!(save_preset(dir.path(), &shipped, true).unwrap_err().field_name(), Some("preset"));
        let mine = Preset { name: "My/look ü".into(), origin: PresetOrigin::Own, ..shipped };
        save_preset(dir.path(), &mine, false).unwrap();
        assert!(save_preset(dir.path(), &mine, false).is_err(), "the name is taken");
        save_preset(dir.path(), &mine, true).unwrap();
        fs::write(dir.path().join("presets/wrong.ron"), "(version: 1, name: \"a\", colour: 1)").unwrap();
        let (presets, errors) = own_presets(dir.path());
        assert_eq!(presets, std::slice::from_ref(&mine));
        assert!(errors.len() == 1 && errors[0].message.contains("colour"), "{errors:?}");
        let file = dir.path().join("out.ron");
        export_preset(&mine, &file).unwrap();
        assert_eq!(read_preset(&file).unwrap(), mine);
        assert!(export_preset(&mine, &file).is_err(), "a file is never overwritten");
        assert_eq!(remove_preset(dir.path(), &mine.name).unwrap(), mine);
        assert!(remove_preset(dir.path(), &mine.name).is_err());
    }
}
