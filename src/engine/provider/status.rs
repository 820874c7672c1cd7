//! Status of the execution providers on this machine.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::device::{self, Device};
use super::libraries::{CUDA, Needed, TENSORRT, dirs, preload};
use super::plugin::Plugin;
use super::plugin_library::find;
use crate::core::{DeviceId, Provider, ProviderChoice};
use crate::engine::runtime::{Runtime, RuntimeInfo, VERSION};

/// Why a provider cannot be used, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unavailable {
    /// The reason, a clause that follows "cannot be used:".
    pub reason: String,
    /// What to do, one sentence.
    pub remedy: String,
}

impl Unavailable {
    pub(super) fn new(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { reason: reason.into(), remedy: remedy.into() }
    }
}

/// Status of one provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProviderStatus {
    /// The provider.
    pub provider: Provider,
    /// Why it cannot be used; `None` if it can.
    pub unavailable: Option<Unavailable>,
    /// Its device; `None` for the CPU.
    pub device: Option<Device>,
    /// The libraries loaded for it.
    pub libraries: Vec<PathBuf>,
    /// Its registered plugin, if it is one.
    pub plugin: Option<Plugin>,
}

impl fmt::Display for ProviderStatus {
    /// For instance "CUDA can be used, on a card" or "WebGPU cannot be used: its plugin is not installed".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { provider, plugin, .. } = self;
        write!(f, "{provider}")?;
        if let Some(version) = plugin.as_ref().and_then(|plugin| plugin.version.as_ref()) {
            write!(f, " (plugin {version})")?;
        }
        if let Some(unavailable) = &self.unavailable {
            return write!(f, " cannot be used: {}", unavailable.reason);
        }
        f.write_str(" can be used")?;
        if let Some(device) = self.device_words() {
            write!(f, ", on {device}")?;
        }
        f.write_str(if provider.is_experimental() { "; experimental" } else { "" })
    }
}

impl ProviderStatus {
    /// A provider of which nothing is known but that it can be used.
    pub(super) fn of(provider: Provider) -> Self {
        Self { provider, unavailable: None, device: None, libraries: Vec::new(), plugin: None }
    }

    /// Its device in words; `None` for the CPU provider.
    pub(super) fn device_words(&self) -> Option<String> {
        let plugins = || self.plugin.as_ref().map(|plugin| plugin.devices.join(", "));
        self.device.as_ref().map(ToString::to_string).or_else(plugins)
    }

    /// Whether it can be used.
    pub fn is_usable(&self) -> bool {
        self.unavailable.is_none()
    }

    /// Identity of its device.
    pub fn device_id(&self) -> DeviceId {
        device_id(self.provider, self.device.as_ref())
    }
}

/// The identity of `device`, used by `provider`.
pub fn device_id(provider: Provider, device: Option<&Device>) -> DeviceId {
    device.map_or(DeviceId { provider, ..DeviceId::CPU }, |device| device.id(provider))
}

/// The status of every provider on the device `ordinal`, in the order of [`Provider::ALL`]. Registers the plugins that are
/// on this machine, for the rest of the process.
pub fn providers(runtime: &Runtime, ordinal: u32) -> Vec<ProviderStatus> {
    let plugins = Provider::PLUGINS.map(|provider| plugin(runtime, provider, ordinal));
    built_in(runtime, ordinal).into_iter().chain(plugins).collect()
}

/// The status of those providers that `choice` may select on the device `ordinal`: nothing is loaded for the CPU, and no
/// plugin unless it is chosen by name.
pub fn candidates(runtime: &Runtime, choice: ProviderChoice, ordinal: u32) -> Vec<ProviderStatus> {
    match choice.provider() {
        Some(Provider::Cpu) => Vec::new(),
        Some(provider) if Provider::PLUGINS.contains(&provider) => vec![plugin(runtime, provider, ordinal)],
        _ => built_in(runtime, ordinal),
    }
}

/// The status of a plugin provider, which is registered if it is on this machine.
fn plugin(runtime: &Runtime, provider: Provider, ordinal: u32) -> ProviderStatus {
    let mut status = ProviderStatus::of(provider);
    let mut look = || {
        let library = find(provider, runtime.search_environment())?;
        if provider == Provider::Rtx {
            // the plugin's library links to the driver's
            let device = device::at(ordinal)?;
            status.device = Some(device.clone());
            compiles_for(&device)?;
        }
        let plugin = runtime.plugin(provider)?;
        status.libraries.push(library.path);
        status.plugin = Some(plugin);
        Ok(())
    };
    let outcome: Result<(), Unavailable> = look();
    status.unavailable = outcome.err();
    status
}

