//! The file of a job's final latents, if a person asked for one. It follows the rules of the video: a name that is taken
//! stays as it is unless it may be replaced.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::ArrayD;

use crate::core::{Error, Kind, Result};
use crate::media::Existing;
use crate::store::write_tensors_new;

/// Writes the latents as the tensor `latents` of a safetensors file, and returns its name: `path` or the next free one.
pub(super) fn write(path: &Path, existing: Existing, latent: &ArrayD<f32>) -> Result<PathBuf> {
    let failed = |error: std::io::Error| {
        Error::new(Kind::Io, format!("Cannot write the latents to {}", path.display()))
            .because(error)
            .field("latents_out")
            .remedy("Choose another place")
    };
    let tensors = [("latents", latent.view())];
    let mut number = 1_u32;
    let mut free = path.to_path_buf();
    loop {
        let replace = existing == Existing::Replace && is_regular(&free);
        match write_tensors_new(&free, &tensors, None, replace) {
            Ok(()) => return Ok(free),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                number += 1;
                free = numbered(path, number);
            }
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Whether it is an ordinary file, which may be replaced; a device or a pipe never is.
fn is_regular(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|about| about.is_file())
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_os_string();
    name.push(format!("-{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_name_stays_unless_it_may_be_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        fs::write(&path, "someone's").unwrap();
        let latent = ArrayD::zeros(vec![1, 2]);
        let second = write(&path, Existing::NextFree, &latent).unwrap();
        assert_eq!(second, dir.path().join("a-2.safetensors"));
        assert_eq!(
            write(&path, Existing::NextFree, &latent).unwrap(),
            second,
            "the same bytes are there already"
        );
        assert_eq!(fs::read(&path).unwrap(), b"someone's");
        assert_eq!(write(&path, Existing::Replace, &latent).unwrap(), path);
        assert_eq!(fs::read(&path).unwrap(), fs::read(&second).unwrap());
        #[cfg(unix)]
        {
            let link = dir.path().join("link");
            std::os::unix::fs::symlink("/dev/null", &link).unwrap();
            assert_eq!(write(&link, Existing::Replace, &latent).unwrap(), dir.path().join("link-2"));
        }
    }
}
