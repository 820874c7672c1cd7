//! Thumbnails of finished videos, cached in the data folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::core::{Frame, Result, sha256_hex};
use crate::media::{read_image, thumbnail, write_png};
use crate::store::stage_in;

/// Longest side of a thumbnail in pixels.
const MAX_SIDE: u32 = 256;
/// Thumbnails that are kept; the oldest are deleted first. About 60 KB each.
const MAX_KEPT: usize = 20_000;

/// The thumbnails of a data folder.
#[derive(Clone, Debug)]
pub struct Thumbnails {
    folder: PathBuf,
}

impl Thumbnails {
    /// The thumbnails kept in `data_dir`; nothing is read or written yet.
    pub fn new(data_dir: &Path) -> Self {
        Self { folder: data_dir.join("cache").join("thumbnails") }
    }

    /// The thumbnail of a video, GIF, image or folder of frames, at most 256 pixels on a side: the frame in the
    /// middle. Decodes the video the first time and keeps the result; a file that changed gets a new one.
    pub fn get(&self, output: &Path) -> Result<Frame> {
        let kept = self.path_for(output);
        if let Some(kept) = &kept
            && let Ok(frame) = read_image(kept)
        {
            return Ok(frame);
        }
        let frame = thumbnail(output, MAX_SIDE)?;
        if let Some(kept) = kept
            && let Err(error) =
                fs::create_dir_all(&self.folder).map_err(Into::into).and_then(|()| save(&kept, &frame))
        {
            // without a cached file it is made again next time
            tracing::debug!("A thumbnail was not kept: {error}");
        }
        Ok(frame)
    }

    /// Deletes the oldest thumbnails beyond the bound.
    pub fn trim(&self) {
        let Ok(files) = fs::read_dir(&self.folder) else { return };
        let mut files: Vec<_> = files
            .filter_map(|file| {
                let file = file.ok()?;
                Some((file.metadata().ok()?.modified().ok()?, file.path()))
            })
            .collect();
        files.sort();
        for (_, path) in files.iter().take(files.len().saturating_sub(MAX_KEPT)) {
            drop(fs::remove_file(path));
        }
    }

    /// Path of the cached thumbnail of a file, by its path, size and modification time.
    fn path_for(&self, output: &Path) -> Option<PathBuf> {
        let metadata = fs::metadata(output).ok()?;
        let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
        let identity = format!("{}\n{}\n{changed}", output.display(), metadata.len());
        Some(self.folder.join(format!("{}.png", &sha256_hex(identity.as_bytes())[..32])))
    }
}

fn save(path: &Path, frame: &Frame) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let part = stage_in(path.parent().unwrap_or(path), ".png")?;
    write_png(part.path(), frame)?;
    part.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Resolution;

    #[test]
    fn a_thumbnail_is_made_once_and_again_when_the_file_changes() {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("image.png");
        let filled = |value: u8| Frame { size: Resolution::new(512, 128), rgb: vec![value; 512 * 128 * 3] };
        write_png(&image, &filled(200)).unwrap();
        let thumbnails = Thumbnails::new(dir.path());
        let first = thumbnails.get(&image).unwrap();
        assert_eq!((first.size, first.rgb[0]), (Resolution::new(256, 64), 200));
        assert_eq!(fs::read_dir(&thumbnails.folder).unwrap().count(), 1);
        assert_eq!(thumbnails.get(&image).unwrap(), first);
        fs::write(&image, b"").unwrap();
        write_png(&image, &filled(90)).unwrap();
        let later = fs::File::options().write(true).open(&image).unwrap();
        later.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(5)).unwrap();
        assert_eq!(thumbnails.get(&image).unwrap().rgb[0], 90);
        assert!(thumbnails.get(&dir.path().join("missing.mp4")).is_err());
    }
}
