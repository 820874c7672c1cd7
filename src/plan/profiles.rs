//! The table of allowed and recommended values per mode: shipped with the program, or the user's own.

use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::profile::Profile;
use crate::core::{Bytes, Draft, Error, Finding, Kind, Mode, Result, read_text_bounded};
use crate::store::ModeSettings;
use crate::wan::Family;

/// Version of the table format.
const VERSION: u32 = 1;
/// File name of the user's own table in the data folder.
const FILE: &str = "modes.ron";
/// Largest file that is read.
const MAX_FILE: Bytes = Bytes(1 << 20);
const SHIPPED: &str = include_str!("../../presets/modes.ron");

/// Allowed and recommended values of all modes of the official models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profiles {
    version: u32,
    /// The modes.
    pub modes: Vec<Profile>,
}

impl Profiles {
    /// Reads the user's own table in the data folder, or returns the shipped one if there is none.
    pub fn open(data_dir: &Path) -> Result<Self> {
        let path = data_dir.join(FILE);
        match read_text_bounded(&path, MAX_FILE) {
            Ok(text) => Self::parse(&text, &path.display().to_string()),
            Err(error) if error.kind() == ErrorKind::NotFound => Self::shipped(),
            Err(error) => Err(Error::new(Kind::Io, format!("Cannot read {}", path.display()))
                .because(error)
                .remedy("Correct or remove the file")),
        }
    }

    /// The shipped table.
    pub fn shipped() -> Result<Self> {
        Self::parse(SHIPPED, FILE)
    }

    /// This table with the limits that a person set in the settings. Fails if they contradict the table.
    pub fn limited(mut self, limits: &ModeSettings) -> Result<Self> {
        for profile in &mut self.modes {
            let set = limits.of(profile.mode);
            profile.limit(set);
            if let Some(unknown) = set.resolutions.iter().find(|name| !profile.has_size(name)) {
                let known: Vec<_> = profile.sizes.iter().map(|class| class.name.as_str()).collect();
                return Err(Error::new(
                    Kind::Input,
                    format!("{} has no size called {unknown}; it has {}", profile.name(), known.join(", ")),
                )
                .field("modes")
                .remedy("Correct the sizes of the mode in the settings"));
            }
            if !set.resolutions.is_empty() {
                profile.sizes.retain(|class| set.resolutions.contains(&class.name));
            }
            if !profile.is_sound() {
                return Err(Error::new(
                    Kind::Input,
                    format!("The limits set for {} contradict the table of modes", profile.name()),
                )
                .field("modes")
                .remedy("Correct the fewest, most and default steps of the mode in the settings"));
            }
        }
        Ok(self)
    }

    /// Reads a table; `source` names it in errors.
    pub fn parse(text: &str, source: &str) -> Result<Self> {
        let wrong = |why: String| {
            Error::new(Kind::Input, format!("{source} is no table of modes: {why}"))
                .field("modes")
                .remedy("Correct the file, or remove it to use the shipped one")
        };
        let options =
            ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
        let found: Self = options.from_str(text).map_err(|error| wrong(error.to_string()))?;
        if found.version != VERSION {
            return Err(wrong(format!("its version is {}, this program reads {VERSION}", found.version)));
        }
        if let Some(profile) = found.modes.iter().find(|profile| !profile.is_sound()) {
            return Err(wrong(format!(
                "in {}, advice and defaults must lie in their ranges, and sizes must grow",
                profile.name()
            )));
        }
        Ok(found)
    }

    /// The profile of `mode` for a model; `None` for models that are not official ones.
    pub fn of(&self, mode: Mode, family: Option<Family>) -> Option<&Profile> {
        let family = family?;
        self.modes.iter().find(|profile| profile.mode == mode && profile.family == family)
    }

    /// One error for each value of the draft outside its range.
    pub fn problems(&self, draft: &Draft, mode: Mode, family: Option<Family>) -> Vec<Error> {
        self.of(mode, family).map(|profile| profile.problems(draft)).unwrap_or_default()
    }

