//! Builds of ONNX Runtime for cards, and plugin providers: pinned wheels of the Python package index.
//!
//! Only their libraries are unpacked, into a folder of their own below the data folder's `runtime`.

use std::env::consts;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use super::builds::VERSION;
use super::fetch::{FetchEvent, WORK_PREFIX, lock, remove_leftovers};
use super::locate::Environment;
use super::pip::{Python, WheelQuery};
use super::unpack::{cannot_write, check_sum};
use crate::core::{Bytes, CancelToken, Error, Kind, Provider, Result, sha256_hex_of_reader};
use crate::engine::provider::remove_kernels;

/// Folder of the CUDA build below `runtime`.
pub(super) const CUDA_FOLDER: &str = "cuda";
const LINUX_TAGS: &[&str] =
    &["manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_34_x86_64", "any"];
const WINDOWS_TAGS: &[&str] = &["win_amd64", "any"];

/// A wheel with libraries, pinned for one platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuntimePackage {
    /// The name to install it by, which is also its folder.
    pub name: &'static str,
    /// Name of the Python package.
    pub package: &'static str,
    /// Version of the package.
    pub version: &'static str,
    /// Licence as the package states it.
    pub licence: &'static str,
    /// Size of the download in words, as far as it is known.
    pub size: &'static str,
    /// What it is for, and whether this version uses it; one sentence.
    pub note: &'static str,
    tags: &'static [&'static str],
    sha256: &'static str,
}

impl RuntimePackage {
    /// The packages that there are for this machine.
    pub fn for_this_machine() -> Vec<Self> {
        Self::for_platform(consts::OS, consts::ARCH)
    }

    fn for_platform(os: &str, arch: &str) -> Vec<Self> {
        let (tags, sums) = match (os, arch) {
            ("linux", "x86_64") => (
                LINUX_TAGS,
                [
                    "05d548956197b9d01f59b625de740e0d6be3593f874e241a12dc0362650ecdf7",
                    "32f575c633d171b4edf4b53d3bb22b72a6c9c0a850d2982ce9a788a5d40d3298",
                    "5d8c961eda91a88961cad1fb7621f389f006b18497d6ea9ecf96f729f066cbfb",
                    "3832643158c8c187fcab6db661cde2a8c06a2b3559d95d0f2411ac0e51c5e924",
                ],
            ),
            ("windows", "x86_64") => (
                WINDOWS_TAGS,
                [
                    "2bb1e9373baba88f6415257f5b6a589d23e23c16004f7d89adf4344eada5749e",
                    "609b19f7236c8522ef005a9f763003a78f492e5d871afad39fe1b247760eb3c7",
                    "7db646669d1a2390551da675115ea125e68cb3d4d2c3a2d6e463372bf8d6ea87",
                    "1acd878be173b02bb8b953460f2f59b121e5f6e47ebc6aad490c0590cf6718fb",
                ],
            ),
            _ => return Vec::new(),
        };
        let [cuda, rtx, webgpu, openvino] = sums;
        let one = |name, package, version, sha256| Self {
            name,
            package,
            version,
            sha256,
            tags,
            licence: "MIT",
            size: "size unknown until downloaded",
            note: "",
        };
        vec![
            Self {
                note: "For NVIDIA cards; used instead of the CPU build. CUDA 13 and cuDNN 9 come from the system",
                ..one(CUDA_FOLDER, "onnxruntime-gpu", VERSION, cuda)
            },
            Self {
                size: "about 146 MB",
                licence: "Apache-2.0, with NVIDIA's licence of TensorRT for RTX",
                note: "TensorRT for RTX, for GeForce RTX cards of the series 30, 40 and 50; used by --provider rtx",
                // the package without a version of CUDA in its name has no library
                ..one("rtx", "onnxruntime-ep-nv-tensorrt-rtx-cu13", "0.5.0", rtx)
            },
            Self {
                size: "about 7 MB",
                note: "For any GPU, experimental; used by --provider webgpu",
                ..one("webgpu", "onnxruntime-ep-webgpu", "0.4.0", webgpu)
            },
            Self {
                size: "about 52 MB",
                note: "For Intel's processors and graphics, experimental; used by --provider openvino",
                ..one("openvino", "onnxruntime-ep-openvino", "1.8.1", openvino)
            },
        ]
    }

