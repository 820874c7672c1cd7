//! Search for ONNX Runtime on this machine. Nothing is loaded, fetched or changed.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::builds::VERSION;
use super::elf;
use super::package::CUDA_FOLDER;
use crate::core::{Error, Kind, Provider, Result};
use crate::engine::provider::{plugin_variable, provider_library};

/// File names of the library without a version.
const PLAIN_NAMES: &[&str] = if cfg!(windows) {
    &["onnxruntime.dll"]
} else if cfg!(target_os = "macos") {
    &["libonnxruntime.dylib", "libonnxruntime.1.dylib"]
} else {
    &["libonnxruntime.so", "libonnxruntime.so.1"]
};

/// Environment variables and folders that the search depends on.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `ORT_DYLIB_PATH`: use this library and no other.
    pub dylib_path: Option<PathBuf>,
    /// Folder of the program.
    pub program_dir: Option<PathBuf>,
    /// Data folder; a fetched library is in its folder `runtime`.
    pub data_dir: PathBuf,
    /// `VIRTUAL_ENV` and `CONDA_PREFIX`: the active Python environments.
    pub python_envs: Vec<PathBuf>,
    /// `WANDECK_RTX_PLUGIN`, `WANDECK_WEBGPU_PLUGIN`, `WANDECK_OPENVINO_PLUGIN`: the libraries of plugin providers.
    pub plugins: BTreeMap<Provider, PathBuf>,
    /// `WANDECK_PYTHON`: the Python whose pip fetches the library.
    pub python: Option<OsString>,
}

impl Environment {
    /// The environment of this process, with the data folder `data_dir`.
    pub fn from_process(data_dir: &Path) -> Self {
        let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        Self {
            dylib_path: variable("ORT_DYLIB_PATH").map(PathBuf::from),
            program_dir: env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_path_buf)),
            data_dir: data_dir.to_path_buf(),
            python_envs: ["VIRTUAL_ENV", "CONDA_PREFIX"]
                .into_iter()
                .filter_map(variable)
                .map(PathBuf::from)
                .collect(),
            plugins: Provider::PLUGINS
                .into_iter()
                .filter_map(|plugin| Some((plugin, PathBuf::from(variable(plugin_variable(plugin)?)?))))
                .collect(),
            python: variable("WANDECK_PYTHON"),
        }
    }

    /// Folder of a fetched library.
    pub fn runtime_dir(&self) -> PathBuf {
        self.data_dir.join("runtime")
    }
}

/// Where a library was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Set by `ORT_DYLIB_PATH`.
    Variable,
    /// Beside the program.
    Program,
    /// In the data folder, where fetched libraries are stored.
    DataDir,
    /// In the `onnxruntime` package of the active Python environment.
    PythonEnv,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Variable => "ORT_DYLIB_PATH",
            Self::Program => "beside the program",
            Self::DataDir => "the data folder",
            Self::PythonEnv => "the active Python environment",
        })
    }
}

/// A library whose name and header are valid; it has not been loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FoundLibrary {
    /// Absolute path of the library.
    pub path: PathBuf,
    /// Where it was found.
    pub origin: Origin,
}

/// A location without a usable library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectedLocation {
    /// The folder or the file.
    pub place: PathBuf,
    /// Why it was searched.
    pub origin: Origin,
    /// Why it cannot be used, one sentence.
    pub reason: String,
}

impl fmt::Display for RejectedLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.place.display(), self.origin, self.reason)
    }
}

/// Result of a search.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Search {
    /// Libraries to try, best first.
    pub found: Vec<FoundLibrary>,
    /// Locations without a usable library, in search order.
    pub rejected: Vec<RejectedLocation>,
}

impl Search {
    fn look(&mut self, dir: &Path, origin: Origin) {
        match library_in(dir) {
            Ok(path) => self.found.push(FoundLibrary { path, origin }),
            Err(reason) => self.rejected.push(RejectedLocation { place: dir.to_path_buf(), origin, reason }),
        }
    }

    /// The locations without a usable library and why, in one line.
    pub fn rejections(&self) -> String {
        let places: Vec<_> = self.rejected.iter().map(ToString::to_string).collect();
        places.join("; ")
    }
}

/// Searches all locations in order; libraries with the CUDA provider beside them come first.
///
/// Fails with [`Kind::Runtime`] if `ORT_DYLIB_PATH` is set but is not a valid library: it is never silently replaced.
pub fn search(environment: &Environment) -> Result<Search> {
    let mut search = Search::default();
    if let Some(path) = &environment.dylib_path {
        search.found.push(named(path)?);
        return Ok(search);
    }
    if let Some(dir) = &environment.program_dir {
        search.look(dir, Origin::Program);
    }
    let cuda = environment.runtime_dir().join(CUDA_FOLDER);
    if cuda.is_dir() {
        search.look(&cuda, Origin::DataDir);
    }
    search.look(&environment.runtime_dir(), Origin::DataDir);
    for prefix in &environment.python_envs {
        let packages = package_dirs(prefix);
        if packages.is_empty() {
            search.rejected.push(RejectedLocation {
                place: prefix.clone(),
                origin: Origin::PythonEnv,
                reason: "It has no onnxruntime package".to_owned(),
            });
        }
        for package in packages {
            search.look(&package, Origin::PythonEnv);
        }
    }
    // the GPU build includes everything of the other one; the sort is stable
    search.found.sort_by_key(|located| !has_cuda(&located.path));
    Ok(search)
}

