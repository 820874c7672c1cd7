//! Names of outputs.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::core::{Draft, Mode, Utc};

/// Characters of the prompt that go into a file's name.
const SLUG_CHARS: usize = 40;

/// `outputs/{date}_{mode}_{seed}_{slug}.mp4` in the data folder; the date is in UTC.
pub(in crate::app) fn output_path(data_dir: &Path, draft: &Draft, mode: Mode, now: SystemTime) -> PathBuf {
    let name = format!("{}_{mode}_{}.mp4", Utc::from(now).day(), seed_and_slug(draft));
    data_dir.join("outputs").join(name)
}

/// Whether an output has the name that its form gave it, and not one that a person chose.
pub(in crate::app) fn is_named_for(output: &Path, draft: &Draft) -> bool {
    let stem = output.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    stem.ends_with(&seed_and_slug(draft))
}

fn seed_and_slug(draft: &Draft) -> String {
    let words: String = draft
        .prompt
        .chars()
        .take(SLUG_CHARS)
        .map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { ' ' })
        .collect();
    let slug = words.split_whitespace().collect::<Vec<_>>().join("-");
    format!("{}_{slug}", draft.seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::draft;

    #[test]
    fn the_name_says_when_and_what() {
        let draft = Draft { prompt: "A red circle, moves!".into(), seed: 7, ..draft() };
        let path = output_path(Path::new("data"), &draft, Mode::T2V, SystemTime::UNIX_EPOCH);
        assert_eq!(path, Path::new("data/outputs/1970-01-01_t2v_7_a-red-circle-moves.mp4"));
    }

    #[test]
    fn a_name_that_a_person_chose_is_told_from_one_that_the_form_gave() {
        let draft = Draft { prompt: "A red circle".into(), seed: 7, ..draft() };
        for (name, is_given) in [
            ("out/1970-01-01_t2v_7_a-red-circle.mp4", true),
            ("out/7_A-red-circle.mp4", true),
            ("out/a-red-circle.mp4", false),
            ("mine.gif", false),
            ("", false),
        ] {
            assert_eq!(is_named_for(Path::new(name), &draft), is_given, "{name}");
        }
    }
}
