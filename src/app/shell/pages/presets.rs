//! What a person asks of the presets.

use std::path::{Path, PathBuf};

use super::state::{PageAnswer, Purpose};
use crate::app::panels::presets::{PresetUndo, PresetsAction};
use crate::app::shell::app::State;
use crate::app::shell::notifications::Tone;
use crate::core::{Draft, Error, Kind, Mode, Result};
use crate::plan::{all_presets, brought_presets};
use crate::presets::{self, Preset, PresetOrigin};

impl State {
    /// Carries out what was asked of the presets.
    pub(in crate::app::shell) fn apply_presets(&mut self, action: PresetsAction) -> Result<()> {
        let data_dir = self.data_dir.clone();
        let known = |name: &str| {
            let found = self.presets.iter().find(|preset| preset.name == name).cloned();
            found.ok_or_else(|| Error::new(Kind::Input, format!("There is no preset \"{name}\" any more")))
        };
        match action {
            PresetsAction::Apply(name) => {
                self.apply_preset(&name);
                Ok(())
            }
            PresetsAction::Save(preset) => {
                self.save_new_preset(Preset { description: "Saved from the form".to_owned(), ..*preset })
            }
            PresetsAction::Change(preset) => {
                self.pages.preset_undo = Some(PresetUndo::Edited(known(&preset.name)?));
                self.change_presets(move || {
                    presets::save_preset(&data_dir, &preset, true)?;
                    Ok(format!("The preset {} is changed", preset.name))
                })
            }
            PresetsAction::Rename(old, new) => {
                let preset = Preset { name: new.clone(), ..known(&old)? };
                self.change_presets(move || {
                    presets::save_preset(&data_dir, &preset, false)?;
                    presets::remove_preset(&data_dir, &old)?;
                    Ok(format!("{old} is now {new}"))
                })
            }
            PresetsAction::Duplicate(name) => {
                let preset = Preset { name: format!("{name} copy"), ..known(&name)? };
                self.change_presets(move || {
                    presets::save_preset(&data_dir, &preset, false)?;
                    Ok(format!("{} is a copy of {name}", preset.name))
                })
            }
            PresetsAction::Star(name) => {
                let starred = &mut self.window.starred_presets;
                if !starred.remove(&name) {
                    starred.insert(name);
                }
                Ok(())
            }
            PresetsAction::Remove(name) => {
                self.pages.preset_undo = Some(PresetUndo::Removed(known(&name)?));
                self.change_presets(move || {
                    presets::remove_preset(&data_dir, &name)?;
                    Ok(format!("Removed the preset {name}"))
                })
            }
            PresetsAction::Undo => self.undo_preset(),
            PresetsAction::Import(file) => self.change_presets(move || {
                let preset = presets::read_preset(&file)?;
                presets::save_preset(&data_dir, &preset, false)?;
                Ok(format!("Imported the preset {}", preset.name))
            }),
            PresetsAction::BrowseImport => {
                self.browse(Purpose::ImportPreset);
                Ok(())
            }
            PresetsAction::BrowseExport(name) => {
                self.browse(Purpose::ExportPreset(name));
                Ok(())
            }
            PresetsAction::FetchLora(item) => self.plan_fetch(item),
            PresetsAction::ChooseLora(name, file) => {
                self.browse(Purpose::PresetLora(name, file));
                Ok(())
            }
            PresetsAction::Export(name, file) => {
                let preset = known(&name)?;
                self.change_presets(move || {
                    presets::export_preset(&preset, &file)?;
                    Ok(format!("{name} is saved as {}", file.display()))
                })
            }
        }
    }

    /// Takes back what was removed or edited last.
    fn undo_preset(&mut self) -> Result<()> {
        let (preset, replaces) = match self.pages.preset_undo.take() {
            None => return Ok(()),
            Some(PresetUndo::Removed(preset)) => (preset, false),
            Some(PresetUndo::Edited(preset)) => (preset, true),
        };
        let data_dir = self.data_dir.clone();
        self.change_presets(move || {
            presets::save_preset(&data_dir, &preset, replaces)?;
            let now = if replaces { "as before" } else { "back" };
            Ok(format!("The preset {} is {now}", preset.name))
        })
    }

    /// Gives an own preset the file `path` for its LoRA that was at `before`.
    pub(super) fn set_preset_lora(&self, name: String, before: PathBuf, path: PathBuf) -> Result<()> {
        let data_dir = self.data_dir.clone();
        self.change_presets(move || set_lora(&data_dir, &name, &before, &path))
    }

