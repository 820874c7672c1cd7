//! Named fp32 tensors in a safetensors file that is written atomically.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::path::Path;

use ndarray::{ArrayD, ArrayViewD};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::staged::{stage_in, sweep_staged};
use super::whole_file::sync_folder;
use crate::core::{Bytes, read_bounded};

/// The `__metadata__` of a safetensors file.
pub type TensorMetadata = HashMap<String, String>;

/// Metadata key of the checksum over names, shapes, values and the other metadata.
const CHECKSUM: &str = "wandeck.crc32";
/// Largest file that is read; the state of a run at 1280x720 with 121 frames takes under a gigabyte.
const MAX_FILE: Bytes = Bytes(8 << 30);

/// Writes `tensors` to a temporary file beside `path`, syncs it, and renames it to `path`. With metadata, the file has a
/// checksum, which [`read_tensors`] compares.
pub fn write_tensors(
    path: &Path,
    tensors: &[(&str, ArrayViewD<'_, f32>)],
    metadata: Option<TensorMetadata>,
) -> io::Result<()> {
    let staged = stage(path, tensors, metadata)?;
    staged.persist(path)?;
    sync_folder(folder_of(path));
    Ok(())
}

/// Writes like [`write_tensors`], but never over another file, unless `replace` is set or it has the same bytes.
pub fn write_tensors_new(
    path: &Path,
    tensors: &[(&str, ArrayViewD<'_, f32>)],
    metadata: Option<TensorMetadata>,
    replace: bool,
) -> io::Result<()> {
    if replace {
        return write_tensors(path, tensors, metadata);
    }
    let staged = stage(path, tensors, metadata)?;
    match staged.persist_noclobber(path) {
        Ok(_) => {}
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            let same = read_bounded(path, MAX_FILE)
                .is_ok_and(|there| read_bounded(error.file.path(), MAX_FILE).is_ok_and(|new| new == there));
            return if same { Ok(()) } else { Err(error.error) };
        }
        Err(error) => return Err(error.error),
    }
    sync_folder(folder_of(path));
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// The complete and synced file under a temporary name.
fn stage(
    path: &Path,
    tensors: &[(&str, ArrayViewD<'_, f32>)],
    metadata: Option<TensorMetadata>,
) -> io::Result<tempfile::NamedTempFile> {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, tensor)| tensor.iter().flat_map(|value| value.to_le_bytes()).collect())
        .collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, tensor), bytes)| {
            let view = TensorView::new(Dtype::F32, tensor.shape().to_vec(), bytes);
            Ok((*name, view.map_err(io::Error::other)?))
        })
        .collect::<io::Result<Vec<_>>>()?;
    let metadata = metadata.map(|mut metadata| {
        let parts = tensors
            .iter()
            .zip(&bytes)
            .map(|((name, tensor), bytes)| (*name, tensor.shape(), bytes.as_slice()));
        metadata.insert(CHECKSUM.to_owned(), checksum(parts.collect(), &metadata));
        metadata
    });
    // also where a person chose the folder: the next file clears away what a killed program left beside it
    sweep_staged(folder_of(path));
    let file = safetensors::serialize(views, metadata).map_err(io::Error::other)?;
    let mut staged = stage_in(folder_of(path), "")?;
    staged.write_all(&file)?;
    staged.as_file().sync_all()?;
    Ok(staged)
}

/// The checksum of tensors, each with name, shape and bytes, and of the metadata beside it.
fn checksum(mut tensors: Vec<(&str, &[usize], &[u8])>, metadata: &TensorMetadata) -> String {
    tensors.sort_unstable();
    let mut hasher = crc32fast::Hasher::new();
    for (name, shape, bytes) in tensors {
        hasher.update(format!("{name} {shape:?} ").as_bytes());
        hasher.update(bytes);
    }
    let mut entries: Vec<_> = metadata.iter().filter(|(key, _)| *key != CHECKSUM).collect();
    entries.sort_unstable();
    hasher.update(format!("{entries:?}").as_bytes());
    format!("{:08x}", hasher.finalize())
}

/// Reads the fp32 tensors of a file by name, and the file's metadata. Tensors of other types are skipped.
pub fn read_tensors(path: &Path) -> io::Result<(HashMap<String, ArrayD<f32>>, TensorMetadata)> {
    let bytes = read_bounded(path, MAX_FILE)?;
    let damaged = |error: safetensors::SafeTensorError| io::Error::new(io::ErrorKind::InvalidData, error);
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
    let mut metadata = header.metadata().clone().unwrap_or_default();
    let file = SafeTensors::deserialize(&bytes).map_err(damaged)?;
    if let Some(written) = metadata.get(CHECKSUM) {
        let views: Vec<_> = file.iter().collect();
        let parts = views.iter().map(|(name, view)| (*name, view.shape(), view.data())).collect();
        if checksum(parts, &metadata) != *written {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its checksum differs from its content"));
        }
    }
    let mut tensors = HashMap::new();
    for (name, view) in file.iter().filter(|(_, view)| view.dtype() == Dtype::F32) {
        let values = view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let tensor = ArrayD::from_shape_vec(view.shape().to_vec(), values);
        tensors.insert(name.to_owned(), tensor.map_err(io::Error::other)?);
    }
    metadata.remove(CHECKSUM);
    Ok((tensors, metadata))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_of_other_programs_beside_it_stay() {
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join(".tmpAbCdEf");
        let file = fs::File::create(&other).unwrap();
        file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_hours(48)).unwrap();
        let tensor = ArrayD::from_elem(vec![1], 1.0);
        let write = |replace| {
            let path = dir.path().join("latents.safetensors");
            write_tensors_new(&path, &[("latents", tensor.view())], None, replace).unwrap();
        };
        write(false);
        write(true);
        assert!(other.exists());
    }

    #[test]
    fn written_tensors_are_read_and_damage_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        let tensor = ArrayD::from_shape_vec(vec![2, 1], vec![1.5, -2.0]).unwrap();
        let metadata = TensorMetadata::from([("step".to_owned(), "3".to_owned())]);
        write_tensors(&path, &[("latents", tensor.view())], Some(metadata.clone())).unwrap();
        assert_eq!(read_tensors(&path).unwrap(), (HashMap::from([("latents".to_owned(), tensor)]), metadata));
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(read_tensors(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
        // every flipped bit of the values and of the metadata's values is noticed
        let values = bytes.len() - 8;
        for at in values..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x01;
            fs::write(&path, &damaged).unwrap();
            assert_eq!(read_tensors(&path).unwrap_err().kind(), io::ErrorKind::InvalidData, "byte {at}");
        }
    }
}
