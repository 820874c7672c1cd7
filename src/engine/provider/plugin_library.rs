//! Search for the libraries of plugin providers on this machine. Nothing is loaded.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::libraries::sites;
use super::status::{Unavailable, provider_library};
use crate::core::Provider;
use crate::engine::runtime::{Environment, RuntimePackage};

/// Where the library of a plugin was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PluginOrigin {
    /// Set by the plugin's environment variable.
    Variable,
    /// In the data folder, where `wandeck runtime install` puts it.
    DataDir,
    /// In its package of the active Python environment.
    PythonEnv,
}

impl fmt::Display for PluginOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Variable => "set by its variable",
            Self::DataDir => "the data folder",
            Self::PythonEnv => "the active Python environment",
        })
    }
}

/// The library of a plugin provider; it has not been loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PluginLibrary {
    /// Absolute path of the library.
    pub(super) path: PathBuf,
    /// Where it was found.
    pub(super) origin: PluginOrigin,
    /// Version of its package; `None` if it is in none.
    pub(super) version: Option<String>,
}

/// How a plugin provider names its things.
pub(super) struct PluginNames {
    /// Name of the provider in ONNX Runtime.
    pub(super) provider: &'static str,
    /// Folder of its Python package.
    module: &'static str,
    /// The part of the library's file name that is its own.
    library: &'static str,
    /// Environment variable with the path of the library.
    pub(super) variable: &'static str,
}

/// The names of `provider`; `None` if it is not a plugin.
pub(super) fn names(provider: Provider) -> Option<PluginNames> {
    let (name, module, library, variable) = match provider {
        Provider::Cpu | Provider::Cuda | Provider::TensorRt => return None,
        Provider::Rtx => (
            "NvTensorRTRTXExecutionProvider",
            "onnxruntime_ep_nv_tensorrt_rtx",
            "nv_tensorrt_rtx",
            "WANDECK_RTX_PLUGIN",
        ),
        Provider::WebGpu => {
            ("WebGpuExecutionProvider", "onnxruntime_ep_webgpu", "webgpu", "WANDECK_WEBGPU_PLUGIN")
        }
        Provider::OpenVino => (
            "OpenVINOExecutionProvider",
            "onnxruntime_ep_openvino",
            "openvino_plugin",
            "WANDECK_OPENVINO_PLUGIN",
        ),
    };
    Some(PluginNames { provider: name, module, library, variable })
}

/// The variable with the path of the library of `provider`; `None` if it is not a plugin.
pub(in crate::engine) fn plugin_variable(provider: Provider) -> Option<&'static str> {
    names(provider).map(|names| names.variable)
}

/// The library of the plugin `provider`: the one that its variable names and no other, else that of the data folder,
/// else that of the active Python environment.
pub(super) fn find(provider: Provider, environment: &Environment) -> Result<PluginLibrary, Unavailable> {
    let word = provider.word();
    let Some(names) = names(provider) else {
        return Err(Unavailable::new("it is not a plugin", "Choose another provider"));
    };
    let file = provider_library(names.library);
    if let Some(path) = environment.plugins.get(&provider) {
        let variable = names.variable;
        let path = std::path::absolute(path).unwrap_or_else(|_relative| path.clone());
        if !path.is_file() {
            let reason = format!("{variable} is {}, which is not a file", path.display());
            return Err(Unavailable::new(reason, format!("Set {variable} to {file}, or unset it")));
        }
        let version = path.parent().and_then(|folder| package_version(folder, names.module));
        return Ok(PluginLibrary { path, origin: PluginOrigin::Variable, version });
    }
    let installed = environment.runtime_dir().join(word);
    let path = installed.join(&file);
    if path.is_file() {
        let version = RuntimePackage::find(word).ok().map(|package| package.version.to_owned());
        return Ok(PluginLibrary { path, origin: PluginOrigin::DataDir, version });
    }
    if installed.is_dir() {
        let reason = format!("{file} is missing in {}", installed.display());
        let remedy =
            format!("Run \"wandeck runtime remove {word}\", then \"wandeck runtime install {word}\"");
        return Err(Unavailable::new(reason, remedy));
    }
    let folders = sites(&environment.python_envs).into_iter().map(|site| site.join(names.module));
    let found = folders.filter(|folder| folder.join(&file).is_file()).map(|folder| PluginLibrary {
        path: folder.join(&file),
        origin: PluginOrigin::PythonEnv,
        version: package_version(&folder, names.module),
    });
    found.into_iter().next().ok_or_else(|| {
        Unavailable::new("its plugin is not installed", format!("Run \"wandeck runtime install {word}\""))
    })
}

/// The version in the name of the `dist-info` folder beside the folder of the package `module`.
fn package_version(folder: &Path, module: &str) -> Option<String> {
    let entries = fs::read_dir(folder.parent()?).ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    // a package for one version of CUDA has that in its name, too
    let mut versions = names.filter_map(|name| {
        let rest = name.strip_suffix(".dist-info")?.strip_prefix(module)?;
        rest.split_once('-').map(|(_, version)| version.to_owned())
    });
    versions.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(found: Result<PluginLibrary, Unavailable>) -> String {
        let Unavailable { reason, remedy } = found.unwrap_err();
        format!("{reason}. {remedy}")
    }

    #[test]
    fn a_plugin_is_found_by_variable_in_the_data_folder_and_in_python() {
        let dir = tempfile::tempdir().unwrap();
        let file = provider_library("webgpu");
        let site = dir.path().join("venv/lib/python3.12/site-packages");
        let (data, package) = (dir.path().join("data"), site.join("onnxruntime_ep_webgpu"));
        let mut environment = Environment { data_dir: data.clone(), ..Environment::default() };
        let missing = reason(find(Provider::WebGpu, &environment));
        assert_eq!(missing, "its plugin is not installed. Run \"wandeck runtime install webgpu\"");

        fs::create_dir_all(&package).unwrap();
        fs::create_dir_all(site.join("onnxruntime_ep_webgpu-0.9.1.dist-info")).unwrap();
        fs::write(package.join(&file), "").unwrap();
        environment.python_envs = vec![dir.path().join("venv")];
        let found = find(Provider::WebGpu, &environment).unwrap();
        assert_eq!((found.origin, found.version.as_deref()), (PluginOrigin::PythonEnv, Some("0.9.1")));

        let folder = data.join("runtime/webgpu");
        fs::create_dir_all(&folder).unwrap();
        assert!(reason(find(Provider::WebGpu, &environment)).contains(&format!("{file} is missing in")));
        fs::write(folder.join(&file), "").unwrap();
        let found = find(Provider::WebGpu, &environment).unwrap();
        assert_eq!((found.origin, found.path), (PluginOrigin::DataDir, folder.join(&file)));

        let named = dir.path().join("named.so");
        environment.plugins.insert(Provider::WebGpu, named.clone());
        let refused = reason(find(Provider::WebGpu, &environment));
        assert!(refused.contains("WANDECK_WEBGPU_PLUGIN") && refused.contains("is not a file"), "{refused}");
        fs::write(&named, "").unwrap();
        let found = find(Provider::WebGpu, &environment).unwrap();
        assert_eq!((found.origin, found.path, found.version), (PluginOrigin::Variable, named, None));
    }

    #[test]
    fn every_plugin_has_names_and_no_other_provider_has() {
        for provider in Provider::ALL {
            assert_eq!(names(provider).is_some(), Provider::PLUGINS.contains(&provider), "{provider}");
        }
    }
}
