//! Named fp32 tensors in a safetensors file that is written atomically.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use ndarray::{ArrayD, ArrayViewD};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

/// The `__metadata__` of a safetensors file.
pub type TensorMetadata = HashMap<String, String>;

/// Writes `tensors` to a temporary file beside `path`, syncs it, and renames it to `path`.
pub fn write_tensors(
    path: &Path,
    tensors: &[(&str, ArrayViewD<'_, f32>)],
    metadata: Option<TensorMetadata>,
) -> io::Result<()> {
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
    let file = safetensors::serialize(views, metadata).map_err(io::Error::other)?;
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut staged = tempfile::NamedTempFile::new_in(folder)?;
    staged.write_all(&file)?;
    staged.as_file().sync_all()?;
    staged.persist(path)?;
    Ok(())
}

/// Reads the fp32 tensors of a file by name, and the file's metadata. Tensors of other types are skipped.
pub fn read_tensors(path: &Path) -> io::Result<(HashMap<String, ArrayD<f32>>, TensorMetadata)> {
    let bytes = fs::read(path)?;
    let damaged = |error: safetensors::SafeTensorError| io::Error::new(io::ErrorKind::InvalidData, error);
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let file = SafeTensors::deserialize(&bytes).map_err(damaged)?;
    let mut tensors = HashMap::new();
    for (name, view) in file.iter().filter(|(_, view)| view.dtype() == Dtype::F32) {
        let values = view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let tensor = ArrayD::from_shape_vec(view.shape().to_vec(), values);
        tensors.insert(name.to_owned(), tensor.map_err(io::Error::other)?);
    }
    Ok((tensors, metadata))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }
}
