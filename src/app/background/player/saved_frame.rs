//! Saves one frame of a video as a PNG file.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use eframe::egui::ColorImage;

use crate::core::{Error, Frame, Kind, Resolution, Result};
use crate::media::write_png;

/// Writes the frame into `folder` under a free name that starts with `stem`, and returns its path.
pub(in crate::app) fn save_frame(folder: &Path, stem: &str, image: &ColorImage) -> Result<PathBuf> {
    let failed = |path: &Path, error: std::io::Error| {
        Error::new(Kind::Io, format!("Cannot save the frame as {}", path.display()))
            .because(error)
            .remedy("Check the folder's permissions and the free disk space")
    };
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let names = std::iter::once(stem.to_owned()).chain((2..).map(|number| format!("{stem}-{number}")));
    for name in names {
        let path = folder.join(format!("{name}.png"));
        match File::create_new(&path) {
            Ok(_) => {
                // no other file can take the name any more
                return write_png(&path, &frame(image)).map(|()| path.clone()).inspect_err(|_| {
                    drop(fs::remove_file(&path));
                });
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(&path, error)),
        }
    }
    Err(Error::new(Kind::Bug, "There is no free name for the frame"))
}

fn frame(image: &ColorImage) -> Frame {
    let size = Resolution::new(image.width() as u32, image.height() as u32);
    let rgb = image.pixels.iter().flat_map(|pixel| [pixel.r(), pixel.g(), pixel.b()]).collect();
    Frame { size, rgb }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Reader;

    #[test]
    fn a_frame_is_saved_as_it_is_and_replaces_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("outputs");
        let image = ColorImage::from_rgb([2, 1], &[1, 2, 3, 4, 5, 6]);
        let paths = [1, 2].map(|_| save_frame(&folder, "cat-frame-0012", &image).unwrap());
        let names = ["cat-frame-0012.png", "cat-frame-0012-2.png"];
        assert_eq!(paths, names.map(|name| folder.join(name)));
        let read = Reader::open(&paths[1]).unwrap().next_frame().unwrap().unwrap();
        assert_eq!(read.rgb, [1, 2, 3, 4, 5, 6]);
    }
}
