//! An image from the clipboard as a file, so that a job can read it later.

use std::path::{Path, PathBuf};

use super::source::InputSource;
use crate::core::{Error, Kind, Resolution, Result, sha256_hex};
use crate::media::write_rgba_png;

/// Characters of the hash in a pasted image's name.
const NAME_LENGTH: usize = 12;

/// The image in the clipboard, saved below the data folder; or the file that was copied in a file manager.
pub(super) fn paste(data_dir: &Path) -> Result<PathBuf> {
    let failed = |error: arboard::Error| {
        Error::new(Kind::Io, "The clipboard cannot be read")
            .because(error)
            .remedy("Save the image as a file, and drop or choose that")
    };
    let mut clipboard = arboard::Clipboard::new().map_err(failed)?;
    match clipboard.get_image() {
        Ok(image) => {
            let size = Resolution::new(image.width as u32, image.height as u32);
            return save_pasted(data_dir, size, image.bytes.into_owned());
        }
        Err(arboard::Error::ContentNotAvailable | arboard::Error::ConversionFailure) => {}
        Err(error) => return Err(failed(error)),
    }
    let file = clipboard.get().file_list().ok().and_then(|files| files.into_iter().next());
    let file = file.or_else(|| InputSource::parse(clipboard.get_text().ok()?.lines().next()?));
    file.filter(|file| file.is_file()).ok_or_else(|| {
        Error::new(Kind::Input, "The clipboard holds no image").remedy(
            "Copy an image in another program, or an image file in the file manager, then paste again",
        )
    })
}

/// Saves pasted RGBA pixels as a PNG file below the data folder. The same image is the same file.
pub(super) fn save_pasted(data_dir: &Path, size: Resolution, rgba: Vec<u8>) -> Result<PathBuf> {
    let folder = data_dir.join("inputs");
    std::fs::create_dir_all(&folder).map_err(|error| {
        Error::new(Kind::Io, format!("Cannot create {}", folder.display()))
            .because(error)
            .remedy("Check that the data folder can be written")
    })?;
    let mut name = sha256_hex(&rgba);
    name.truncate(NAME_LENGTH);
    let path = folder.join(format!("pasted-{name}.png"));
    if !path.is_file() {
        write_rgba_png(&path, size, rgba)?;
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::image_size;

    #[test]
    fn a_pasted_image_is_a_file_and_the_same_one_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let size = Resolution::new(20, 16);
        let save = |value: u8| save_pasted(dir.path(), size, vec![value; 20 * 16 * 4]).unwrap();
        let path = save(7);
        assert_eq!((image_size(&path).unwrap(), save(7) == path, save(8) == path), (size, true, false));
    }
}
