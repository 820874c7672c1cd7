//! Plugin providers: libraries that are registered with ONNX Runtime when they are asked for, once per process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::device::Device as EpDevice;
use ort::environment::Environment as OrtEnvironment;
use ort::memory::DeviceType;
use serde::Serialize;

use super::libraries::{Needed, RTX, preload};
use super::plugin_library::{PluginLibrary, PluginOrigin, find, names};
use super::status::Unavailable;
use crate::core::Provider;
use crate::engine::runtime::{Environment, Runtime, device_metadata, hardware_metadata};

/// Key of a plugin's version among what it reports of a device.
const VERSION: &std::ffi::CStr = c"version";
/// Key of a device's name, where the system knows one.
const DESCRIPTION: &std::ffi::CStr = c"Description";

/// A plugin provider whose library is registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plugin {
    /// Path of the library.
    pub library: PathBuf,
    /// Where the library was found.
    pub origin: PluginOrigin,
    /// Version, as the plugin or its package reports it.
    pub version: Option<String>,
    /// The devices that it offers, in its order.
    pub devices: Vec<String>,
}

/// The plugins that this process asked for, and what came of it: a library can be registered once.
#[derive(Default)]
pub(in crate::engine) struct Plugins(Mutex<BTreeMap<Provider, Result<Plugin, Unavailable>>>);

impl Plugins {
    /// The plugin `provider`; its library is searched and registered by the first call.
    pub(in crate::engine) fn get(
        &self,
        provider: Provider,
        environment: &OrtEnvironment,
        places: &Environment,
    ) -> Result<Plugin, Unavailable> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(provider).or_insert_with(|| register(provider, environment, places)).clone()
    }
}

fn register(
    provider: Provider,
    environment: &OrtEnvironment,
    places: &Environment,
) -> Result<Plugin, Unavailable> {
    let PluginLibrary { path, origin, version } = find(provider, places)?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    preload_beside(if provider == Provider::Rtx { RTX } else { &[] }, folder)?;
    environment.register_ep_library(provider.word(), &path).map_err(|error| {
        let remedy = format!("Install it again with \"wandeck runtime install {}\"", provider.word());
        Unavailable::new(format!("ONNX Runtime cannot load its plugin ({})", error.message()), remedy)
    })?;
    let devices: Vec<_> = devices(provider, environment).collect();
    let reported = devices.first().and_then(|device| device_metadata(device, VERSION));
    let version = reported.or(version);
    if devices.is_empty() {
        let version = version.map(|version| format!(" {version}")).unwrap_or_default();
        let reason = format!("its plugin{version} offers no device of this machine");
        return Err(Unavailable::new(reason, needs(provider)));
    }
    tracing::info!(%provider, version, library = %path.display(), "Registered a plugin provider");
    let devices = devices.iter().map(described).collect();
    Ok(Plugin { library: path, origin, version, devices })
}

/// Loads what the plugin's library links to from its own folder, which the system's loader does not search.
fn preload_beside(needed: &[Needed], folder: &Path) -> Result<(), Unavailable> {
    for library in needed {
        // files may have a longer version than the name by which they are linked
        let path = std::fs::read_dir(folder).ok().and_then(|entries| {
            let mut paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
            paths.find(|path| {
                path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(library.name))
            })
        });
        let name = path.as_deref().and_then(Path::to_str).unwrap_or(library.name);
        preload(name, &[folder.to_path_buf()]).map_err(|why| {
            let reason = format!("{} cannot be loaded ({why})", library.name);
            Unavailable::new(reason, format!("Install {}", library.package))
        })?;
    }
    Ok(())
}

fn devices(provider: Provider, environment: &OrtEnvironment) -> impl Iterator<Item = EpDevice<'_>> {
    let name = names(provider).map(|names| names.provider);
    environment
        .devices()
        .filter(move |device| name.is_some_and(|name| device.ep().is_ok_and(|ep| ep == name)))
}

/// The device of `provider` with the number `ordinal` in the plugin's order; the plugin is registered already.
pub(in crate::engine) fn plugin_device(
    runtime: &Runtime,
    provider: Provider,
    ordinal: u32,
) -> ort::Result<EpDevice<'_>> {
    devices(provider, runtime.environment())
        .nth(ordinal as usize)
        .ok_or_else(|| ort::Error::new(format!("{provider} offers no device {ordinal}")))
}

/// For instance "Intel CPU" or "NVIDIA GPU (a name)".
fn described(device: &EpDevice<'_>) -> String {
    let hardware = device.hardware_device();
    let kind = match hardware.ty() {
        DeviceType::CPU => "CPU",
        DeviceType::GPU => "GPU",
        DeviceType::NPU => "NPU",
        DeviceType::FPGA => "FPGA",
    };
    let vendor = hardware.vendor().unwrap_or_default();
    let words = format!("{vendor} {kind}");
    match hardware_metadata(device, DESCRIPTION) {
        Some(name) => format!("{} ({name})", words.trim()),
        None => words.trim().to_owned(),
    }
}

/// What a machine needs for a plugin to offer a device.
fn needs(provider: Provider) -> &'static str {
    match provider {
        Provider::WebGpu => "It needs a GPU with a driver for Vulkan, Direct3D 12 or Metal",
        Provider::OpenVino => "It needs a processor, a graphics card or an NPU by Intel",
        _ => "It needs a GeForce RTX card of the series 30, 40 or 50 and its driver",
    }
}