    /// A note for each value of the draft that is allowed but not recommended.
    pub fn notes(&self, draft: &Draft, mode: Mode, family: Option<Family>) -> Vec<Finding> {
        self.of(mode, family).map(|profile| profile.notes(draft)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::form;
    use super::*;
    use crate::core::{Fix, LoraChoice, Resolution, Severity, StepCount, StepList};

    const T2V: (Mode, Option<Family>) = (Mode::T2V, Some(Family::A14B));
    const I2V: (Mode, Option<Family>) = (Mode::I2V, Some(Family::A14B));
    const TI2V: (Mode, Option<Family>) = (Mode::TI2V, Some(Family::B5));

    #[test]
    fn official_defaults_raise_nothing() {
        let profiles = Profiles::shipped().unwrap();
        let ti2v = Draft { steps: 50, size: Resolution::new(1280, 704), frames: 121, ..form() };
        for (draft, (mode, family)) in [(form(), T2V), (form(), I2V), (ti2v, TI2V)] {
            assert!(profiles.problems(&draft, mode, family).is_empty());
            assert_eq!(profiles.notes(&draft, mode, family), []);
            let profile = profiles.of(mode, family).unwrap();
            assert_eq!((profile.steps.default, profile.frames.default), (draft.steps, draft.frames));
        }
    }

    #[test]
    fn outside_the_range_is_an_error_that_names_the_field() {
        let profiles = Profiles::shipped().unwrap();
        let large = Resolution::new(1920, 1088);
        for (draft, (mode, family), field) in [
            (Draft { steps: 101, ..form() }, T2V, Some("steps")),
            (Draft { steps: 100, ..form() }, T2V, None),
            (Draft { steps: 81, ..form() }, I2V, Some("steps")),
            (Draft { steps: 61, ..form() }, TI2V, Some("steps")),
            // the shape of a square image
            (Draft { size: Resolution::new(960, 960), ..form() }, TI2V, None),
            (Draft { steps: 0, ..form() }, T2V, Some("steps")),
            (Draft { size: large, ..form() }, T2V, None),
            (Draft { size: Resolution::new(2560, 1440), ..form() }, T2V, Some("size")),
            (Draft { size: large, ..form() }, TI2V, Some("size")),
            (Draft { size: Resolution::new(704, 1280), ..form() }, TI2V, None),
            (Draft { frames: 1001, ..form() }, T2V, Some("frames")),
            // a minimal request
            (Draft { frames: 1, steps: 5, ..form() }, T2V, None),
            // other models have no profile
            (Draft { steps: 900, size: Resolution::new(16, 16), ..form() }, (Mode::T2V, None), None),
        ] {
            let problems = profiles.problems(&draft, mode, family);
            assert_eq!(problems.first().and_then(Error::field_name), field, "{problems:?}");
            assert!(problems.len() <= 1, "{problems:?}");
        }
    }

    #[test]
    fn outside_the_advice_is_a_note() {
        let profiles = Profiles::shipped().unwrap();
        let list = Some(StepList(vec![1000.0, 937.5, 833.33, 625.0]));
        let strong = vec![LoraChoice::new("a.safetensors")];
        for (draft, (mode, family), words) in [
            (Draft { steps: 20, ..form() }, T2V, Some("from 30 to 100 are advised for t2v-A14B")),
            (Draft { steps: 61, ..form() }, I2V, Some("from 20 to 60")),
            (Draft { steps: 45, size: Resolution::new(832, 480), ..form() }, TI2V, Some("from 15 to 40")),
            (Draft { steps: 4, step_list: list, ..form() }, T2V, None),
            (Draft { guidance: 1.0, guidance_low: None, ..form() }, T2V, Some("without guidance")),
            (Draft { guidance: 1.0, guidance_low: None, steps: 4, ..form() }, T2V, None),
            (Draft { frames: 161, ..form() }, T2V, Some("trained for 81")),
            (Draft { size: Resolution::new(240, 416), ..form() }, T2V, Some("480p (832x480)")),
            (Draft { loras: strong.clone(), ..form() }, I2V, Some("up to 0.8")),
            (
                Draft { loras: strong.clone(), guidance: 1.0, guidance_low: None, steps: 4, ..form() },
                I2V,
                None,
            ),
            (Draft { loras: strong, ..form() }, T2V, None),
        ] {
            let notes = profiles.notes(&draft, mode, family);
            assert_eq!(notes.len(), usize::from(words.is_some()), "{notes:?}");
            assert!(notes.iter().all(|note| note.severity == Severity::Note));
            assert!(words.is_none_or(|words| notes[0].message.contains(words)), "{notes:?}");
        }
        let few = profiles.notes(&Draft { steps: 5, ..form() }, Mode::T2V, Some(Family::A14B));
        assert_eq!(few[0].fixes, [Fix::Steps(StepCount(30))]);
    }

    #[test]
    fn a_table_of_ones_own_is_read_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Profiles::open(dir.path()).unwrap(), Profiles::shipped().unwrap());
        let write = |text: String| std::fs::write(dir.path().join(FILE), text).unwrap();
        write(SHIPPED.replace("most: 100, advised: (30, 100)", "most: 45, advised: (30, 45)"));
        let own = Profiles::open(dir.path()).unwrap();
        assert_eq!(own.problems(&Draft { steps: 46, ..form() }, Mode::T2V, Some(Family::A14B)).len(), 1);
        for (from, to, words) in [
            ("version: 1", "version: 2", "its version is 2"),
            ("advised: (30, 100)", "advised: (30, 101)", "t2v-A14B"),
            ("mode: t2v", "mode: v2v", "v2v"),
            ("default: 40", "default: 40, colour: 1", "colour"),
        ] {
            write(SHIPPED.replacen(from, to, 1));
            let error = Profiles::open(dir.path()).unwrap_err();
            assert_eq!(error.field_name(), Some("modes"));
            assert!(error.message.contains(words) && error.message.contains(FILE), "{error:#}");
        }
    }

