//! The tensors of a checkpoint component: names, types, shapes and file offsets. Only headers are read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::blocks::BlockType;
use super::decode::num_not_finite;
use super::file_identity::FileIdentity;
use super::header::{corrupt, read_header, unreadable};
use super::scaled_form::ScaledForm;
use super::spec::Dtype;
use crate::core::{Bytes, Error, Kind, Result, read_bounded, without_byte_order_mark};

/// Largest shard index that is read; that of the largest model has under a megabyte.
const MAX_INDEX: Bytes = Bytes(64 << 20);

/// How the values of a tensor are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StoredForm {
    /// Numbers of the element type, with the scales that a tensor beside them holds.
    #[default]
    Plain,
    /// Quantised blocks of a GGUF file, along the last dimension.
    Blocks(BlockType),
    /// Numbers with a scale for each tile of the matrix.
    Scaled(Box<ScaledForm>),
}

/// Type, shape and location of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Element type; of blocks, bytes.
    pub dtype: Dtype,
    /// Shape.
    pub shape: Vec<usize>,
    /// How the values are stored.
    pub form: StoredForm,
    /// Index into [`Weights::files`].
    pub file: usize,
    /// Offset of the first byte in the file.
    pub offset: u64,
    /// Number of bytes.
    pub len: u64,
    /// In groups of how many the inputs of the matrix are rotated.
    pub rotation: Option<usize>,
}

/// All tensors of a component, in one or several files.
#[derive(Clone, Debug)]
pub struct Weights {
    files: Vec<PathBuf>,
    /// Identity of each file when its header was read.
    identities: Vec<FileIdentity>,
    root: PathBuf,
    tensors: BTreeMap<String, TensorInfo>,
    /// Tensors of types that are not used here.
    unused: BTreeMap<String, UnusedTensor>,
    metadata: BTreeMap<String, String>,
    /// The weights that these were repacked from.
    origin: Option<Arc<Self>>,
}

/// A tensor of a type that is not used here.
#[derive(Clone, Debug)]
pub(super) struct UnusedTensor {
    /// Name of the type.
    pub(super) dtype: String,
    pub(super) file: usize,
    pub(super) offset: u64,
    pub(super) len: u64,
}

#[derive(Deserialize)]
struct ShardIndex {
    weight_map: BTreeMap<String, String>,
}

impl Weights {
    /// No tensors, for a graph that has none.
    pub fn none() -> Self {
        Self {
            files: Vec::new(),
            identities: Vec::new(),
            root: std::env::temp_dir(),
            tensors: BTreeMap::new(),
            unused: BTreeMap::new(),
            metadata: BTreeMap::new(),
            origin: None,
        }
    }

    /// Reads the headers of `stem.safetensors` in `dir`, or of the shards listed in `stem.safetensors.index.json`.
    ///
    /// Fails with [`Kind::MissingModel`] if there are no weights, and with [`Kind::CorruptModel`] if they are damaged or
    /// incomplete.
    pub fn open(dir: &Path, stem: &str) -> Result<Self> {
        let single = dir.join(format!("{stem}.safetensors"));
        let index_path = dir.join(format!("{stem}.safetensors.index.json"));
        if single.exists() {
            return Self::from_files(&[single]);
        }
        let index = match read_bounded(&index_path, MAX_INDEX) {
            Ok(bytes) => serde_json::from_slice::<ShardIndex>(without_byte_order_mark(&bytes))
                .map_err(|error| corrupt(&index_path, "The file is not a shard index").because(error))?,
            Err(_) => {
                return Err(Error::new(Kind::MissingModel, format!("No weights found in {}", dir.display()))
                    .remedy(format!(
                        "Expected {stem}.safetensors or {stem}.safetensors.index.json; fetch the model again"
                    )));
            }
        };
        let mut names: Vec<_> = index.weight_map.values().collect();
        names.sort_unstable();
        names.dedup();
        if let Some(outside) = names.iter().find(|name| Path::new(name).components().count() != 1) {
            return Err(corrupt(
                &index_path,
                &format!("The shard index refers to {outside}, which is outside its folder"),
            ));
        }
        let weights = Self::from_files(&names.into_iter().map(|name| dir.join(name)).collect::<Vec<_>>())?;
        match index.weight_map.keys().find(|name| !weights.tensors.contains_key(*name)) {
            Some(lost) => Err(corrupt(
                &index_path,
                &format!("The shard index lists the tensor {lost}, but no shard contains it"),
            )),
            None => Ok(weights),
        }
    }

