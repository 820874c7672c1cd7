//! The settings file: reading with notes about problems, atomic writing.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ron::extensions::Extensions;
use serde::Deserialize as _;

use super::sections::{Settings, VERSION};
use crate::core::{Bytes, Error, Kind, Result, read_text_bounded};
use crate::store::write_whole;

const NAME: &str = "settings.ron";
/// Largest file that is read.
const MAX_FILE: Bytes = Bytes(1 << 20);
const HEADER: &str = "// Wandeck's settings. \"wandeck settings set KEY VALUE\" rewrites this file.\n";

impl Settings {
    /// Path of the settings file in a data folder.
    pub fn path_in(data_dir: &Path) -> PathBuf {
        data_dir.join(NAME)
    }

    /// The settings of a data folder, and notes about problems, one sentence each. The defaults if the file is missing
    /// or invalid; an invalid file is left unchanged.
    pub fn load(data_dir: &Path) -> (Self, Vec<String>) {
        Self::read(data_dir).unwrap_or_else(|error| {
            (Self::default(), vec![format!("{error:#}. Until then the defaults are used")])
        })
    }

    /// The settings of a data folder and notes about problems; the defaults if the file is missing. Fails if the file
    /// cannot be read or is invalid.
    pub fn read(data_dir: &Path) -> Result<(Self, Vec<String>)> {
        let path = Self::path_in(data_dir);
        match read_text_bounded(&path, MAX_FILE) {
            Ok(text) => Self::parse(&text, &path),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok((Self::default(), Vec::new())),
            Err(error) => Err(Error::new(Kind::Io, format!("Cannot read the settings: {}", path.display()))
                .because(error)
                .remedy("Check the file's permissions, or move it away")),
        }
    }

    /// Writes the settings file of a data folder atomically.
    pub fn save(&self, data_dir: &Path) -> Result<()> {
        let path = Self::path_in(data_dir);
        let pretty = ron::ser::PrettyConfig::default();
        let text = ron::ser::to_string_pretty(self, pretty)
            .map_err(|error| Error::new(Kind::Bug, "Cannot encode the settings as RON").because(error))?;
        write_whole(&path, format!("{HEADER}{text}\n").as_bytes())
    }

    fn parse(text: &str, path: &Path) -> Result<(Self, Vec<String>)> {
        let path = path.display();
        let invalid = |why: String| {
            Error::new(Kind::Input, format!("The settings are invalid: {why}: {path}"))
                .remedy("Correct the file or move it away")
        };
        let at = |error: ron::error::SpannedError| {
            invalid(format!("line {}, {}", error.span.start.line, error.code))
        };
        let options = ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME);
        let mut unknown = Vec::new();
        let mut reader = ron::Deserializer::from_str_with_options(text, &options).map_err(at)?;
        let settings: Self = Self::deserialize(serde_ignored::Deserializer::new(
            &mut reader,
            &mut |key: serde_ignored::Path<'_>| {
                unknown.push(key.to_string());
            },
        ))
        .map_err(|error| at(reader.span_error(error)))?;
        reader.end().map_err(|error| at(reader.span_error(error)))?;
        settings.check().map_err(|error| invalid(error.message))?;
        let mut notes = Vec::new();
        if settings.version > VERSION {
            notes.push(format!(
                "The settings have version {}, and this program supports up to version {VERSION}: it uses the settings it knows: {path}",
                settings.version
            ));
        }
        if !unknown.is_empty() {
            notes.push(format!("Unknown settings are ignored: {}: {path}", unknown.join(", ")));
        }
        Ok((settings, notes))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::core::{PrecisionChoice, ProviderChoice};

    const VERSION_1: &str = include_str!("../../../tests/settings/v1.ron");

    fn parse(text: &str) -> Result<(Settings, Vec<String>)> {
        Settings::parse(text, Path::new("settings.ron"))
    }

    #[test]
    fn a_version_1_file_is_read_completely() {
        let (settings, notes) = parse(VERSION_1).unwrap();
        assert_eq!(notes, Vec::<String>::new());
        assert_eq!((settings.generation.retries, settings.generation.preflight), (5, false));
        assert_eq!(settings.optimization.precision, PrecisionChoice::Int8);
        assert_eq!((settings.errors.backoff_s, settings.errors.timeout()), (0.5, None));
        assert_eq!((settings.hardware.provider, settings.hardware.threads), (ProviderChoice::Cpu, 4));
        assert_eq!(settings.models.folder, Some("/models".into()));
        assert_eq!((settings.records.latents_mib, settings.records.cache_mib), (10, 20));
    }

    #[test]
    fn written_settings_are_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("new");
        assert_eq!(Settings::read(&data).unwrap(), (Settings::default(), Vec::new()));
        let (settings, _) = parse(VERSION_1).unwrap();
        for settings in [settings, Settings::default()] {
            settings.save(&data).unwrap();
            assert_eq!(Settings::read(&data).unwrap(), (settings, Vec::new()));
        }
        assert_eq!(fs::read_dir(&data).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn missing_keys_have_defaults_and_unknown_ones_are_listed() {
        let text = "(generation: (retries: 1, retires: 2), colour: red, models: (folder: \"/m\"))";
        let (settings, notes) = parse(text).unwrap();
        assert_eq!((settings.generation.retries, settings.errors.timeout_s), (1, 0));
        assert_eq!(settings.models.folder, Some("/m".into()));
        assert!(
            notes[0].starts_with("Unknown settings are ignored: generation.retires, colour: "),
            "{notes:?}"
        );
    }

    #[test]
    fn the_known_settings_of_a_newer_file_are_used() {
        let (settings, notes) = parse("(version: 9, generation: (retries: 1), clouds: [1, 2])").unwrap();
        assert_eq!((settings.generation.retries, notes.len()), (1, 2));
        assert!(notes[0].contains("version 9, and this program supports up to version 1"), "{notes:?}");
    }

    #[test]
    fn an_invalid_file_is_reported_with_its_line_and_left_unchanged() {
        let dir = tempfile::tempdir().unwrap();
        let path = Settings::path_in(dir.path());
        for (text, words) in [
            ("(\n  generation: (\n    retries: many,\n  ),\n)", "line 3"),
            ("(\n  generation: (retries: 1", "line 2"),
            ("", "line 1"),
            ("() and more", "line 1"),
            ("(generation: (retries: 21))", "generation.retries must be from 0 to 20, not 21"),
            ("(errors: (backoff_s: -1.0))", "errors.backoff_s must be from 0 to 3600, not -1"),
            ("(errors: (backoff_s: NaN))", "errors.backoff_s"),
        ] {
            fs::write(&path, text).unwrap();
            let (settings, notes) = Settings::load(dir.path());
            assert_eq!(settings, Settings::default());
            assert!(notes.len() == 1 && notes[0].contains(words), "{text}: {notes:?}");
            assert!(notes[0].contains("the defaults are used"), "{notes:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
