//! The shared libraries that providers link to: finding them, and loading them before ONNX Runtime does.
//!
//! A provider's library has no search path, so the system's loader finds its dependencies only on its own path or among
//! the libraries already loaded. Loading them by full path first makes those of a Python environment sufficient.

use std::error::Error as _;
use std::fs;
use std::path::{Path, PathBuf};

/// A library that a provider links to.
pub(super) struct Needed {
    /// File name.
    pub(super) name: &'static str,
    /// Whether the provider needs it.
    pub(super) required: bool,
    /// What to install if it is missing.
    pub(super) package: &'static str,
}

const fn required(name: &'static str, package: &'static str) -> Needed {
    Needed { name, required: true, package }
}

const fn optional(name: &'static str) -> Needed {
    Needed { name, required: false, package: "" }
}

const RUNTIME: &str = "CUDA 13 (python3 -m pip install nvidia-cuda-runtime==13.*)";
const CUBLAS: &str = "cuBLAS 13 (python3 -m pip install nvidia-cublas==13.*)";
const CURAND: &str = "cuRAND 10 (python3 -m pip install nvidia-curand==10.*)";
const CUDNN: &str = "cuDNN 9 for CUDA 13 (python3 -m pip install nvidia-cudnn-cu13==9.*)";
const TRT: &str = "TensorRT 10 for CUDA 13 (ONNX Runtime 1.31 does not support version 11)";

/// Libraries of the CUDA provider of ONNX Runtime 1.31.1, in order of their dependencies.
///
/// The provider loads cuDNN itself when a convolution or attention runs; it is required here because no convolution
/// works without it. The optional ones make cuDNN faster.
pub(super) const CUDA: &[Needed] = if cfg!(windows) {
    &[
        required("cudart64_13.dll", RUNTIME),
        required("cublasLt64_13.dll", CUBLAS),
        required("cublas64_13.dll", CUBLAS),
        required("curand64_10.dll", CURAND),
        optional("nvrtc64_130_0.dll"),
        optional("cufft64_12.dll"),
        required("cudnn64_9.dll", CUDNN),
    ]
} else {
    &[
        required("libcudart.so.13", RUNTIME),
        required("libcublasLt.so.13", CUBLAS),
        required("libcublas.so.13", CUBLAS),
        required("libcurand.so.10", CURAND),
        optional("libnvrtc.so.13"),
        optional("libcufft.so.12"),
        required("libcudnn.so.9", CUDNN),
        optional("libcudnn_graph.so.9"),
        optional("libcudnn_ops.so.9"),
        optional("libcudnn_heuristic.so.9"),
        optional("libcudnn_cnn.so.9"),
        optional("libcudnn_adv.so.9"),
        optional("libcudnn_engines_precompiled.so.9"),
        optional("libcudnn_engines_runtime_compiled.so.9"),
    ]
};

/// Additional libraries of the `TensorRT` provider.
pub(super) const TENSORRT: &[Needed] = if cfg!(windows) {
    &[
        required("nvinfer_10.dll", TRT),
        optional("nvinfer_plugin_10.dll"),
        required("nvonnxparser_10.dll", TRT),
    ]
} else {
    &[
        required("libnvinfer.so.10", TRT),
        optional("libnvinfer_plugin.so.10"),
        required("libnvonnxparser.so.10", TRT),
    ]
};

const RTX_PLUGIN: &str = "the plugin again (wandeck runtime install rtx)";

/// Libraries in the package of the plugin `TensorRT` for RTX 1.7, in order of their dependencies.
pub(super) const RTX: &[Needed] = if cfg!(windows) {
    &[
        required("cudart64_13.dll", RTX_PLUGIN),
        required("tensorrt_rtx_1_7.dll", RTX_PLUGIN),
        required("tensorrt_onnxparser_rtx_1_7.dll", RTX_PLUGIN),
    ]
} else {
    &[
        required("libcudart.so.13", RTX_PLUGIN),
        required("libtensorrt_rtx.so.1", RTX_PLUGIN),
        required("libtensorrt_onnxparser_rtx.so.1", RTX_PLUGIN),
    ]
};

