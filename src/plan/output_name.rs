//! The default output path and file name of a video.

use std::path::{Path, PathBuf};

use crate::core::{Draft, FrameCount, Mode, Utc};
use crate::media::{Existing, OutputTarget};

/// What stands for standard output elsewhere; a video needs a file.
const STANDARD_OUTPUT: &str = "-";
/// Characters that the words of a prompt may take in a file's name.
const SLUG_CHARS: usize = 40;

/// `{date}_{mode}_{seed}_{slug}.mp4`; the date is in UTC.
pub fn output_name(draft: &Draft, mode: Mode, now: Utc) -> String {
    format!("{}_{mode}_{}.mp4", now.day(), seed_and_slug(draft))
}

/// The file for a place that the user asked for: inside it if it is a folder that exists, else the place itself.
///
/// A folder of frames that may be replaced is the place itself too.
pub(super) fn output_in(asked: &Path, draft: &Draft, mode: Mode, existing: Existing) -> PathBuf {
    if asked == Path::new(STANDARD_OUTPUT) {
        // refused by the target
        return asked.to_path_buf();
    }
    let asked = std::path::absolute(asked).unwrap_or_else(|_| asked.to_path_buf());
    let is_replaced = || {
        let has_files = std::fs::read_dir(&asked).is_ok_and(|mut entries| entries.next().is_some());
        has_files && OutputTarget::parse(&asked, FrameCount(draft.frames), existing).is_ok()
    };
    if !asked.is_dir() || (existing == Existing::Replace && is_replaced()) {
        return asked;
    }
    // "." and ".." at the end would stay in the file's path
    let folder = asked.canonicalize().unwrap_or(asked);
    folder.join(output_name(draft, mode, Utc::now()))
}

/// Whether an output has the name that its draft gave it, and not one that the user chose.
pub(super) fn is_named_for(output: &Path, draft: &Draft) -> bool {
    let stem = output.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let given = seed_and_slug(draft);
    stem == given || stem.strip_suffix(&given).is_some_and(|start| start.ends_with('_'))
}

/// Whether two drafts give their outputs the same name on the same day.
pub(super) fn is_same_name(a: &Draft, b: &Draft) -> bool {
    seed_and_slug(a) == seed_and_slug(b)
}

fn seed_and_slug(draft: &Draft) -> String {
    let slug = slug(&draft.prompt);
    if slug.is_empty() { draft.seed.to_string() } else { format!("{}_{slug}", draft.seed) }
}

/// The first words of a prompt that fit, with hyphens between them. Only a first word that is too long, or a prompt
/// in a language without spaces, is cut inside a word.
fn slug(prompt: &str) -> String {
    let words: String =
        prompt.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { ' ' }).collect();
    let mut slug = String::new();
    for word in words.split_whitespace() {
        let length = slug.chars().count();
        if length == 0 {
            slug = word.chars().take(SLUG_CHARS).collect();
        } else if length + 1 + word.chars().count() <= SLUG_CHARS {
            slug = format!("{slug}-{word}");
        } else {
            break;
        }
    }
    slug
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::draft;

    fn red_circle() -> Draft {
        Draft { prompt: "A red circle, moves!".into(), seed: 7, ..draft() }
    }

    #[test]
    fn the_name_says_when_and_what() {
        assert_eq!(output_name(&red_circle(), Mode::T2V, Utc(0)), "1970-01-01_t2v_7_a-red-circle-moves.mp4");
        let silent = Draft { prompt: String::new(), ..red_circle() };
        assert_eq!(output_name(&silent, Mode::I2V, Utc(0)), "1970-01-01_i2v_7.mp4");
    }

    #[test]
    fn a_long_prompt_is_cut_between_words() {
        assert_eq!(
            slug("A lighthouse at dusk, slow dolly in, waves"),
            "a-lighthouse-at-dusk-slow-dolly-in-waves"
        );
        assert_eq!(
            slug("A lighthouse at dusk, slow dolly in, waves break"),
            "a-lighthouse-at-dusk-slow-dolly-in-waves"
        );
        assert_eq!(
            slug("the lighthouses at dusk, slow dolly in, waves"),
            "the-lighthouses-at-dusk-slow-dolly-in"
        );
        assert_eq!(slug(&"猫".repeat(50)), "猫".repeat(SLUG_CHARS), "no spaces to cut at");
        assert_eq!(slug(" ,. "), "");
    }

    #[test]
    fn names_chosen_by_the_user_are_distinguished_from_default_names() {
        for (name, is_given) in [
            ("out/1970-01-01_t2v_7_a-red-circle-moves.mp4", true),
            ("out/7_A-red-circle-moves.mp4", true),
            ("out/a-red-circle-moves.mp4", false),
            ("mine.gif", false),
            ("", false),
        ] {
            assert_eq!(is_named_for(Path::new(name), &red_circle()), is_given, "{name}");
        }
    }

    #[test]
    fn an_existing_folder_takes_the_video_in() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().canonicalize().unwrap();
        let named = |asked: &Path, existing| output_in(asked, &red_circle(), Mode::T2V, existing);
        for asked in [folder.clone(), folder.join("."), folder.join("")] {
            let output = named(&asked, Existing::NextFree);
            assert_eq!(output.parent(), Some(folder.as_path()));
            assert!(output.to_string_lossy().ends_with("_t2v_7_a-red-circle-moves.mp4"), "{output:?}");
        }
        assert_eq!(named(&folder.join("frames"), Existing::NextFree), folder.join("frames"));
        let frames = folder.join("old");
        std::fs::create_dir(&frames).unwrap();
        std::fs::write(frames.join("frame_0000.png"), "x").unwrap();
        assert_eq!(named(&frames, Existing::Replace), frames);
        assert_eq!(named(&frames, Existing::NextFree).parent(), Some(frames.as_path()));
    }
}