/// Whether the CUDA provider is beside the library.
fn has_cuda(library: &Path) -> bool {
    library.with_file_name(provider_library("cuda")).is_file()
}

/// The library set by `ORT_DYLIB_PATH`, of any version.
fn named(path: &Path) -> Result<FoundLibrary> {
    let refuse = |reason: String| {
        Error::new(Kind::Runtime, format!("ORT_DYLIB_PATH is {}: {reason}", path.display()))
            .remedy("Point it to the library file of ONNX Runtime, or unset it")
    };
    // absolute, because the loader would search its own path for a bare name
    let path = std::path::absolute(path).map_err(|error| refuse(error.to_string()))?;
    let data = fs::metadata(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => refuse("there is no such file".to_owned()),
        _ => refuse(error.to_string()),
    })?;
    if data.is_dir() {
        return Err(refuse("that is a folder".to_owned()));
    }
    match elf::damage(&path) {
        Ok(None) => Ok(FoundLibrary { path, origin: Origin::Variable }),
        Ok(Some(reason)) => Err(refuse(reason)),
        Err(error) => Err(refuse(error.to_string())),
    }
}

/// The library of the pinned version in `dir`, else one without a version in its name; or why there is none.
fn library_in(dir: &Path) -> Result<PathBuf, String> {
    let entries = fs::read_dir(dir).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "There is no such folder".to_owned(),
        _ => error.to_string(),
    })?;
    let mut paths: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.file_name().is_some_and(is_library_name))
        .collect();
    paths.sort();
    let (mut unversioned, mut reasons) = (None, Vec::new());
    for path in paths {
        let name = path.file_name().unwrap_or_default().display().to_string();
        match (elf::damage(&path), version_of(&path)) {
            (Err(error), _) => reasons.push(format!("{name}: {error}")),
            (Ok(Some(broken)), _) => reasons.push(format!("{name}: {broken}")),
            (Ok(None), Some(version)) if version == VERSION => return Ok(path),
            (Ok(None), Some(version)) => {
                reasons.push(format!("{name} is version {version}, {VERSION} is needed"));
            }
            (Ok(None), None) => unversioned = unversioned.or(Some(path)),
        }
    }
    unversioned.ok_or_else(|| {
        if reasons.is_empty() { "No library of ONNX Runtime there".to_owned() } else { reasons.join(", ") }
    })
}

/// Whether a file name is that of ONNX Runtime's library, not of a provider's.
fn is_library_name(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| PLAIN_NAMES.contains(&name) || version_in_name(name).is_some())
}

/// The version in the file name, in the name of the link's target, or in the Python package around it.
fn version_of(path: &Path) -> Option<String> {
    let from_name = |path: &Path| version_in_name(path.file_name()?.to_str()?);
    from_name(path).or_else(|| from_name(&fs::canonicalize(path).ok()?)).or_else(|| {
        let text = fs::read_to_string(path.with_file_name("build_and_package_info.py")).ok()?;
        let line = text.lines().find_map(|line| line.trim().strip_prefix("__version__"))?;
        let version = line.trim_start_matches([' ', '=']).trim_matches(['\'', '"', ' ']);
        is_version(version).then(|| version.to_owned())
    })
}

fn version_in_name(name: &str) -> Option<String> {
    let rest = name.trim_start_matches("lib").strip_prefix("onnxruntime")?;
    let version = rest
        .trim_start_matches(".so")
        .trim_end_matches(".dylib")
        .trim_end_matches(".dll")
        .trim_start_matches(['.', '-']);
    is_version(version).then(|| version.to_owned())
}

/// Whether `text` is three numbers; a single `1` is the loader's name, not a version.
fn is_version(text: &str) -> bool {
    let mut parts = text.split('.');
    let number = |part: Option<&str>| part.is_some_and(|part| part.parse::<u32>().is_ok());
    number(parts.next()) && number(parts.next()) && number(parts.next()) && parts.next().is_none()
}

/// The folders where an environment's `onnxruntime` package keeps its library, if it is installed.
fn package_dirs(prefix: &Path) -> Vec<PathBuf> {
    const IN_SITE: &str = "site-packages/onnxruntime/capi";
    let mut sites = vec![prefix.join("Lib")];
    if let Ok(entries) = fs::read_dir(prefix.join("lib")) {
        let pythons = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        sites.extend(pythons.filter(|path| {
            path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with("python"))
        }));
    }
    sites.sort();
    sites.into_iter().map(|site| site.join(IN_SITE)).filter(|dir| dir.is_dir()).collect()
}