    /// Saves the settings of a cell or a result as a new preset.
    pub(in crate::app::shell) fn save_draft_as_preset(
        &self,
        name: &str,
        draft: &Draft,
        description: &str,
    ) -> Result<()> {
        let natural = if draft.start_image.is_some() { Mode::I2V } else { Mode::T2V };
        let mode = draft.mode.or_else(|| self.form.mode_of(draft)).unwrap_or(natural);
        self.save_new_preset(Preset::of(draft, mode, name, description))
    }

    fn save_new_preset(&self, preset: Preset) -> Result<()> {
        let data_dir = self.data_dir.clone();
        self.change_presets(move || {
            presets::save_preset(&data_dir, &preset, false)?;
            Ok(format!("The settings are saved as the preset {}", preset.name))
        })
    }

    /// Reads the own presets in the background.
    pub(in crate::app::shell) fn load_presets(&self) -> Result<()> {
        let folders = self.form.folders().clone();
        self.page_work(move || PageAnswer::Presets(None, all_presets(&folders)))
    }

    /// Changes presets on disk in the background, and reads them again.
    fn change_presets(&self, change: impl FnOnce() -> Result<String> + Send + 'static) -> Result<()> {
        let folders = self.form.folders().clone();
        self.page_work(move || PageAnswer::Presets(Some(change()), all_presets(&folders)))
    }

    pub(super) fn take_presets(
        &mut self,
        changed: Option<Result<String>>,
        found: Result<(Vec<Preset>, Vec<Error>)>,
    ) -> Result<()> {
        let (all, errors) = found?;
        // said once, not after each change
        if changed.is_none() {
            for error in &errors {
                self.report_error(error);
            }
        }
        self.pages.invalid_presets = errors;
        self.presets = all;
        self.add_brought_presets();
        if let Some(changed) = changed {
            self.notifications.add(Tone::Good, changed?, None);
        }
        Ok(())
    }
}

impl State {
    /// Takes the presets that the models and LoRAs of the last scan bring into the list.
    pub(in crate::app::shell) fn add_brought_presets(&mut self) {
        self.presets.retain(|preset| preset.origin != PresetOrigin::Model);
        for brought in brought_presets(self.form.models(), &self.pages.loras) {
            if self.presets.iter().all(|known| known.name != brought.name) {
                self.presets.push(brought);
            }
        }
        self.form.set_presets(self.presets.clone());
        self.sweeps.planning_mut().again();
    }
}

/// Gives the own preset `name` the file `path` for its LoRA that was at `before`; returns what changed in words.
fn set_lora(data_dir: &Path, name: &str, before: &Path, path: &Path) -> Result<String> {
    let mut preset = presets::find_preset(data_dir, name)?;
    let mut is_other = false;
    for lora in preset.settings.loras.iter_mut().flatten().filter(|lora| lora.file == before) {
        let known = lora.sha256.take();
        lora.identify(path)?;
        is_other |= known.is_some() && known != lora.sha256;
    }
    presets::save_preset(data_dir, &preset, true)?;
    let file = path.display();
    Ok(if is_other {
        format!("The preset {name} has {file} now, whose content is not that of the LoRA it was saved with")
    } else {
        format!("The preset {name} has {file} now")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::LoraChoice;
    use crate::core::testing::draft;

    #[test]
    fn a_chosen_file_replaces_the_missing_one_and_another_content_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let [before, same, other] = ["a", "b", "c"].map(|name| dir.path().join(name));
        for (file, text) in [(&before, "ink"), (&same, "ink"), (&other, "rain")] {
            std::fs::write(file, text).unwrap();
        }
        let of_form =
            Draft { loras: vec![LoraChoice { strength: 0.5, ..LoraChoice::new(&before) }], ..draft() };
        presets::save_preset(dir.path(), &Preset::of(&of_form, Mode::T2V, "look", ""), false).unwrap();
        std::fs::remove_file(&before).unwrap();
        let said = set_lora(dir.path(), "look", &before, &same).unwrap();
        assert!(!said.contains("content"), "{said}");
        let lora = presets::find_preset(dir.path(), "look").unwrap().settings.loras.unwrap().remove(0);
        assert_eq!((lora.file.as_path(), lora.strength), (same.as_path(), 0.5));
        let said = set_lora(dir.path(), "look", &same, &other).unwrap();
        assert!(said.contains("content"), "{said}");
        assert!(set_lora(dir.path(), "look", &other, &before).is_err(), "it is not there");
    }
}
