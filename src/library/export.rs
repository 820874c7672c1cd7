//! Finished videos in another format: the same frames, with the same settings in the metadata.

use std::path::{Path, PathBuf};

use super::provenance::SavedRequest;
use crate::core::{Error, Fps, FrameCount, Kind, Result};
use crate::media::{Existing, Format, Metadata, OutputTarget, Reader, Writer, read_metadata};

/// Frames per second of an image or a folder of frames that carries no settings.
const DEFAULT_FPS: u32 = 16;

/// Writes `source` in another format beside it, under a free name, and returns the path. Decodes every frame, so call it
/// on a background thread.
pub fn export(source: &Path, format: Format) -> Result<PathBuf> {
    let mut reader = Reader::open(source)?;
    let info = *reader.info();
    let draft = SavedRequest::read(source).ok().flatten().map(|saved| saved.draft);
    let rate = info.rate_hz.map(|rate| rate.round() as u32).or_else(|| Some(draft.as_ref()?.fps));
    let fps = Fps(rate.unwrap_or(DEFAULT_FPS).max(1));
    let target = OutputTarget::parse(&named(source, format), info.frames, Existing::NextFree)?;
    let mut writer = Writer::create(&target, info.size, fps, info.frames)?;
    let mut count = 0;
    while let Some(frame) = reader.next_frame()? {
        writer.push(&frame)?;
        count += 1;
    }
    if FrameCount(count) != info.frames {
        return Err(Error::new(Kind::Io, format!("Only {count} of {} frames could be read", info.frames.0))
            .remedy("Make the video again"));
    }
    let prompt = draft.map(|draft| draft.prompt).unwrap_or_default();
    let json = read_metadata(source)?.unwrap_or_default();
    writer.finish(&Metadata::new(&prompt, &json))?.place(&mut |_| Ok(()))
}

/// The name beside `source`; a folder of frames has no extension.
fn named(source: &Path, format: Format) -> PathBuf {
    match format {
        Format::Mp4 => source.with_extension("mp4"),
        Format::Gif => source.with_extension("gif"),
        Format::Png => source.with_extension("png"),
        Format::PngSequence => {
            let stem = source.file_stem().unwrap_or_default().to_string_lossy();
            source.with_file_name(format!("{stem}-frames").replace('.', "-"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Frame, Resolution};

    #[test]
    fn the_frames_and_the_settings_are_the_same_in_every_format() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("a.b.mp4");
        let size = Resolution::new(32, 32);
        let target = OutputTarget::parse(&source, FrameCount(3), Existing::NextFree).unwrap();
        let mut writer = Writer::create(&target, size, Fps(8), FrameCount(3)).unwrap();
        for value in [40, 120, 200] {
            writer.push(&Frame { size, rgb: vec![value; 32 * 32 * 3] }).unwrap();
        }
        let json = r#"{"wandeck":"0.1.0"}"#;
        writer.finish(&Metadata::new("a cat", json)).unwrap().place(&mut |_| Ok(())).unwrap();
        for (format, name) in
            [(Format::Gif, "a.b.gif"), (Format::PngSequence, "a-b-frames"), (Format::Mp4, "a.b-2.mp4")]
        {
            let path = export(&source, format).unwrap();
            assert_eq!(path, dir.path().join(name));
            let mut reader = Reader::open(&path).unwrap();
            assert_eq!((reader.info().frames, reader.info().size), (FrameCount(3), size), "{name}");
            let mut original = Reader::open(&source).unwrap();
            while let Some(frame) = original.next_frame().unwrap() {
                let exported = reader.next_frame().unwrap().unwrap();
                let differs = frame.rgb.iter().zip(&exported.rgb).any(|(a, b)| a.abs_diff(*b) > 6);
                assert!(!differs, "{name}");
            }
            assert_eq!(read_metadata(&path).unwrap().as_deref(), Some(json), "{name}");
        }
    }
}
