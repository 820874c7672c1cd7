//! `wandeck settings`: shows, changes and imports settings.

use super::args::{Common, SettingsArgs as Args, SettingsVerb};
use super::data_dir;
use super::report::{note, out, print_document};
use crate::core::{Error, Kind, Result, read_edited_text};
use crate::store::{ImportDocument, Imported, Settings, SettingsDocument, SettingsPathDocument};

pub(super) fn run(args: &Args, common: &Common) -> Result<()> {
    let data_dir = data_dir(common)?;
    let path = Settings::path_in(&data_dir);
    match &args.verb {
        SettingsVerb::Path if common.json => print_document(SettingsPathDocument { path: &path }),
        SettingsVerb::Path => out(&path.display().to_string()),
        SettingsVerb::Show => {
            let (settings, notes) = Settings::load(&data_dir);
            show(&settings, &notes, common);
        }
        SettingsVerb::Set { key, value } => {
            // an unreadable file is not overwritten
            let (mut settings, notes) = Settings::read(&data_dir)?;
            settings.set(key, value)?;
            settings.save(&data_dir)?;
            show(&settings, &notes, common);
        }
        SettingsVerb::Import { file } => {
            let text = read_edited_text(file).map_err(|error| {
                Error::new(Kind::Io, format!("Cannot read {}", file.display()))
                    .because(error)
                    .remedy("Check the path and its permissions")
            })?;
            let (mut settings, _) = Settings::read(&data_dir)?;
            let done = settings.import(&text)?;
            settings.save(&data_dir)?;
            report(&done, &settings, common);
        }
    }
    Ok(())
}

fn report(done: &Imported, settings: &Settings, common: &Common) {
    if common.json {
        return print_document(ImportDocument { settings, imported: done });
    }
    for (key, setting, value) in &done.taken {
        out(&format!("{key:<40} set {setting} to {value}"));
    }
    for (key, why) in &done.left {
        out(&format!("{key:<40} not imported: {why}"));
    }
}

fn show(settings: &Settings, notes: &[String], common: &Common) {
    if common.json {
        return print_document(SettingsDocument { settings, notes });
    }
    for line in notes {
        note(&format!("Warning: {line}"));
    }
    for (key, value) in settings.entries() {
        out(&format!("{key:<24} {value}"));
    }
}