/// The folders of packages in Python environments; they need not exist.
pub(super) fn sites(python_envs: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for prefix in python_envs {
        found.push(prefix.join("Lib/site-packages"));
        let pythons = sorted(&prefix.join("lib"));
        found.extend(pythons.into_iter().map(|python| python.join("site-packages")));
    }
    found
}

/// Folders to search: that of ONNX Runtime, the packages of its Python environment and of the active environments, and
/// the CUDA toolkits. [`preload`] tries the system's path last.
pub(super) fn dirs(runtime: &Path, python_envs: &[PathBuf], toolkits: &[PathBuf]) -> Vec<PathBuf> {
    let beside = runtime.parent().unwrap_or_else(|| Path::new("."));
    let mut found = vec![beside.to_path_buf()];
    // site-packages/onnxruntime/capi/libonnxruntime.so.1.31.1
    let own = beside.ancestors().nth(2).map(Path::to_path_buf);
    // folder of conda's libraries
    found.extend(python_envs.iter().map(|prefix| prefix.join("lib")));
    for site in own.iter().chain(&sites(python_envs)).filter(|site| site.ends_with("site-packages")) {
        for package in sorted(&site.join("nvidia")) {
            found.extend(["lib", "bin", "bin/x86_64"].map(|inside| package.join(inside)));
        }
        found.push(site.join("tensorrt_libs"));
    }
    found.extend(toolkits.iter().flat_map(|root| ["lib64", "lib", "bin"].map(|inside| root.join(inside))));
    found.retain(|dir| dir.is_dir());
    found
}

fn sorted(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let mut paths: Vec<_> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    paths
}

/// Loads the library `name` for the rest of the process, from the first of `dirs` that has it, else from the system's path.
///
/// Returns its path, or the loader's message.
pub(super) fn preload(name: &str, dirs: &[PathBuf]) -> Result<PathBuf, String> {
    let mut why = None;
    for path in dirs.iter().map(|dir| dir.join(name)).filter(|path| path.is_file()) {
        match ort::util::preload_dylib(&path) {
            Ok(()) => return Ok(path),
            Err(error) => why = Some(loader_message(&error)),
        }
    }
    match ort::util::preload_dylib(name) {
        Ok(()) => Ok(PathBuf::from(name)),
        // the error of a damaged library is more useful than that of a missing one
        Err(error) => Err(why.unwrap_or_else(|| loader_message(&error))),
    }
}

/// The message of the system's loader.
pub(super) fn loader_message(error: &libloading::Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packages_around_the_library_are_searched() {
        let root = tempfile::tempdir().unwrap();
        let site = root.path().join("env/lib/python3.12/site-packages");
        let other = root.path().join("other/lib/python3.11/site-packages");
        let capi = site.join("onnxruntime/capi");
        let (cudnn, cu13) = (site.join("nvidia/cudnn/lib"), other.join("nvidia/cu13/lib"));
        for dir in [&capi, &cudnn, &cu13, &other.join("tensorrt_libs")] {
            fs::create_dir_all(dir).unwrap();
        }
        let found = dirs(&capi.join("libonnxruntime.so.1.31.1"), &[root.path().join("other")], &[]);
        let lib = root.path().join("other/lib");
        assert_eq!(found, [capi, lib, cudnn, cu13, other.join("tensorrt_libs")]);
        // a library outside a Python environment has no packages around it
        let alone = root.path().join("a/b");
        fs::create_dir_all(&alone).unwrap();
        assert_eq!(dirs(&alone.join("libonnxruntime.so"), &[], &[]), [alone]);
    }

    #[test]
    fn a_missing_library_is_reported() {
        let why = preload("libwandeck_is_not_there.so.13", &[]).unwrap_err();
        assert!(why.contains("libwandeck_is_not_there"), "{why}");
    }
}