    /// The package called `name` for this machine.
    pub fn find(name: &str) -> Result<Self> {
        let all = Self::for_this_machine();
        all.iter().find(|one| one.name == name).copied().ok_or_else(|| {
            let names: Vec<_> = all.iter().map(|one| one.name).collect();
            Error::new(
                Kind::Input,
                format!("No runtime package \"{name}\" for {} {}", system_name(consts::OS), consts::ARCH),
            )
            .remedy(if names.is_empty() {
                "Install it yourself and set ORT_DYLIB_PATH to its library".to_owned()
            } else {
                format!("Available: {}", names.join(", "))
            })
        })
    }

    /// Whether it is in the folder `runtime`.
    pub fn is_installed(&self, runtime: &Path) -> bool {
        runtime.join(self.name).is_dir()
    }
}

/// The name of an operating system as people write it.
fn system_name(os: &str) -> &str {
    match os {
        "linux" => "Linux",
        "windows" => "Windows",
        "macos" => "macOS",
        other => other,
    }
}

/// Downloads a package with pip, checks it, and puts its libraries into a folder of the environment's runtime folder,
/// whole or not at all. One process does so at a time; `progress` receives [`FetchEvent::Waiting`] while another one does,
/// and how much is downloaded.
pub fn install_package(
    package: &RuntimePackage,
    environment: &Environment,
    cancel: &CancelToken,
    progress: &mut dyn FnMut(FetchEvent),
) -> Result<PathBuf> {
    let runtime = &environment.runtime_dir();
    let folder = runtime.join(package.name);
    if package.is_installed(runtime) {
        return Ok(folder);
    }
    let write = |error: io::Error| cannot_write(runtime, error);
    fs::create_dir_all(runtime).map_err(write)?;
    let lock = lock(runtime, cancel, progress)?;
    if package.is_installed(runtime) {
        // by the process that this one waited for
        return Ok(folder);
    }
    if lock.is_some() {
        remove_leftovers(runtime);
    }
    let work = tempfile::Builder::new().prefix(WORK_PREFIX).tempdir_in(runtime).map_err(write)?;
    let python = Python::find(environment.python.as_deref())?;
    let requirement = format!("{}=={}", package.package, package.version);
    let query = WheelQuery { requirement: &requirement, tags: package.tags, size: None };
    let mut reported = Bytes(0);
    let wheel = python.download_wheel(query, work.path(), cancel, &mut |done, of| {
        if done > reported {
            reported = done;
            progress(FetchEvent::Downloading { done, of });
        }
    })?;
    progress(FetchEvent::Unpacking);
    let sum = File::open(&wheel).and_then(|mut file| sha256_hex_of_reader(&mut file)).map_err(write)?;
    check_sum("the downloaded wheel", package.sha256, &sum)?;
    let libraries = work.path().join("libraries");
    let count = unpack_libraries(&wheel, &libraries).map_err(write)?;
    if count == 0 {
        return Err(Error::new(Kind::Runtime, format!("There is no library in {requirement}"))
            .remedy("Please report it"));
    }
    fs::rename(&libraries, &folder).map_err(write)?;
    Ok(folder)
}

/// Unpacks the libraries of a wheel, the data that they read and the notices about them into one folder; returns how many
/// libraries there are.
fn unpack_libraries(wheel: &Path, into: &Path) -> io::Result<usize> {
    fs::create_dir_all(into)?;
    let mut archive = ZipArchive::new(File::open(wheel)?).map_err(io::Error::other)?;
    let mut count = 0;
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(io::Error::other)?;
        let path = member.name().map_err(io::Error::other)?.into_owned();
        let name = path.rsplit('/').next().unwrap_or_default();
        let is_library = [".so", ".dll", ".dylib"].iter().any(|end| name.contains(end));
        let is_beside =
            [".json", ".txt"].iter().any(|end| name.ends_with(end)) && !path.contains(".dist-info/");
        let is_licence = path.contains(".dist-info/licenses/") && !name.is_empty();
        // Python's own extension modules are of no use here
        if name.contains("pybind11") || !(is_library || is_beside || is_licence) {
            continue;
        }
        let mut file = File::create(into.join(name))?;
        io::copy(&mut member, &mut file)?;
        file.sync_all()?;
        count += usize::from(is_library);
    }
    Ok(count)
}

