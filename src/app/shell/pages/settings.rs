//! What a person asks of the settings, and what other programs change in them.

use std::path::{Path, PathBuf};

use eframe::egui::Context;

use super::state::{PageAnswer, Purpose};
use crate::app::background::file_dialog;
use crate::app::panels::presets::PresetsAction;
use crate::app::panels::settings::{ImportPreview, SettingsAction};
use crate::app::shell::app::State;
use crate::app::shell::notifications::Tone;
use crate::core::{Error, Kind, Result, read_edited_text};
use crate::plan::Profiles;
use crate::store::{Settings, choose_data_dir, setting_info};

/// Changed settings that a notification names; more are counted.
const NAMED: usize = 3;

impl State {
    /// Carries out what was asked of the settings.
    pub(in crate::app::shell) fn apply_settings(
        &mut self,
        ctx: &Context,
        action: SettingsAction,
    ) -> Result<()> {
        match action {
            SettingsAction::Theme(theme) => self.set_theme(ctx, theme),
            SettingsAction::Set(key, value) => {
                self.change_settings(move |settings| settings.set(key, &value))?;
            }
            SettingsAction::Reset(key) => self.change_settings(move |settings| settings.reset(key))?,
            SettingsAction::BrowseFolder(key) => self.browse(Purpose::SettingFolder(key)),
            SettingsAction::BrowseDataFolder => self.browse(Purpose::DataFolder),
            SettingsAction::DataFolder(folder) => {
                self.page_work(move || {
                    PageAnswer::DataFolder(choose_data_dir(folder.as_deref()).map(|()| folder))
                })?;
            }
            SettingsAction::BrowseImport => self.browse(Purpose::Import),
            SettingsAction::ReadImport(file) => self.read_import(file)?,
            SettingsAction::TakeImport => {
                if let Some(preview) = self.pages.import.take() {
                    let taken = preview.imported.taken;
                    let num_taken = taken.len();
                    self.change_settings(move |settings| {
                        taken.iter().try_for_each(|(_, key, value)| settings.set(key, value))
                    })?;
                    let text = format!("{num_taken} settings were imported");
                    self.notifications.add(Tone::Good, text, None);
                }
            }
            SettingsAction::DropImport => self.pages.import = None,
        }
        Ok(())
    }

    /// Changes the settings here at once and on disk in the background, where other programs' changes are kept.
    pub(in crate::app::shell) fn change_settings(
        &mut self,
        change: impl Fn(&mut Settings) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let mut settings = self.form.settings().clone();
        change(&mut settings)?;
        self.use_settings(settings)?;
        let (data_dir, own) = (self.data_dir.clone(), self.pages.watch.own().clone());
        own.begin();
        let save = move || {
            let saved = Settings::read(&data_dir).and_then(|(mut settings, _)| {
                change(&mut settings)?;
                settings.save(&data_dir)
            });
            own.end();
            saved
        };
        if self.saving.submit(save) {
            return Ok(());
        }
        self.pages.watch.own().end();
        Err(too_busy("The setting was not saved"))
    }

    /// Looks for models in `folder`, too.
    pub(super) fn use_models_folder(&mut self, folder: String) -> Result<()> {
        self.change_settings(move |settings| settings.set("models.folder", &folder))
    }

    /// Makes `settings` count in the window.
    fn use_settings(&mut self, settings: Settings) -> Result<()> {
        Profiles::shipped()?.limited(&settings.modes)?;
        let before = self.form.settings();
        let folder = settings.models.folder.clone();
        let is_moved = folder != before.models.folder && self.pages.given_models.is_none();
        let has_other_limits = settings.modes != before.modes;
        self.form.set_settings(settings);
        self.examiner.again();
        self.sweeps.planning_mut().again();
        if is_moved {
            if let Some(folder) = folder.clone() {
                self.page_work(move || PageAnswer::ModelsFolder(check_folder(&folder)))?;
            }
            self.form.set_models_folder(folder);
        }
        if is_moved || has_other_limits {
            self.scan_models();
        }
        Ok(())
    }

    /// Reads a configuration and shows what it would change.
    fn read_import(&self, file: PathBuf) -> Result<()> {
        let settings = self.form.settings().clone();
        let data_dir = self.data_dir.clone();
        self.page_work(move || PageAnswer::Import(Box::new(preview(file, settings, &data_dir))))
    }

    /// Shows a file dialog on a thread of its own.
    pub(super) fn browse(&self, purpose: Purpose) {
        self.pages.dialogs.submit(move || {
            let dialog = rfd::FileDialog::new();
            let show = || match &purpose {
                Purpose::SettingFolder(_) => dialog.set_title("Choose the models folder").pick_folder(),
                Purpose::DataFolder => dialog.set_title("Choose the data folder").pick_folder(),
                Purpose::Role(role) => {
                    let title = format!("Choose the file: {}", role.label());
                    dialog.set_title(title).add_filter("Weights", &["safetensors", "gguf"]).pick_file()
                }
                Purpose::Import => {
                    dialog.set_title("Import settings").add_filter("JSON", &["json"]).pick_file()
                }
                Purpose::ImportPreset => {
                    dialog.set_title("Import a preset").add_filter("Preset", &["ron"]).pick_file()
                }
                Purpose::ExportPreset(name) => {
                    let dialog = dialog.set_title(format!("Export the preset {name}"));
                    dialog.set_file_name(format!("{name}.ron")).add_filter("Preset", &["ron"]).save_file()
                }
                Purpose::PresetLora(preset, _) => {
                    let title = format!("Choose the LoRA of the preset {preset}");
                    dialog.set_title(title).add_filter("LoRA", &["safetensors"]).pick_file()
                }
            };
            Ok(file_dialog::ask(show)?.map(|path| (purpose, path)))
        });
    }

