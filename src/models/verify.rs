//! Reads every byte of a model, and looks for values that are not finite numbers.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::fetch::FetchRecord;
use super::hints::RoleHints;
use super::integrity::{FileCheck, check_files, forget_state, record_of, size_to_check};
use super::manifest::Manifest;
use crate::core::{Bytes, CancelToken, ComponentFiles, Error, Kind, Result};
use crate::onnx::{RowReader, TensorInfo, Weights, num_not_finite};
use crate::wan::Checkpoint;

/// Bytes that are read at once.
const CHUNK: usize = 16 << 20;

/// Quantised values that are read at once; a multiple of every block.
const VALUES: usize = 1 << 20;

/// A tensor that is damaged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TensorProblem {
    /// Component that it belongs to.
    pub component: &'static str,
    /// Its name in the file.
    pub tensor: String,
    /// What is wrong with it.
    pub problem: String,
}

/// What verifying a model found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Bytes that were read.
    pub read: Bytes,
    /// Tensors that were read.
    pub num_tensors: usize,
    /// Tensors that are damaged; empty for a sound model.
    pub problems: Vec<TensorProblem>,
    /// The files, each compared with its checksum where that is known.
    pub files: Vec<FileCheck>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.num_damaged() == 0
    }

    /// How many tensors and files are damaged.
    pub fn num_damaged(&self) -> usize {
        self.problems.len() + self.files.iter().filter(|file| file.problem.is_some()).count()
    }

    /// What to do about the damage.
    pub fn remedy(&self) -> String {
        let mut damaged = self.files.iter().filter(|file| file.problem.is_some());
        match damaged.find_map(|file| record_of(&file.path)) {
            Some(FetchRecord { id, variant, .. }) => format!(
                "\"wandeck models fetch {id} --variant {variant}\" fetches what is damaged again and keeps the rest"
            ),
            None => "Get its files again from where the model came from".to_owned(),
        }
    }

    /// What is wrong, a line each.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let files = self.files.iter().filter_map(|file| {
            file.problem.as_ref().map(|problem| format!("{}: {problem}", file.path.display()))
        });
        let tensors = self.problems.iter();
        let tensors = tensors.map(|one| format!("{} {}: {}", one.component, one.tensor, one.problem));
        files.chain(tensors)
    }
}

/// What verifying may use beside the model.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// Checksums of known files.
    pub manifest: Option<Manifest>,
    /// A file that keeps the checks of an interrupted run.
    pub state: Option<PathBuf>,
    /// Files that a person chose for components.
    pub files: ComponentFiles,
    /// The data folder, which remembers experts.
    pub data_dir: Option<PathBuf>,
}

impl VerifyOptions {
    /// The shipped and own manifests, and a state in the data folder's cache.
    pub fn new(data_dir: &Path, model: &Path) -> Self {
        let name = crate::core::sha256_hex(model.as_os_str().as_encoded_bytes());
        Self {
            manifest: super::manifest::load_manifest(data_dir).ok(),
            state: Some(data_dir.join("cache/verify").join(format!("{}.json", &name[..16]))),
            files: ComponentFiles::default(),
            data_dir: Some(data_dir.to_path_buf()),
        }
    }
}

/// Reads every file of the model at `path` that has a known checksum, and every tensor. `progress` receives the bytes
/// read since the last call.
///
/// # Errors
///
/// [`Kind::Unsupported`] for a model of exported graphs, [`Kind::Cancelled`] after a cancel, and the errors of
/// [`super::open`]. Damaged tensors are in the report.
pub fn verify(
    path: &Path,
    options: &VerifyOptions,
    cancel: &CancelToken,
    progress: &mut dyn FnMut(Bytes),
) -> Result<VerifyReport> {
    let model = opened(path, options)?;
    let components = components(&model);
    let paths = paths(&components);
    let files = check_files(&paths, options.manifest.as_ref(), options.state.as_deref(), cancel, progress)?;
    let mut report = VerifyReport { files, ..VerifyReport::default() };
    for (component, weights) in components {
        verify_component(component, weights, cancel, &mut report, progress)?;
    }
    if let Some(state) = &options.state {
        forget_state(state);
    }
    Ok(report)
}

/// Bytes that [`verify`] reads, where no earlier check goes on: files with a known checksum are read twice.
pub fn size_to_verify(path: &Path, options: &VerifyOptions) -> Result<Bytes> {
    let model = opened(path, options)?;
    let components = components(&model);
    let tensors: u64 = components.iter().map(|(_, weights)| weights.size().0).sum();
    Ok(Bytes(tensors + size_to_check(&paths(&components), options.manifest.as_ref()).0))
}

fn opened(path: &Path, options: &VerifyOptions) -> Result<Checkpoint> {
    let model = super::open_with(path, RoleHints::new(options.data_dir.as_deref(), &options.files))?;
    if model.exported.is_some() {
        return Err(Error::new(Kind::Unsupported, format!("{} is made of exported graphs", model.id))
            .remedy("Verify the checkpoint that they were exported from"));
    }
    Ok(model)
}

/// The components of a model by name.
fn components(model: &Checkpoint) -> Vec<(&'static str, &Weights)> {
    let second = model.transformer_2.as_ref().map(|second| ("low-noise expert", &second.weights));
    let first = if second.is_some() { "high-noise expert" } else { "transformer" };
    [(first, &model.transformer.weights)]
        .into_iter()
        .chain(second)
        .chain([("text encoder", &model.text_encoder.weights), ("vae", &model.vae.weights)])
        .collect()
}