    #[test]
    fn limits_of_the_settings_replace_those_of_the_table() {
        let mut settings = crate::store::Settings::default();
        settings.import(include_str!("../../tests/settings/source/modes.json")).unwrap();
        let profiles = Profiles::shipped().unwrap().limited(&settings.modes).unwrap();
        let (mode, family) = T2V;
        assert_eq!(profiles.of(mode, family).unwrap().steps.default, 50);
        for (draft, (mode, family), field) in [
            (Draft { steps: 29, ..form() }, T2V, Some("steps")),
            (Draft { steps: 30, ..form() }, T2V, None),
            (Draft { steps: 19, ..form() }, I2V, Some("steps")),
            (Draft { steps: 14, ..form() }, TI2V, Some("steps")),
            // distilled settings keep their range
            (Draft { steps: 4, guidance: 1.0, guidance_low: None, ..form() }, T2V, None),
        ] {
            let problems = profiles.problems(&draft, mode, family);
            assert_eq!(problems.first().and_then(Error::field_name), field, "{problems:?}");
        }
        settings.set("modes.t2v.resolutions", "480p").unwrap();
        let smaller = Profiles::shipped().unwrap().limited(&settings.modes).unwrap();
        assert_eq!(smaller.problems(&form(), mode, family)[0].field_name(), Some("size"));
        for (key, value, words) in [
            ("modes.t2v.resolutions", "8k", "no size called 8k; it has 480p, 720p, 1080p"),
            ("modes.i2v.default_steps", "90", "contradict the table"),
        ] {
            let mut settings = crate::store::Settings::default();
            let done = settings.set(key, value).and_then(|()| Profiles::shipped()?.limited(&settings.modes));
            let error = done.unwrap_err();
            assert!(error.message.contains(words), "{error}");
        }
    }
}
