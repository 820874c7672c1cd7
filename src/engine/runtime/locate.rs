//! Looking for ONNX Runtime on this machine. Only looks: nothing is loaded, fetched or changed.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::builds::VERSION;
use super::whole;
use crate::core::{Error, Kind, Result};
use crate::engine::provider::provider_library;

/// What this platform calls the library when its name does not tell the version.
const PLAIN_NAMES: &[&str] = if cfg!(windows) {
    &["onnxruntime.dll"]
} else if cfg!(target_os = "macos") {
    &["libonnxruntime.dylib", "libonnxruntime.1.dylib"]
} else {
    &["libonnxruntime.so", "libonnxruntime.so.1"]
};

/// What the search depends on, looked up once, so that the search itself is a function of it.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `ORT_DYLIB_PATH`: this library and no other.
    pub dylib_path: Option<PathBuf>,
    /// The folder the program lies in.
    pub program_dir: Option<PathBuf>,
    /// The program's data folder; a fetched library is kept in its `runtime`.
    pub data_dir: PathBuf,
    /// `VIRTUAL_ENV` and `CONDA_PREFIX`: the active Python environments.
    pub python_envs: Vec<PathBuf>,
    /// `WANDECK_PYTHON`: the Python that fetches.
    pub python: Option<OsString>,
}

impl Environment {
    /// What this process sees, with `data_dir` as the program's data folder.
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
            python: variable("WANDECK_PYTHON"),
        }
    }

    /// Where a fetched library is kept.
    pub fn runtime_dir(&self) -> PathBuf {
        self.data_dir.join("runtime")
    }
}

/// How a library came to be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// `ORT_DYLIB_PATH` names it.
    Variable,
    /// It lies beside the program.
    Program,
    /// It lies in the data folder, where fetched ones are kept.
    DataDir,
    /// It belongs to the active Python environment's `onnxruntime` package.
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

/// A library that looks right from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Located {
    /// Absolute path of the library.
    pub path: PathBuf,
    /// How it came to be chosen.
    pub origin: Origin,
}

/// A place where nothing usable was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The folder or the file.
    pub place: PathBuf,
    /// Why it was looked at.
    pub origin: Origin,
    /// Why it cannot be used, one sentence.
    pub reason: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.place.display(), self.origin, self.reason)
    }
}

/// What a search came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Search {
    /// Libraries to try, best first.
    pub found: Vec<Located>,
    /// Places without one, in the order they were looked at.
    pub refused: Vec<Refused>,
}

impl Search {
    fn look(&mut self, dir: &Path, origin: Origin) {
        match library_in(dir) {
            Ok(path) => self.found.push(Located { path, origin }),
            Err(reason) => self.refused.push(Refused { place: dir.to_path_buf(), origin, reason }),
        }
    }

    /// Every place that was refused and why, in one line.
    pub fn refusals(&self) -> String {
        let places: Vec<_> = self.refused.iter().map(ToString::to_string).collect();
        places.join("; ")
    }
}

/// Looks at every place in turn; libraries with the CUDA provider beside them come first. An `ORT_DYLIB_PATH` that is no file is an error: what was asked for by name is
/// never silently replaced by something else.
pub fn search(environment: &Environment) -> Result<Search> {
    let mut search = Search::default();
    if let Some(path) = &environment.dylib_path {
        search.found.push(named(path)?);
        return Ok(search);
    }
    if let Some(dir) = &environment.program_dir {
        search.look(dir, Origin::Program);
    }
    search.look(&environment.runtime_dir(), Origin::DataDir);
    for prefix in &environment.python_envs {
        let packages = package_dirs(prefix);
        if packages.is_empty() {
            search.refused.push(Refused {
                place: prefix.clone(),
                origin: Origin::PythonEnv,
                reason: "It has no onnxruntime package".to_owned(),
            });
        }
        for package in packages {
            search.look(&package, Origin::PythonEnv);
        }
    }
    // the GPU build does everything that the other does; a sort that is stable keeps the order among equals
    search.found.sort_by_key(|located| !has_cuda(&located.path));
    Ok(search)
}

/// Whether the CUDA provider lies beside the library.
fn has_cuda(library: &Path) -> bool {
    library.with_file_name(provider_library("cuda")).is_file()
}

/// The library `ORT_DYLIB_PATH` names. Its version is not looked at here: whoever names a file means it.
fn named(path: &Path) -> Result<Located> {
    let refuse = |reason: String| {
        Error::new(Kind::Runtime, format!("ORT_DYLIB_PATH is {}: {reason}", path.display()))
            .remedy("Point it to the library file of ONNX Runtime, or unset it")
    };
    // Absolute, because a bare name would be looked for along the loader's path.
    let path = std::path::absolute(path).map_err(|error| refuse(error.to_string()))?;
    let data = fs::metadata(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => refuse("there is no such file".to_owned()),
        _ => refuse(error.to_string()),
    })?;
    if data.is_dir() {
        return Err(refuse("that is a folder".to_owned()));
    }
    match whole::broken_reason(&path) {
        Ok(None) => Ok(Located { path, origin: Origin::Variable }),
        Ok(Some(reason)) => Err(refuse(reason)),
        Err(error) => Err(refuse(error.to_string())),
    }
}

/// The library of the pinned version in `dir`, else one whose version only opening it can tell; or why none.
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
        match (whole::broken_reason(&path), version_of(&path)) {
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

/// Whether a file is called like ONNX Runtime's own library, and not like a provider's.
fn is_library_name(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| PLAIN_NAMES.contains(&name) || version_in_name(name).is_some())
}

/// The version as the file's name has it, or the name of what it links to, or the Python package around it.
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

/// Three numbers; `1` alone is the name the loader uses, not a version.
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