    /// Reads the headers of the files of one component.
    ///
    /// Fails if a file is missing, unreadable or damaged, or if two files contain the same tensor.
    pub fn from_files(paths: &[PathBuf]) -> Result<Self> {
        let mut files = Vec::with_capacity(paths.len());
        let mut identities = Vec::with_capacity(paths.len());
        let mut tensors = BTreeMap::new();
        let mut unused = BTreeMap::new();
        let mut metadata = BTreeMap::new();
        for (file, path) in paths.iter().enumerate() {
            // hub caches are symlinks into another folder, but external data must be referred to by its real path
            let real = path.canonicalize().map_err(|error| {
                if error.kind() == ErrorKind::PermissionDenied {
                    return unreadable(path, error);
                }
                Error::new(Kind::MissingModel, format!("Cannot find the weights: {}", path.display()))
                    .because(error)
                    .remedy("Fetch the model again, or fix the link")
            })?;
            // before the header is read, so that a change while it is read is noticed
            identities.push(FileIdentity::of(&real).map_err(|error| unreadable(&real, error))?);
            let header = read_header(&real, file)?;
            metadata.extend(header.metadata);
            unused.extend(header.unused);
            for (name, info) in header.tensors {
                if tensors.insert(name.clone(), info).is_some() {
                    return Err(corrupt(path, &format!("The tensor {name} is also in another shard")));
                }
            }
            files.push(real);
        }
        let root = common_parent(&files);
        if root.to_str().is_none() || files.iter().any(|file| file.to_str().is_none()) {
            return Err(Error::new(Kind::Unsupported, format!("The path is not UTF-8: {}", root.display()))
                .remedy("ONNX Runtime cannot open it; move the model to a folder with a name in UTF-8"));
        }
        Ok(Self { files, identities, root, tensors, unused, metadata, origin: None })
    }

    /// The tensor `name`; fails with [`Kind::CorruptModel`] if it is missing, and with [`Kind::Unsupported`] if it has a
    /// type that is not used here.
    pub fn get(&self, name: &str) -> Result<&TensorInfo> {
        self.tensors.get(name).ok_or_else(|| {
            if let Some(UnusedTensor { dtype, .. }) = self.unused.get(name) {
                let message = format!(
                    "The tensor {name} in {} has the type {dtype}, which is not supported",
                    self.root.display()
                );
                return Error::new(Kind::Unsupported, message)
                    .remedy("Choose a file in fp32, fp16, bf16, fp8 or int8");
            }
            Error::new(Kind::CorruptModel, format!("The tensor {name} is missing in {}", self.root.display()))
                .remedy("The model is incomplete or of another kind; fetch it again")
        })
    }

