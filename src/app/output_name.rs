//! Names of outputs.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::core::{Draft, Mode, Utc};

/// Characters of the prompt that go into a file's name.
const SLUG_CHARS: usize = 40;

/// `outputs/{date}_{mode}_{seed}_{slug}.mp4` in the data folder; the date is in UTC.
pub(super) fn output_path(data_dir: &Path, draft: &Draft, mode: Mode, now: SystemTime) -> PathBuf {
    let words: String = draft
        .prompt
        .chars()
        .take(SLUG_CHARS)
        .map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { ' ' })
        .collect();
    let slug = words.split_whitespace().collect::<Vec<_>>().join("-");
    let name = format!("{}_{mode}_{}_{slug}.mp4", Utc::from(now).day(), draft.seed);
    data_dir.join("outputs").join(name)
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
}
