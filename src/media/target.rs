//! Output path of a video: the format from the extension, and a name that does not overwrite an existing file.

use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::core::{Error, Fps, FrameCount, Kind, Resolution, Result};

use super::fault::io_error;

/// Format of the output, chosen by its file extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// H.264 in MP4, `.mp4`.
    Mp4,
    /// Animated GIF with at most 256 colours a frame, `.gif`.
    Gif,
    /// One lossless image, `.png`.
    Png,
    /// A folder of lossless images `frame_0000.png`, `frame_0001.png` …; a name without extension.
    PngSequence,
}

/// What to do if the output already exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Existing {
    /// Keep it and take the next free name: `out.mp4`, `out-2.mp4`, `out-3.mp4` …
    #[default]
    NextFree,
    /// Replace it atomically at the end. A folder is replaced only if it contains nothing but frames.
    Replace,
}

/// The checked output path and format of one video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputTarget {
    asked: PathBuf,
    path: PathBuf,
    format: Format,
    existing: Existing,
    /// Random, so that two videos in one folder do not meet.
    hidden_name: String,
}

/// Largest frame that the H.264 encoder supports, in either orientation (level 5.2).
const MP4_MAX: (u32, u32) = (3840, 2160);
/// Shortest side that the H.264 encoder supports: one macroblock.
const MP4_MIN_SIDE: u32 = 16;
/// GIF counts in hundredths of a second, and players slow down frames shorter than two of them.
const GIF_MAX_FPS: u32 = 50;

impl OutputTarget {
    /// Reads the format from `path`'s extension and chooses the name for a video of `frames` frames.
    pub fn parse(path: &Path, frames: FrameCount, existing: Existing) -> Result<Self> {
        if path == Path::new("-") {
            let message = "A video cannot be written to standard output";
            return Err(Error::new(Kind::Input, message).remedy(SUPPORTED_NAMES).field("output"));
        }
        let asked = without_trailing_separator(path);
        if asked.file_name().is_none() {
            let error = Error::new(
                Kind::Input,
                format!("\"{}\" is not the name of a file or folder", path.display()),
            );
            return Err(error.remedy(SUPPORTED_NAMES).field("output"));
        }
        if is_special(&asked) {
            let message = format!("{} is a device, pipe or socket, not a file", asked.display());
            return Err(Error::new(Kind::Input, message).remedy(SUPPORTED_NAMES).field("output"));
        }
        let format = format_of(path, &asked)?;
        if format == Format::Png && frames.0 > 1 {
            let message = format!("One PNG cannot hold {} frames: {}", frames.0, asked.display());
            return Err(Error::new(Kind::Input, message)
                .remedy("Use .mp4 or .gif, or a name without extension for a folder of PNG files")
                .field("output"));
        }
        let path = match existing {
            Existing::NextFree => next_free(&asked, format)?,
            Existing::Replace => {
                check_replaceable(&asked, format)?;
                asked.clone()
            }
        };
        let random = RandomState::new().build_hasher().finish();
        Ok(Self { asked, path, format, existing, hidden_name: format!(".wandeck-{random:016x}.part") })
    }

    /// Path of the file, or of the folder of a PNG sequence, that will be written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Temporary path beside the output to which the video is written until it is complete.
    pub fn hidden(&self) -> PathBuf {
        self.folder().join(&self.hidden_name)
    }

    /// Format of the output.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The requested path, if it already exists and another one is used.
    pub fn renamed_from(&self) -> Option<&Path> {
        (self.asked != self.path).then_some(self.asked.as_path())
    }

    /// Checks that the output's folder is writable, with a temporary file that is removed again. Meant to be called
    /// before inference starts.
    ///
    /// Missing folders are created only when writing starts; until then the nearest existing one is checked.
    pub fn check_writable(&self) -> Result<()> {
        let folder =
            nearest_folder(self.folder()).map_err(|error| io_error(CANNOT_WRITE, &self.path, error))?;
        // where the system can, the file has no name that a kill could leave behind
        tempfile::tempfile_in(&folder).map(drop).map_err(|error| io_error(CANNOT_WRITE, &self.path, error))
    }

    /// Checks that the format supports a video of this size and frame rate. Meant to be called before inference starts.
    pub fn check_video(&self, size: Resolution, fps: Fps) -> Result<()> {
        let refuse = |field, message: String, remedy| {
            Err(Error::new(Kind::Unsupported, message).remedy(remedy).field(field))
        };
        let (short, long) = (size.width.min(size.height), size.width.max(size.height));
        match self.format {
            Format::Mp4 if long > MP4_MAX.0 || short > MP4_MAX.1 || short < MP4_MIN_SIDE => {
                let (w, h) = MP4_MAX;
                let message = format!(
                    "MP4 supports sides from {MP4_MIN_SIDE} pixels and frames up to {w}x{h} pixels, not {size}"
                );
                refuse("size", message, "Use a folder of PNG files, or another size")
            }
            Format::Gif if long > u32::from(u16::MAX) => refuse(
                "size",
                format!("GIF supports sides up to {} pixels, not {size}", u16::MAX),
                "Use .mp4",
            ),
            Format::Gif if fps.0 > GIF_MAX_FPS => {
                let message = format!("GIF supports at most {GIF_MAX_FPS} frames per second, not {}", fps.0);
                refuse("fps", message, "Use .mp4, or fewer frames per second")
            }
            _ if short == 0 || fps.0 == 0 => refuse(
                "size",
                format!("A video cannot have a size of {size} at {} frames per second", fps.0),
                "Choose larger values",
            ),
            _ => Ok(()),
        }
    }