/// Checks that `TensorRT` for RTX compiles for a device: 8.6, 8.9, and 12.0 and newer.
fn compiles_for(device: &Device) -> Result<(), Unavailable> {
    if matches!(device.capability, (8, 6 | 9)) || device.capability.0 >= 12 {
        return Ok(());
    }
    let reason = format!("{device} is not a GeForce RTX card of the series 30, 40 or 50");
    Err(Unavailable::new(reason, "Use the provider cuda, which is made for this card"))
}

/// The status of the providers of the build on the device `ordinal`, in the order CPU, CUDA, `TensorRT`.
///
/// If the build includes CUDA, this queries the driver and loads the CUDA libraries for the rest of the process, so that
/// ONNX Runtime finds them in any folder. Otherwise nothing is loaded.
fn built_in(runtime: &Runtime, ordinal: u32) -> Vec<ProviderStatus> {
    let info = runtime.info();
    let roots: Vec<_> = ["CUDA_PATH", "CUDA_HOME"].into_iter().filter_map(env::var_os).collect();
    let roots: Vec<_> = roots.iter().map(PathBuf::from).collect();
    let dirs = dirs(&info.path, &runtime.search_environment().python_envs, &roots);
    let cpu = ProviderStatus::of(Provider::Cpu);
    let cuda = cuda(info, &dirs, || device::at(ordinal));
    let tensorrt = tensorrt(info, &dirs, &cuda);
    vec![cpu, cuda, tensorrt]
}

fn cuda(
    info: &RuntimeInfo,
    dirs: &[PathBuf],
    device: impl FnOnce() -> Result<Device, Unavailable>,
) -> ProviderStatus {
    let mut status = ProviderStatus::of(Provider::Cuda);
    let outcome = offered(info, "CUDAExecutionProvider", "cuda").and_then(|()| {
        status.device = Some(device()?);
        open(Provider::Cuda, CUDA, dirs, &mut status.libraries)
    });
    status.unavailable = outcome.err();
    status
}

fn tensorrt(info: &RuntimeInfo, dirs: &[PathBuf], cuda: &ProviderStatus) -> ProviderStatus {
    let mut status = ProviderStatus { device: cuda.device.clone(), ..ProviderStatus::of(Provider::TensorRt) };
    let outcome = offered(info, "TensorrtExecutionProvider", "tensorrt").and_then(|()| {
        if let Some(unavailable) = &cuda.unavailable {
            let reason = format!("it needs CUDA, which cannot be used: {}", unavailable.reason);
            return Err(Unavailable::new(reason, unavailable.remedy.clone()));
        }
        open(Provider::TensorRt, TENSORRT, dirs, &mut status.libraries)
    });
    status.unavailable = outcome.err();
    status
}

/// Checks that the build includes the provider `name`, and that the library of the provider is beside ONNX Runtime's.
fn offered(info: &RuntimeInfo, name: &str, word: &str) -> Result<(), Unavailable> {
    let remedy = || {
        format!(
            "Run \"wandeck runtime install cuda\" where the system has CUDA 13 and cuDNN 9. Or install the GPU build with both \
             into the active Python environment (python3 -m pip install \"onnxruntime-gpu[cuda,cudnn]=={VERSION}\"), or set \
             ORT_DYLIB_PATH to its library"
        )
    };
    if !info.providers.iter().any(|offered| offered == name) {
        return Err(Unavailable::new("this build of ONNX Runtime is without it", remedy()));
    }
    let dir = info.path.parent().unwrap_or_else(|| Path::new("."));
    for part in ["shared", word] {
        let file = provider_library(part);
        if !dir.join(&file).is_file() {
            let reason = format!("{file} is not beside ONNX Runtime's library");
            return Err(Unavailable::new(reason, format!("Copy it to {}. {}", dir.display(), remedy())));
        }
    }
    Ok(())
}