    /// Has a thread of the pages do something.
    pub(super) fn page_work(&self, work: impl FnOnce() -> PageAnswer + Send + 'static) -> Result<()> {
        if self.pages.work.submit(work) { Ok(()) } else { Err(too_busy("This was not done")) }
    }

    /// Takes in what the threads of the pages found out.
    pub(in crate::app::shell) fn drain_pages(&mut self) {
        self.drain_log();
        while let Some(found) = self.pages.watch.changed() {
            let done = found.and_then(|settings| self.take_foreign_settings(settings));
            if let Err(error) = done {
                self.report_error(&error);
            }
        }
        while let Some(chosen) = self.pages.dialogs.poll() {
            let done = chosen
                .flatten()
                .and_then(|chosen| chosen.map_or(Ok(()), |(why, path)| self.take_chosen(&why, path)));
            if let Err(error) = done {
                self.report_error(&error);
            }
        }
        while let Some(answer) = self.pages.poll() {
            if let Err(error) = answer.and_then(|answer| self.take_answer(answer)) {
                self.report_error(&error);
            }
        }
    }

    fn take_chosen(&mut self, purpose: &Purpose, path: PathBuf) -> Result<()> {
        match purpose {
            Purpose::SettingFolder(key) => {
                let folder = path.display().to_string();
                let key: &'static str = key;
                self.change_settings(move |settings| settings.set(key, &folder))
            }
            Purpose::DataFolder => self
                .page_work(move || PageAnswer::DataFolder(choose_data_dir(Some(&path)).map(|()| Some(path)))),
            Purpose::Import => self.read_import(path),
            Purpose::ImportPreset => self.apply_presets(PresetsAction::Import(path)),
            Purpose::ExportPreset(name) => self.apply_presets(PresetsAction::Export(name.clone(), path)),
            Purpose::PresetLora(preset, before) => self.set_preset_lora(preset.clone(), before.clone(), path),
            Purpose::Role(role) => {
                let roles = &mut self.pages.roles;
                role.set(&mut roles.files, Some(path));
                roles.problem = None;
                Ok(())
            }
        }
    }

    fn take_answer(&mut self, answer: PageAnswer) -> Result<()> {
        match answer {
            PageAnswer::Import(preview) => self.pages.import = Some((*preview)?),
            PageAnswer::VerifyDue(_)
            | PageAnswer::Verified(..)
            | PageAnswer::Converted(_)
            | PageAnswer::Removed(_)
            | PageAnswer::BroughtBack(_)
            | PageAnswer::Moved(_)
            | PageAnswer::LorasFitted(..)
            | PageAnswer::LoraChecked(_)
            | PageAnswer::Described(..)
            | PageAnswer::RolesTried(..)
            | PageAnswer::Runtime(_)
            | PageAnswer::Installed(_)
            | PageAnswer::Available(_)
            | PageAnswer::Planned(_)
            | PageAnswer::Fetched(_) => {
                return self.take_model_answer(answer);
            }
            PageAnswer::ModelsFolder(checked) => checked?,
            PageAnswer::Presets(changed, found) => self.take_presets(changed, found)?,
            PageAnswer::Bundle(bundle) => self.pages.bundle = Some(bundle),
            PageAnswer::SavedBundle(path) => self.saved_bundle(&path?),
            PageAnswer::DataFolder(chosen) => {
                let chosen = chosen?;
                let text = match &chosen {
                    Some(folder) => {
                        format!("From the next start on, the data folder is {}", folder.display())
                    }
                    None => "From the next start on, the data folder is the platform's".to_owned(),
                };
                self.notifications.add(Tone::Good, text, None);
                self.pages.next_data_dir = chosen;
            }
        }
        Ok(())
    }

    /// Takes in settings that the file has now; what differs was changed by another program.
    fn take_foreign_settings(&mut self, settings: Settings) -> Result<()> {
        let changed = settings.differences(self.form.settings());
        if changed.is_empty() {
            return Ok(());
        }
        self.use_settings(settings)?;
        let named: Vec<_> = changed.iter().take(NAMED).map(described).collect();
        let more = match changed.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let text = format!("Another program changed the settings: {}{more}", named.join(", "));
        self.notifications.add(Tone::Info, text, None);
        Ok(())
    }
}

fn described((key, now, before): &(String, String, String)) -> String {
    let title = setting_info(key).map_or(key.as_str(), |info| info.title);
    format!("{title} is now {now} (was {before})")
}

fn preview(file: PathBuf, mut settings: Settings, data_dir: &Path) -> Result<ImportPreview> {
    let text = read_edited_text(&file).map_err(|error| {
        Error::new(Kind::Io, format!("{} cannot be read", file.display()))
            .because(error)
            .remedy("Check the path, or choose another file")
    })?;
    let imported = settings.import(&text)?;
    Profiles::open(data_dir)?.limited(&settings.modes)?;
    Ok(ImportPreview { file, imported, settings })
}

/// Fails if `folder` is no folder, which a person should know before they wonder where the models are.
fn check_folder(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    Err(Error::new(Kind::Input, format!("There is no folder {}", folder.display()))
        .remedy("Correct the path of the models folder, or connect its disk and rescan the models"))
}

fn too_busy(what: &str) -> Error {
    Error::new(Kind::Io, format!("{what}: too much is waiting for the disk"))
        .remedy("Wait a moment, then try again")
}
