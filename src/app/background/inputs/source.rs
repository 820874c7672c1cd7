//! What an image well holds: an image, or a clip whose last frame counts.

use std::path::{Path, PathBuf};

use crate::core::Draft;

/// Extensions of video files.
const CLIPS: [&str; 5] = ["mp4", "m4v", "mov", "webm", "mkv"];

/// An image or a clip, by its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app) enum InputSource {
    /// An image.
    Image(PathBuf),
    /// The last frame of a clip.
    LastFrame(PathBuf),
}

impl InputSource {
    /// What a path stands for, by its extension; a clip stands for its last frame.
    pub(in crate::app) fn of(path: PathBuf) -> Self {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        match extension {
            Some(extension) if CLIPS.contains(&extension.as_str()) => Self::LastFrame(path),
            _ => Self::Image(path),
        }
    }

    /// What the form starts from.
    pub(in crate::app) fn start_of(draft: &Draft) -> Option<Self> {
        let image = draft.start_image.clone().map(Self::Image);
        image.or_else(|| draft.continue_from.clone().map(Self::LastFrame))
    }

    /// The file.
    pub(in crate::app) fn path(&self) -> &Path {
        let (Self::Image(path) | Self::LastFrame(path)) = self;
        path
    }

    /// Makes the form start from `source`, or from words alone.
    pub(in crate::app) fn set_start(source: Option<Self>, draft: &mut Draft) {
        (draft.start_image, draft.continue_from) = match source {
            Some(Self::Image(path)) => (Some(path), None),
            Some(Self::LastFrame(path)) => (None, Some(path)),
            None => (None, None),
        };
    }

    /// A path as it is typed or pasted: with quotes, as a `file://` address or with `~` for the home folder.
    pub(in crate::app) fn parse(text: &str) -> Option<PathBuf> {
        let text = text.trim();
        let text = text.strip_prefix(['"', '\'']).map_or(text, |text| text.trim_end_matches(['"', '\'']));
        if text.is_empty() {
            return None;
        }
        let path = if let Some(address) = text.strip_prefix("file://") {
            PathBuf::from(decoded(address))
        } else if let Some(rest) = text.strip_prefix("~/")
            && let Some(folders) = directories::BaseDirs::new()
        {
            folders.home_dir().join(rest)
        } else {
            PathBuf::from(text)
        };
        // another program with another working folder may run the job
        Some(std::path::absolute(&path).unwrap_or(path))
    }
}

/// An address with its `%20` and the like as characters.
fn decoded(address: &str) -> String {
    let bytes = address.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let code = address.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let (b'%', Some(code)) = (byte, code) {
            out.push(code);
            at += 3;
        } else {
            out.push(byte);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_people_paste_it() {
        let parse = |text: &str| InputSource::parse(text).map(|path| path.display().to_string());
        assert_eq!(parse("/a/b c.png").as_deref(), Some("/a/b c.png"));
        assert_eq!(parse(" \"/a/b c.png\" ").as_deref(), Some("/a/b c.png"));
        assert_eq!(parse("file:///a/b%20c%C3%A4.png").as_deref(), Some("/a/b cä.png"));
        assert_eq!(parse("file:///a/100%.png").as_deref(), Some("/a/100%.png"));
        assert!(parse("~/a.png").is_some_and(|path| !path.contains('~')));
        assert!(parse("a.png").is_some_and(|path| Path::new(&path).is_absolute()));
        assert_eq!(parse("  "), None);
    }

    #[test]
    fn a_clip_stands_for_its_last_frame() {
        let mut draft = crate::core::testing::draft();
        InputSource::set_start(Some(InputSource::of("a.MP4".into())), &mut draft);
        assert_eq!(draft.continue_from.as_deref(), Some(Path::new("a.MP4")));
        InputSource::set_start(Some(InputSource::of("a.png".into())), &mut draft);
        assert_eq!((draft.continue_from.as_deref(), draft.starts_from_image()), (None, true));
        assert_eq!(InputSource::start_of(&draft), Some(InputSource::Image("a.png".into())));
        InputSource::set_start(None, &mut draft);
        assert_eq!(InputSource::start_of(&draft), None);
    }
}
