//! Writers of a PNG file and of a folder of PNG frames. Metadata is stored in `iTXt` chunks, which are UTF-8.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use png::{BitDepth, ColorType, Decoder, Encoder, SrgbRenderingIntent};

use crate::core::{Error, Frame, Kind, Result, open_regular};

use super::fault::{damaged, io_error};
use super::metadata::{KEY, Metadata};
use super::staged::{StagedFile, StagedFolder, StagedVideo};
use super::target::OutputTarget;

/// Keyword of a comment in the PNG specification (section 11.3.3.2).
const COMMENT: &str = "Comment";
const CANNOT_WRITE: &str = "Cannot write";

/// Name of frame `index` in a folder of frames.
pub(super) fn frame_name(index: u32) -> String {
    format!("frame_{index:04}.png")
}

/// Writer of one PNG file; the frame is kept until its metadata is known.
pub(super) struct PngWriter {
    file: StagedFile,
    path: PathBuf,
    frame: Option<Frame>,
}

impl PngWriter {
    pub(super) fn create(target: &OutputTarget) -> Result<Self> {
        Ok(Self { file: StagedFile::create(target)?, path: target.path().to_path_buf(), frame: None })
    }

    pub(super) fn hidden(&self) -> &Path {
        self.file.hidden()
    }

    pub(super) fn push(&mut self, frame: &Frame) {
        self.frame = Some(frame.clone());
    }

    pub(super) fn finish(mut self, metadata: &Metadata) -> Result<StagedVideo> {
        let Some(frame) = self.frame else { return Err(Error::new(Kind::Bug, "The PNG file has no frame")) };
        write(self.file.file(), &frame, Some(metadata)).map_err(|error| write_error(&self.path, error))?;
        self.file.ready()
    }
}

/// Writer of a folder of PNG frames; the first frame is kept until its metadata is known.
pub(super) struct SequenceWriter {
    folder: StagedFolder,
    path: PathBuf,
    first: Option<Frame>,
    num_frames: u32,
}

impl SequenceWriter {
    pub(super) fn create(target: &OutputTarget) -> Result<Self> {
        let folder = StagedFolder::create(target)?;
        Ok(Self { folder, path: target.path().to_path_buf(), first: None, num_frames: 0 })
    }

    pub(super) fn hidden(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn push(&mut self, frame: &Frame) -> Result<()> {
        if self.num_frames == 0 {
            self.first = Some(frame.clone());
        } else {
            self.write(self.num_frames, frame, None)?;
        }
        self.num_frames += 1;
        Ok(())
    }

    fn write(&self, index: u32, frame: &Frame, metadata: Option<&Metadata>) -> Result<()> {
        let failed = |error| io_error(CANNOT_WRITE, &self.path, error);
        let mut file = File::create_new(self.folder.path().join(frame_name(index))).map_err(failed)?;
        write(&mut file, frame, metadata).map_err(|error| write_error(&self.path, error))?;
        file.sync_all().map_err(failed)
    }

    pub(super) fn finish(mut self, metadata: &Metadata) -> Result<StagedVideo> {
        let Some(first) = self.first.take() else {
            return Err(Error::new(Kind::Bug, "The folder has no frame"));
        };
        self.write(0, &first, Some(metadata))?;
        Ok(self.folder.ready())
    }
}

fn write(file: &mut File, frame: &Frame, metadata: Option<&Metadata>) -> Result<(), png::EncodingError> {
    let mut file = BufWriter::new(file);
    let mut encoder = Encoder::new(&mut file, frame.size.width, frame.size.height);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_source_srgb(SrgbRenderingIntent::Perceptual);
    if let Some(metadata) = metadata {
        encoder.add_itxt_chunk(COMMENT.to_owned(), metadata.comment().to_owned())?;
        encoder.add_itxt_chunk(KEY.to_owned(), metadata.json().to_owned())?;
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&frame.rgb)?;
    writer.finish()?;
    Ok(file.flush()?)
}

fn write_error(path: &Path, error: png::EncodingError) -> Error {
    match error {
        png::EncodingError::IoError(error) => io_error(CANNOT_WRITE, path, error),
        other => Error::new(Kind::Bug, "The PNG encoder rejected a frame").because(other),
    }
}

/// The request as JSON text, if the file has one.
pub(super) fn read_metadata(path: &Path) -> Result<Option<String>> {
    let file = open_regular(path).map_err(|error| io_error("Cannot read", path, error))?;
    let bad = |error| damaged(path, "its text cannot be read").because(error);
    let mut reader = Decoder::new(BufReader::new(file)).read_info().map_err(bad)?;
    // other programs may write text after the image data
    if !reader.info().utf8_text.iter().any(|chunk| chunk.keyword == KEY) {
        reader.finish().map_err(bad)?;
    }
    let found = reader.info().utf8_text.iter().find(|chunk| chunk.keyword == KEY);
    found.map(|chunk| chunk.get_text().map_err(bad)).transpose()
}