/// File name of a provider's library.
pub(in crate::engine) fn provider_library(word: &str) -> String {
    format!("{}onnxruntime_providers_{word}{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX)
}

fn open(
    provider: Provider,
    needed: &[Needed],
    dirs: &[PathBuf],
    opened: &mut Vec<PathBuf>,
) -> Result<(), Unavailable> {
    for library in needed {
        match preload(library.name, dirs) {
            Ok(path) => opened.push(path),
            Err(why) if library.required => {
                let reason = format!("{} cannot be loaded ({why})", library.name);
                let remedy = format!(
                    "Install {}, or add its folder to {}",
                    library.package,
                    if cfg!(windows) { "PATH" } else { "LD_LIBRARY_PATH" }
                );
                return Err(Unavailable::new(reason, remedy));
            }
            Err(why) => {
                tracing::debug!("{provider} runs without the optional library {}: {why}", library.name);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Bytes;
    use crate::engine::provider::PluginOrigin;
    use crate::engine::runtime::Origin;

    fn info(path: PathBuf, providers: &[&str]) -> RuntimeInfo {
        RuntimeInfo {
            version: VERSION.to_owned(),
            build: String::new(),
            path,
            origin: Origin::Variable,
            providers: providers.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    fn card() -> Device {
        let memory = Bytes(24 << 30);
        Device {
            ordinal: 0,
            uuid: None,
            name: "A card".to_owned(),
            capability: (8, 9),
            memory,
            cuda: (13, 0),
        }
    }

    #[test]
    fn each_missing_piece_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let library = dir.path().join("libonnxruntime.so");
        let reason = |status: &ProviderStatus| status.unavailable.as_ref().unwrap().reason.clone();
        let cpu_only = info(library.clone(), &["CPUExecutionProvider"]);
        let status = cuda(&cpu_only, &[], || Ok(card()));
        assert_eq!(reason(&status), "this build of ONNX Runtime is without it");
        assert!(
            status.unavailable.unwrap().remedy.contains(&format!("onnxruntime-gpu[cuda,cudnn]=={VERSION}"))
        );

        let gpu = info(library, &["TensorrtExecutionProvider", "CUDAExecutionProvider"]);
        let none = cuda(&gpu, &[], || Ok(card()));
        assert!(reason(&none).contains("providers_shared"), "{none:?}");
        for part in ["shared", "cuda", "tensorrt"] {
            std::fs::write(dir.path().join(provider_library(part)), "").unwrap();
        }
        let no_card = cuda(&gpu, &[], || Err(Unavailable::new("there is no card", "Buy one")));
        assert_eq!(reason(&no_card), "there is no card");
        let rt = tensorrt(&gpu, &[], &no_card);
        assert_eq!(reason(&rt), "it needs CUDA, which cannot be used: there is no card");

        // a file that is not a library, under the name of the first required one
        std::fs::write(dir.path().join(CUDA[0].name), "no library").unwrap();
        let broken = cuda(&gpu, &[dir.path().to_path_buf()], || Ok(card()));
        assert!(broken.device.is_some() && reason(&broken).contains(CUDA[0].name), "{broken:?}");
        assert!(broken.unavailable.unwrap().remedy.contains("LD_LIBRARY_PATH") || cfg!(windows));
    }

    #[test]
    fn the_rtx_plugin_compiles_for_geforce_cards_only() {
        let at = |capability| compiles_for(&Device { capability, ..card() }).is_ok();
        assert!([(8, 6), (8, 9), (12, 0), (12, 1)].into_iter().all(at));
        assert!(![(7, 5), (8, 0), (9, 0), (10, 0)].into_iter().any(at));
    }

    #[test]
    fn a_status_names_version_device_and_reason() {
        let plugin = Plugin {
            library: PathBuf::new(),
            origin: PluginOrigin::DataDir,
            version: Some("0.4.0".to_owned()),
            devices: vec!["Some GPU".to_owned()],
        };
        let status = ProviderStatus { plugin: Some(plugin), ..ProviderStatus::of(Provider::WebGpu) };
        assert_eq!(status.to_string(), "WebGPU (plugin 0.4.0) can be used, on Some GPU; experimental");
        let unavailable = Some(Unavailable::new("its plugin is not installed", "Install it"));
        let status = ProviderStatus { unavailable, ..ProviderStatus::of(Provider::Rtx) };
        assert_eq!(status.to_string(), "TensorRT for RTX cannot be used: its plugin is not installed");
        assert_eq!(ProviderStatus::of(Provider::Cpu).to_string(), "CPU can be used");
    }

    #[test]
    fn the_cpu_can_always_be_used() {
        let status = providers(&crate::engine::runtime::testing::for_tests(), 0);
        let order: Vec<_> = status.iter().map(|status| status.provider).collect();
        assert_eq!(order, Provider::ALL);
        assert!(status[0].is_usable());
        let has_remedy =
            |status: &ProviderStatus| status.unavailable.as_ref().is_none_or(|why| !why.remedy.is_empty());
        assert!(status.iter().all(has_remedy), "{status:?}");
    }
}