    /// Whether there is a tensor `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// All tensors, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        self.tensors.iter().map(|(name, info)| (name.as_str(), info))
    }

    /// The same tensors under the names that `rename` returns; those without one are removed.
    ///
    /// Graph code uses one naming scheme, files use several. Fails if two tensors get the same name.
    pub fn renamed(self, rename: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let Self { files, identities, root, tensors, unused, metadata, origin } = self;
        let mut renamed = BTreeMap::new();
        for (name, info) in tensors {
            let Some(new) = rename(&name) else { continue };
            if renamed.contains_key(&new) {
                let message = format!("The tensor {new} is in the file under two names");
                return Err(corrupt(&files[info.file], &message));
            }
            renamed.insert(new, info);
        }
        let unused = unused.into_iter().filter_map(|(name, tensor)| Some((rename(&name)?, tensor))).collect();
        Ok(Self { files, identities, root, tensors: renamed, unused, metadata, origin })
    }

    /// The same tensors, with other descriptions of those in `changed`.
    #[must_use]
    pub fn with_tensors(mut self, changed: BTreeMap<String, TensorInfo>) -> Self {
        self.tensors.extend(changed);
        self
    }

    /// The names of all tensors, also of those with types that are not used here.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().chain(self.unused.keys()).map(String::as_str)
    }

    /// The names that begin with `prefix`.
    pub fn names_with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        fn begin<'a, V>(map: &'a BTreeMap<String, V>, prefix: &'a str) -> impl Iterator<Item = &'a str> {
            map.range(prefix.to_owned()..)
                .map(|(name, _)| name.as_str())
                .take_while(move |name| name.starts_with(prefix))
        }
        begin(&self.tensors, prefix).chain(begin(&self.unused, prefix))
    }

    /// Total size of all tensors.
    pub fn size(&self) -> Bytes {
        Bytes(self.tensors.values().map(|info| info.len).sum())
    }

    /// The files, by their real paths.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Fails with [`Kind::CorruptModel`] if a file changed since its header was read, because the offsets may be wrong.
    pub fn check_unchanged(&self) -> Result<()> {
        self.origin.iter().try_for_each(|origin| origin.check_unchanged())?;
        self.files.iter().zip(&self.identities).try_for_each(|(path, identity)| identity.check(path))
    }

    /// What is stored in the model's own files: the weights that these were repacked from, or these.
    pub fn stored(&self) -> &Self {
        self.origin.as_deref().unwrap_or(self)
    }

    /// The tensors of the one file `file`, repacked from `origin`. The file need not exist yet.
    pub(super) fn repacked(
        origin: &Self,
        file: PathBuf,
        tensors: BTreeMap<String, TensorInfo>,
        metadata: BTreeMap<String, String>,
    ) -> Self {
        let root = file.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        let (unused, origin) = (BTreeMap::new(), Some(Arc::new(origin.clone())));
        let identities = Vec::new();
        Self { files: vec![file], identities, root, tensors, unused, metadata, origin }.with_identity_now()
    }

    /// The same tensors, of files as they are now.
    pub(super) fn with_identity_now(mut self) -> Self {
        self.identities = self.files.iter().filter_map(|file| FileIdentity::of(file).ok()).collect();
        self
    }

    /// The files as they were when their headers were read, in text that changes when they do.
    pub(super) fn file_states(&self) -> impl Iterator<Item = String> {
        self.identities.iter().map(FileIdentity::state)
    }

    /// The common ancestor folder of all files.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The `__metadata__` of the files, by key.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Reads the bytes of a tensor as stored.
    pub fn bytes(&self, info: &TensorInfo) -> Result<Vec<u8>> {
        let path = &self.files[info.file];
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(info.offset))?;
            let mut bytes = vec![0; info.len as usize];
            file.read_exact(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(|error| unreadable(path, error))
    }

    /// The tensors of types that are not used here, with the names of the types.
    pub fn unused(&self) -> impl Iterator<Item = (&str, &str)> {
        self.unused.iter().map(|(name, tensor)| (name.as_str(), tensor.dtype.as_str()))
    }

    /// The value of a tensor of one 64-bit float, which some LoRAs have as alpha; `None` for any other tensor.
    pub fn double(&self, name: &str) -> Option<f64> {
        let tensor = self.unused.get(name).filter(|tensor| tensor.dtype == "F64" && tensor.len == 8)?;
        let UnusedTensor { file, offset, len, .. } = *tensor;
        let info = TensorInfo {
            dtype: Dtype::U8,
            shape: vec![8],
            form: StoredForm::Plain,
            file,
            offset,
            len,
            rotation: None,
        };
        Some(f64::from_le_bytes(self.bytes(&info).ok()?.try_into().ok()?))
    }

    /// Whether every byte of a tensor is zero; stops reading at the first that is not.
    pub fn all_zero(&self, info: &TensorInfo) -> Result<bool> {
        const CHUNK: u64 = 1 << 16;
        for start in (0..info.len).step_by(CHUNK as usize) {
            let part =
                TensorInfo { offset: info.offset + start, len: CHUNK.min(info.len - start), ..info.clone() };
            if self.bytes(&part)?.iter().any(|&byte| byte != 0) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether all values of a tensor are finite; stops reading at the first that is not.
    pub fn is_finite(&self, info: &TensorInfo) -> Result<bool> {
        const CHUNK: u64 = 1 << 22;
        for start in (0..info.len).step_by(CHUNK as usize) {
            let part =
                TensorInfo { offset: info.offset + start, len: CHUNK.min(info.len - start), ..info.clone() };
            if num_not_finite(info.dtype, &self.bytes(&part)?) > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Path of a tensor's file relative to `root`, with forward slashes.
    pub(super) fn location(&self, info: &TensorInfo, root: &Path) -> String {
        let file = &self.files[info.file];
        let relative = file.strip_prefix(root).unwrap_or(file);
        let parts: Vec<_> = relative.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        parts.join("/")
    }
}

fn common_parent(files: &[PathBuf]) -> PathBuf {
    let mut root =
        files.first().and_then(|file| file.parent()).unwrap_or_else(|| Path::new("/")).to_path_buf();
    while !files.iter().all(|file| file.starts_with(&root)) && root.pop() {}
    root
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(path: &Path, name: &str, values: &[f32]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![values.len()], &bytes)
            .unwrap();
        fs::write(path, safetensors::serialize([(name, view)], None).unwrap()).unwrap();
    }

    #[test]
    fn finds_tensors_over_shards() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("a.safetensors"), "one", &[1.0, 2.0]);
        write(&dir.path().join("b.safetensors"), "two", &[3.0]);
        let index = r#"{"weight_map": {"one": "a.safetensors", "two": "b.safetensors"}}"#;
        fs::write(dir.path().join("m.safetensors.index.json"), index).unwrap();
        let weights = Weights::open(dir.path(), "m").unwrap();
        let two = weights.get("two").unwrap();
        assert_eq!(
            (two.shape.as_slice(), two.len, weights.location(two, weights.root()).as_str()),
            (&[1][..], 4, "b.safetensors")
        );
        let bytes = fs::read(&weights.files()[two.file]).unwrap();
        assert_eq!(bytes[two.offset as usize..][..4], 3f32.to_le_bytes());
        assert_eq!(weights.get("three").unwrap_err().kind, Kind::CorruptModel);
    }

    #[test]
    fn names_change_and_bytes_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.safetensors");
        let bytes: Vec<u8> = (0..8).collect();
        let view = || safetensors::tensor::TensorView::new(safetensors::Dtype::U8, vec![8], &bytes).unwrap();
        fs::write(&path, safetensors::serialize([("a", view()), ("b", view())], None).unwrap()).unwrap();
        let weights = Weights::from_files(&[path]).unwrap();
        assert_eq!(weights.size(), Bytes(16));
        let only = weights.clone().renamed(|name| (name == "a").then(|| "c".to_owned())).unwrap();
        assert_eq!(only.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["c"]);
        assert_eq!(only.bytes(only.get("c").unwrap()).unwrap(), bytes);
        let twice = weights.renamed(|_| Some("c".to_owned())).unwrap_err();
        assert!(twice.message.contains("under two names"), "{twice:#}");
    }

    #[test]
    fn a_header_with_countless_tensors_is_refused_before_it_is_parsed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.safetensors");
        // the entries are invalid, so that parsing them would be another error
        let entries: Vec<_> =
            (0..70_000).map(|number| format!(r#""{number}":{{"data_offsets":[0,0]}}"#)).collect();
        let header = format!("{{{}}}", entries.join(","));
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        fs::write(&path, file).unwrap();
        let error = Weights::open(dir.path(), "m").unwrap_err();
        assert_eq!(error.kind, Kind::Unsupported, "{error:#}");
        assert!(error.message.contains("more than 65536 tensors"), "{error:#}");
    }

    #[test]
    fn a_missing_permission_is_reported_as_such() {
        let error = unreadable(Path::new("m.safetensors"), ErrorKind::PermissionDenied.into());
        assert_eq!(error.kind, Kind::Io);
        assert!(format!("{error:#}").contains("permission to read"), "{error:#}");
    }

    #[test]
    fn every_kind_of_damage_has_its_own_message() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.safetensors");
        write(&path, "one", &[1.0; 16]);
        let whole = fs::read(&path).unwrap();
        for (bytes, words) in [
            (&whole[..whole.len() - 4], "truncated or damaged"),
            (&whole[..20], "its header is truncated"),
            (&whole[..4], "its header is truncated"),
            (&b"version https://git-lfs.github.com/spec/v1\n"[..], "git-LFS pointer"),
            (&b"<!DOCTYPE html><html><title>Sign in</title>"[..], "is a web page"),
            (&b"\n<html lang=\"en\">"[..], "is a web page"),
            (&b"{\"error\": \"Access to the model is restricted\"}"[..], "a text in JSON"),
            (&b"PK\x03\x04 a pickle in a zip file, not weights"[..], "not a safetensors file"),
        ] {
            fs::write(&path, bytes).unwrap();
            let error = Weights::open(dir.path(), "m").unwrap_err();
            assert_eq!(error.kind, Kind::CorruptModel, "{error:#}");
            assert!(error.message.contains(words), "{error:#}");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(Weights::open(dir.path(), "m").unwrap_err().kind, Kind::MissingModel);
        let index = r#"{"weight_map": {"one": "gone.safetensors"}}"#;
        fs::write(dir.path().join("m.safetensors.index.json"), index).unwrap();
        assert_eq!(Weights::open(dir.path(), "m").unwrap_err().kind, Kind::MissingModel);
    }
}