/// Removes a package's folder, and what the package cached; returns the bytes that the folder had.
pub fn remove_package(package: &RuntimePackage, runtime: &Path) -> Result<Bytes> {
    let folder = runtime.join(package.name);
    let entries = fs::read_dir(&folder).map_err(|error| {
        Error::new(Kind::Input, format!("{} is not installed in {}", package.name, runtime.display()))
            .because(error)
            .remedy("\"wandeck runtime list\" shows what is")
    })?;
    let sizes = entries.filter_map(|entry| entry.ok()?.metadata().ok()).map(|data| data.len());
    let freed = Bytes(sizes.sum());
    fs::remove_dir_all(&folder).map_err(|error| cannot_write(&folder, error))?;
    if package.name == Provider::Rtx.word()
        && let Some(data_dir) = runtime.parent()
    {
        remove_kernels(data_dir).map_err(|error| cannot_write(data_dir, error))?;
    }
    Ok(freed)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    #[test]
    fn every_package_is_pinned_by_a_whole_checksum() {
        for os in ["linux", "windows"] {
            let all = RuntimePackage::for_platform(os, "x86_64");
            assert_eq!(all.len(), 4);
            assert!(all.iter().all(|one| one.sha256.len() == 64), "{all:?}");
        }
        assert!(RuntimePackage::for_platform("macos", "aarch64").is_empty());
    }

    #[test]
    fn one_process_installs_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let environment = Environment { data_dir: dir.path().to_path_buf(), ..Environment::default() };
        let runtime = environment.runtime_dir();
        fs::create_dir_all(&runtime).unwrap();
        let cancel = CancelToken::new();
        let held = lock(&runtime, &cancel, &mut |_| {}).unwrap();
        assert!(held.is_some());
        let package = RuntimePackage::for_platform("linux", "x86_64")[2];
        let waiting = FetchEvent::Waiting { into: runtime.clone() };
        let cancelled = install_package(&package, &environment, &cancel, &mut |event| {
            assert_eq!(event, waiting);
            cancel.cancel();
        });
        assert_eq!(cancelled.unwrap_err().kind, Kind::Cancelled);
        assert_eq!(fs::read_dir(&runtime).unwrap().count(), 1, "only the lock is there");
    }

    #[test]
    fn only_libraries_are_unpacked_and_removing_says_what_it_frees() {
        let dir = tempfile::tempdir().unwrap();
        let wheel = dir.path().join("a.whl");
        let mut zip = ZipWriter::new(File::create(&wheel).unwrap());
        for name in [
            "pack/__init__.py",
            "pack/libone.so.1",
            "pack/onnxruntime_pybind11_state.so",
            "pack/two.dll",
            "pack/notices.txt",
            "pack-1.dist-info/top_level.txt",
            "pack-1.dist-info/licenses/LICENSE",
        ] {
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(b"12345").unwrap();
        }
        zip.finish().unwrap();
        let package = RuntimePackage::for_platform("linux", "x86_64")[2];
        let folder = dir.path().join(package.name);
        assert_eq!(unpack_libraries(&wheel, &folder).unwrap(), 2);
        assert!(folder.join("notices.txt").is_file() && folder.join("LICENSE").is_file());
        assert!(!folder.join("__init__.py").exists() && !folder.join("top_level.txt").exists());
        assert!(folder.join("libone.so.1").is_file() && package.is_installed(dir.path()));
        assert_eq!(remove_package(&package, dir.path()).unwrap(), Bytes(20));
        assert!(remove_package(&package, dir.path()).is_err());
    }
}