    /// Size of the frames in the file. MP4 stores even sizes, so the last row or column of an odd side is repeated.
    pub fn stored_size(&self, size: Resolution) -> Resolution {
        match self.format {
            Format::Mp4 => Resolution::new(size.width.next_multiple_of(2), size.height.next_multiple_of(2)),
            _ => size,
        }
    }

    /// The next free name, for the case that [`Self::path`] has been taken since.
    pub(super) fn next_name(&self) -> Result<PathBuf> {
        next_free(&self.asked, self.format)
    }

    pub(super) fn hidden_name(&self) -> &str {
        &self.hidden_name
    }

    pub(super) fn existing(&self) -> Existing {
        self.existing
    }

    /// The folder that the file or folder is written into.
    pub(super) fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }
}

const CANNOT_WRITE: &str = "Cannot write";
const SUPPORTED_NAMES: &str =
    "Use a name with .mp4, .gif or .png (one frame), or without extension for a folder of PNG files";

fn format_of(path: &Path, asked: &Path) -> Result<Format> {
    if path.as_os_str().as_encoded_bytes().ends_with(std::path::MAIN_SEPARATOR_STR.as_bytes()) {
        return Ok(Format::PngSequence);
    }
    // for Path, ".mp4" alone is a hidden name without extension, which is never intended
    let extension = asked.extension().or_else(|| {
        let name = asked.file_name()?.to_str()?;
        name.strip_prefix('.').map(OsStr::new)
    });
    let Some(extension) = extension else { return Ok(Format::PngSequence) };
    if asked.extension().is_none() {
        return Err(unsupported_name(asked));
    }
    match extension.to_ascii_lowercase().to_str() {
        Some("mp4") => Ok(Format::Mp4),
        Some("gif") => Ok(Format::Gif),
        Some("png") => Ok(Format::Png),
        _ if asked.is_dir() => Ok(Format::PngSequence),
        _ => Err(unsupported_name(asked)),
    }
}

fn unsupported_name(asked: &Path) -> Error {
    let name = asked.file_name().unwrap_or_default().display();
    Error::new(Kind::Input, format!("The format of \"{name}\" is not supported"))
        .remedy(SUPPORTED_NAMES)
        .field("output")
}

fn without_trailing_separator(path: &Path) -> PathBuf {
    path.components().collect()
}

/// Whether the path exists; an error if that cannot be checked.
fn exists(path: &Path) -> Result<bool> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io_error(CANNOT_WRITE, path, error)),
    }
}

fn is_empty_folder(path: &Path) -> bool {
    std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

fn next_free(asked: &Path, format: Format) -> Result<PathBuf> {
    let mut path = asked.to_path_buf();
    let mut number = 1_u64;
    // an empty folder is used for the frames
    while exists(&path)? && !(format == Format::PngSequence && is_empty_folder(&path)) {
        number += 1;
        path = asked.with_file_name(numbered(asked, format, number));
    }
    Ok(path)
}

fn numbered(asked: &Path, format: Format, number: u64) -> OsString {
    let whole = asked.file_name().unwrap_or_default();
    let extension = if format == Format::PngSequence { None } else { asked.extension() };
    let mut name =
        if extension.is_some() { asked.file_stem().unwrap_or(whole) } else { whole }.to_os_string();
    name.push(format!("-{number}"));
    if let Some(extension) = extension {
        name.push(".");
        name.push(extension);
    }
    name
}

/// Whether there is something at the path that is neither a file nor a folder.
fn is_special(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|about| !about.is_file() && !about.is_dir())
}

fn check_replaceable(path: &Path, format: Format) -> Result<()> {
    if !exists(path)? {
        return Ok(());
    }
    let refuse = |why: &str| {
        Err(Error::new(Kind::Input, format!("Cannot replace the existing output: {why}: {}", path.display()))
            .remedy("Choose another name")
            .field("output"))
    };
    match (format, path.is_dir()) {
        (Format::PngSequence, false) => refuse("it is a file, and the new output is a folder"),
        (Format::PngSequence, true) if !holds_only_frames(path) => {
            refuse("the folder contains other files than frames")
        }
        (Format::Mp4 | Format::Gif | Format::Png, true) => refuse("it is a folder"),
        _ => Ok(()),
    }
}

