//! What a person asks of the presets.

use super::state::PageAnswer;
use crate::app::panels::presets::PresetsAction;
use crate::app::shell::app::State;
use crate::app::shell::notifications::Tone;
use crate::core::{Draft, Error, Kind, Mode, Result};
use crate::presets::{self, Preset};

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
            PresetsAction::Save(name) => {
                let mode = self.form.mode().ok_or_else(|| {
                    Error::new(Kind::Input, "The form has no mode yet")
                        .remedy("Choose a model that can be used")
                })?;
                let preset = Preset::of(&self.form.draft, mode, &name, "Saved from the form");
                self.save_new_preset(preset)
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
            PresetsAction::Remove(name) => {
                self.pages.removed = Some(known(&name)?);
                self.change_presets(move || {
                    presets::remove_preset(&data_dir, &name)?;
                    Ok(format!("Removed the preset {name}"))
                })
            }
            PresetsAction::UndoRemove => {
                let Some(preset) = self.pages.removed.take() else { return Ok(()) };
                self.change_presets(move || {
                    presets::save_preset(&data_dir, &preset, false)?;
                    Ok(format!("The preset {} is back", preset.name))
                })
            }
            PresetsAction::Import(file) => self.change_presets(move || {
                let preset = presets::read_preset(&file)?;
                presets::save_preset(&data_dir, &preset, false)?;
                Ok(format!("Imported the preset {}", preset.name))
            }),
            PresetsAction::Export(name, file) => {
                let preset = known(&name)?;
                self.change_presets(move || {
                    presets::export_preset(&preset, &file)?;
                    Ok(format!("{name} is saved as {}", file.display()))
                })
            }
        }
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
        let data_dir = self.data_dir.clone();
        self.page_work(move || PageAnswer::Presets(None, presets::own_presets(&data_dir)))
    }

    /// Changes presets on disk in the background, and reads them again.
    fn change_presets(&self, change: impl FnOnce() -> Result<String> + Send + 'static) -> Result<()> {
        let data_dir = self.data_dir.clone();
        self.page_work(move || PageAnswer::Presets(Some(change()), presets::own_presets(&data_dir)))
    }

    pub(super) fn take_presets(
        &mut self,
        changed: Option<Result<String>>,
        own: Vec<Preset>,
        errors: &[Error],
    ) -> Result<()> {
        // said once, not after each change
        if changed.is_none() {
            for error in errors {
                self.report_error(error);
            }
        }
        self.form.set_own_presets(own.clone())?;
        self.sweeps.plan_again();
        self.presets = presets::shipped()?;
        self.pages.num_shipped = self.presets.len();
        self.presets.extend(own);
        if let Some(changed) = changed {
            self.notifications.add(Tone::Good, changed?, None);
        }
        Ok(())
    }
}