/// The files of components, each once.
fn paths(components: &[(&'static str, &Weights)]) -> Vec<PathBuf> {
    let mut paths: Vec<_> = components.iter().flat_map(|(_, weights)| weights.files().to_vec()).collect();
    paths.sort();
    paths.dedup();
    paths
}

fn verify_component(
    component: &'static str,
    weights: &Weights,
    cancel: &CancelToken,
    report: &mut VerifyReport,
    progress: &mut dyn FnMut(Bytes),
) -> Result<()> {
    let mut tensors: Vec<_> = weights.iter().collect();
    // in the order of the files, so that a disk reads them in one go
    tensors.sort_by_key(|(_, info)| (info.file, info.offset));
    for (name, info) in tensors {
        let file = &weights.files()[info.file];
        let found = if weights.is_packed(name) {
            num_invalid_packed(weights, name, cancel, progress)
        } else {
            num_invalid(file, info, cancel, progress)
        };
        match found {
            Ok(0) => {}
            Ok(count) => {
                let values = if count == 1 { "value is" } else { "values are" };
                let problem = format!("{count} {values} not a finite number");
                report.problems.push(TensorProblem { component, tensor: name.to_owned(), problem });
            }
            Err(error) if error.kind == Kind::Io => {
                let problem = format!("{error:#}");
                report.problems.push(TensorProblem { component, tensor: name.to_owned(), problem });
            }
            Err(error) => return Err(error),
        }
        report.num_tensors += 1;
        report.read.0 += info.len;
    }
    Ok(())
}

/// Reads a tensor and counts its values that are no finite numbers.
fn num_invalid(
    path: &Path,
    info: &TensorInfo,
    cancel: &CancelToken,
    progress: &mut dyn FnMut(Bytes),
) -> Result<u64> {
    let unreadable = |error| {
        Error::new(Kind::Io, format!("{} cannot be read here", path.display()))
            .because(error)
            .remedy("Download the file again")
    };
    let mut file = File::open(path).map_err(unreadable)?;
    file.seek(SeekFrom::Start(info.offset)).map_err(unreadable)?;
    let mut chunk = vec![0_u8; CHUNK.min(info.len as usize)];
    let (mut left, mut invalid) = (info.len as usize, 0);
    while left > 0 {
        cancel.check()?;
        // a multiple of every type's size, but for the last one
        let part = &mut chunk[..left.min(CHUNK)];
        file.read_exact(part).map_err(unreadable)?;
        invalid += num_not_finite(info.dtype, part);
        left -= part.len();
        progress(Bytes(part.len() as u64));
    }
    Ok(invalid)
}

/// Reads a quantised tensor and counts its values that are no finite numbers.
fn num_invalid_packed(
    weights: &Weights,
    name: &str,
    cancel: &CancelToken,
    progress: &mut dyn FnMut(Bytes),
) -> Result<u64> {
    let reader = RowReader::new(weights, name)?;
    let count = reader.num_values();
    let mut invalid = 0;
    for first in (0..count).step_by(VALUES) {
        cancel.check()?;
        let range = first..count.min(first + VALUES);
        let stored = reader.stored_bytes(range.len());
        let values = reader.raw_values(range)?;
        invalid += values.iter().filter(|value| !value.is_finite()).count() as u64;
        progress(Bytes(stored));
    }
    Ok(invalid)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::onnx::Dtype;

    fn toy(dir: &Path) -> std::path::PathBuf {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B");
        let copy = dir.join("toy");
        copy_folder(&source, &copy);
        copy
    }

    fn copy_folder(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy_folder(&entry.path(), &target);
            } else {
                std::fs::copy(entry.path(), target).unwrap();
            }
        }
    }

    #[test]
    fn a_sound_model_is_read_completely_and_a_nan_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = toy(dir.path());
        let mut read = 0;
        let report =
            verify(&path, &VerifyOptions::default(), &CancelToken::new(), &mut |bytes| read += bytes.0)
                .unwrap();
        assert!(report.problems.is_empty() && report.num_tensors > 100, "{report:?}");
        assert_eq!(Bytes(read), report.read);
        let model = crate::models::open(&path).unwrap();
        let weights = &model.vae.weights;
        let (name, info) =
            weights.iter().find(|(_, info)| info.dtype == Dtype::Bf16 || info.dtype == Dtype::F32).unwrap();
        let mut file = std::fs::OpenOptions::new().write(true).open(&weights.files()[info.file]).unwrap();
        file.seek(SeekFrom::Start(info.offset)).unwrap();
        file.write_all(&[0xFF; 4]).unwrap();
        let report = verify(&path, &VerifyOptions::default(), &CancelToken::new(), &mut |_| {}).unwrap();
        assert_eq!((report.problems.len(), report.problems[0].component), (1, "vae"));
        assert_eq!(report.problems[0].tensor, name);
        let cancelled = CancelToken::new();
        cancelled.cancel();
        assert_eq!(
            verify(&path, &VerifyOptions::default(), &cancelled, &mut |_| {}).unwrap_err().kind,
            Kind::Cancelled
        );
    }

    #[test]
    fn infinite_values_of_every_type_are_found() {
        assert_eq!(num_not_finite(Dtype::F32, &f32::NAN.to_le_bytes()), 1);
        assert_eq!(num_not_finite(Dtype::F16, &[0x00, 0x7C, 0x00, 0x3C]), 1);
        assert_eq!(num_not_finite(Dtype::Bf16, &[0x80, 0xFF, 0x80, 0x3F]), 1);
        assert_eq!(num_not_finite(Dtype::F8E4M3, &[0x7F, 0x7E]), 1);
        assert_eq!(num_not_finite(Dtype::F8E5M2, &[0x7C, 0x7B]), 1);
        assert_eq!(num_not_finite(Dtype::I8, &[0xFF]), 0);
    }
}