/// Whether the folder contains nothing but frames.
pub(super) fn holds_only_frames(folder: &Path) -> bool {
    let is_frame = |name: &OsStr| {
        let number = name.to_str().and_then(|name| name.strip_prefix("frame_")?.strip_suffix(".png"));
        number.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    std::fs::read_dir(folder)
        .is_ok_and(|mut entries| entries.all(|entry| entry.is_ok_and(|entry| is_frame(&entry.file_name()))))
}

/// The folder itself, or its nearest ancestor that exists.
fn nearest_folder(folder: &Path) -> io::Result<PathBuf> {
    for ancestor in folder.ancestors() {
        let ancestor = if ancestor.as_os_str().is_empty() { Path::new(".") } else { ancestor };
        match ancestor.metadata() {
            Ok(found) if found.is_dir() => return Ok(ancestor.to_path_buf()),
            Ok(_) => return Err(ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &Path, frames: u32) -> Result<OutputTarget> {
        OutputTarget::parse(path, FrameCount(frames), Existing::NextFree)
    }

    #[test]
    fn the_extension_decides_the_format() {
        let table = [
            ("out.mp4", 5, Format::Mp4),
            ("OUT.MP4", 1, Format::Mp4),
            ("a.b.gif", 5, Format::Gif),
            ("one.png", 1, Format::Png),
            ("frames", 5, Format::PngSequence),
            ("clip.mp4/", 5, Format::PngSequence),
        ];
        for (name, frames, format) in table {
            let target = parse(&Path::new("nowhere-at-all").join(name), frames).unwrap();
            assert_eq!(target.format(), format, "{name}");
            assert_eq!(target.renamed_from(), None);
        }
    }

    #[test]
    fn an_unsupported_name_lists_the_supported_ones() {
        for (name, frames) in [("a.avi", 5), ("a.jpg", 1), (".mp4", 5), ("", 1), ("..", 1), ("a.png", 2)] {
            let error = parse(Path::new(name), frames).unwrap_err();
            assert_eq!((error.kind, error.field_name()), (Kind::Input, Some("output")), "{name}");
            assert!(error.remedy_text().unwrap().contains(".gif"), "{error:#}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_not_taken_for_a_name_that_is_in_use() {
        for existing in [Existing::NextFree, Existing::Replace] {
            let error = OutputTarget::parse(Path::new("/dev/null"), FrameCount(5), existing).unwrap_err();
            assert!(error.message.contains("device"), "{error:#}");
        }
    }

    #[test]
    fn existing_names_get_a_number() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["out.mp4", "out-2.mp4", "plain"] {
            std::fs::write(folder.path().join(name), "kept").unwrap();
        }
        std::fs::create_dir(folder.path().join("empty")).unwrap();
        for (asked, taken) in [("out.mp4", "out-3.mp4"), ("plain", "plain-2"), ("empty", "empty")] {
            let target = parse(&folder.path().join(asked), 5).unwrap();
            assert_eq!(target.path(), folder.path().join(taken));
            assert_eq!(target.renamed_from().is_some(), asked != taken);
        }
    }

    #[test]
    fn only_folders_of_frames_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let replace = |name: &str| {
            OutputTarget::parse(&folder.path().join(name), FrameCount(2), Existing::Replace)
                .map(|target| target.format)
        };
        let (frames, mixed) = (folder.path().join("frames"), folder.path().join("mixed"));
        for (folder, name) in [(&frames, "frame_0001.png"), (&mixed, "frame_0001.png"), (&mixed, "taxes.pdf")]
        {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(folder.join(name), "x").unwrap();
        }
        std::fs::create_dir(folder.path().join("folder.mp4")).unwrap();
        std::fs::write(folder.path().join("file"), "x").unwrap();
        assert_eq!(replace("frames").unwrap(), Format::PngSequence);
        for name in ["mixed", "folder.mp4", "file"] {
            assert_eq!(replace(name).unwrap_err().kind, Kind::Input, "{name}");
        }
    }

    #[test]
    fn an_unwritable_folder_is_found_before_writing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let deep = parse(&folder.path().join("new/folders/out.mp4"), 5).unwrap();
        deep.check_writable().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");

        let below_a_file = parse(&file.join("out.mp4"), 5).unwrap_err();
        assert_eq!(below_a_file.kind, Kind::Io);
        let too_long = parse(&folder.path().join(format!("{}.mp4", "x".repeat(300))), 5).unwrap_err();
        assert!(format!("{too_long:#}").contains("shorter name"), "{too_long:#}");
    }

    #[test]
    fn sizes_and_rates_are_checked_by_format() {
        let of = |name: &str| parse(&Path::new("nowhere-at-all").join(name), 1).unwrap();
        let (mp4, gif) = (of("a.mp4"), of("a.gif"));
        assert!(mp4.check_video(Resolution::new(2160, 3840), Fps(240)).is_ok());
        assert!(gif.check_video(Resolution::new(8000, 8000), Fps(50)).is_ok());
        for (target, size, fps) in [
            (&mp4, Resolution::new(4096, 64), 16),
            (&mp4, Resolution::new(8, 64), 16),
            (&gif, Resolution::new(64, 64), 60),
        ] {
            assert_eq!(target.check_video(size, Fps(fps)).unwrap_err().kind, Kind::Unsupported);
        }
        assert_eq!(mp4.stored_size(Resolution::new(65, 33)), Resolution::new(66, 34));
    }
}
