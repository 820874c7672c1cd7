//! What can be used on this machine, as data.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::device::{self, Device};
use super::libraries::{CUDA, Needed, TENSORRT, dirs, preload};
use crate::engine::runtime::{Runtime, RuntimeInfo, VERSION};

/// What runs a graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// ONNX Runtime's CPU execution provider.
    #[default]
    Cpu,
    /// CUDA on an NVIDIA device.
    Cuda,
    /// `TensorRT`, with CUDA for what it does not take.
    TensorRt,
}

impl Provider {
    /// The word that the command line and records use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::TensorRt => "tensorrt",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "CPU",
            Self::Cuda => "CUDA",
            Self::TensorRt => "TensorRT",
        })
    }
}

/// Why a provider cannot be used, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// One sentence.
    pub reason: String,
    /// One sentence.
    pub remedy: String,
}

impl Obstacle {
    pub(super) fn new(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { reason: reason.into(), remedy: remedy.into() }
    }
}

/// What is known about one provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProviderStatus {
    /// Which.
    pub provider: Provider,
    /// Why it cannot be used; none if it can.
    pub obstacle: Option<Obstacle>,
    /// What it runs on, if that is not the processor.
    pub device: Option<Device>,
    /// The libraries it needs that were opened, as they were found.
    pub libraries: Vec<PathBuf>,
}

impl ProviderStatus {
    /// Whether sessions can be made with it.
    pub fn is_usable(&self) -> bool {
        self.obstacle.is_none()
    }
}

/// The state of every provider, in the order CPU, CUDA, `TensorRT`.
///
/// Where the build offers CUDA, the driver is asked and CUDA's libraries are opened, and stay open, so that ONNX
/// Runtime finds them wherever they lie. Elsewhere nothing is touched.
pub fn providers(runtime: &Runtime) -> Vec<ProviderStatus> {
    let info = runtime.info();
    let roots: Vec<_> = ["CUDA_PATH", "CUDA_HOME"].into_iter().filter_map(env::var_os).collect();
    let roots: Vec<_> = roots.iter().map(PathBuf::from).collect();
    let dirs = dirs(&info.path, &runtime.places().python_envs, &roots);
    let cpu = ProviderStatus { provider: Provider::Cpu, obstacle: None, device: None, libraries: Vec::new() };
    let cuda = cuda(info, &dirs, device::first);
    let tensorrt = tensorrt(info, &dirs, &cuda);
    vec![cpu, cuda, tensorrt]
}

fn cuda(
    info: &RuntimeInfo,
    dirs: &[PathBuf],
    device: impl FnOnce() -> Result<Device, Obstacle>,
) -> ProviderStatus {
    let mut status =
        ProviderStatus { provider: Provider::Cuda, obstacle: None, device: None, libraries: Vec::new() };
    let outcome = offered(info, "CUDAExecutionProvider", "cuda").and_then(|()| {
        status.device = Some(device()?);
        open(Provider::Cuda, CUDA, dirs, &mut status.libraries)
    });
    status.obstacle = outcome.err();
    status
}

fn tensorrt(info: &RuntimeInfo, dirs: &[PathBuf], cuda: &ProviderStatus) -> ProviderStatus {
    let mut status = ProviderStatus {
        provider: Provider::TensorRt,
        obstacle: None,
        device: cuda.device.clone(),
        libraries: Vec::new(),
    };
    let outcome = offered(info, "TensorrtExecutionProvider", "tensorrt").and_then(|()| {
        if let Some(obstacle) = &cuda.obstacle {
            let reason = format!("it needs CUDA, and that cannot be used: {}", obstacle.reason);
            return Err(Obstacle::new(reason, obstacle.remedy.clone()));
        }
        open(Provider::TensorRt, TENSORRT, dirs, &mut status.libraries)
    });
    status.obstacle = outcome.err();
    status
}

/// Whether the build has the provider, and its library lies beside ONNX Runtime's.
fn offered(info: &RuntimeInfo, name: &str, word: &str) -> Result<(), Obstacle> {
    let remedy = || {
        format!(
            "Install the GPU build into the active Python environment (python3 -m pip install \
             \"onnxruntime-gpu[cuda,cudnn]=={VERSION}\"), or set ORT_DYLIB_PATH to its library"
        )
    };
    if !info.providers.iter().any(|offered| offered == name) {
        return Err(Obstacle::new("this build of ONNX Runtime is without it", remedy()));
    }
    let dir = info.path.parent().unwrap_or_else(|| Path::new("."));
    for part in ["shared", word] {
        let file = provider_library(part);
        if !dir.join(&file).is_file() {
            let reason = format!("{file} does not lie beside ONNX Runtime's library");
            return Err(Obstacle::new(reason, format!("Put it into {}. {}", dir.display(), remedy())));
        }
    }
    Ok(())
}

/// What the library of a provider is called.
pub(in crate::engine) fn provider_library(word: &str) -> String {
    format!("{}onnxruntime_providers_{word}{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX)
}

fn open(
    provider: Provider,
    needed: &[Needed],
    dirs: &[PathBuf],
    opened: &mut Vec<PathBuf>,
) -> Result<(), Obstacle> {
    for library in needed {
        match preload(library.name, dirs) {
            Ok(path) => opened.push(path),
            Err(why) if library.required => {
                let reason = format!("{} cannot be opened ({why})", library.name);
                let remedy = format!(
                    "Install {}, or put its folder into {}",
                    library.package,
                    if cfg!(windows) { "PATH" } else { "LD_LIBRARY_PATH" }
                );
                return Err(Obstacle::new(reason, remedy));
            }
            Err(why) => tracing::debug!("{provider} goes without {}: {why}", library.name),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Bytes;
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
        Device { name: "A card".to_owned(), capability: (8, 9), memory, cuda: (13, 0) }
    }

    #[test]
    fn each_missing_piece_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let library = dir.path().join("libonnxruntime.so");
        let reason = |status: &ProviderStatus| status.obstacle.as_ref().unwrap().reason.clone();
        let cpu_only = info(library.clone(), &["CPUExecutionProvider"]);
        let status = cuda(&cpu_only, &[], || Ok(card()));
        assert_eq!(reason(&status), "this build of ONNX Runtime is without it");
        assert!(status.obstacle.unwrap().remedy.contains(&format!("onnxruntime-gpu[cuda,cudnn]=={VERSION}")));

        let gpu = info(library, &["TensorrtExecutionProvider", "CUDAExecutionProvider"]);
        let none = cuda(&gpu, &[], || Ok(card()));
        assert!(reason(&none).contains("providers_shared"), "{none:?}");
        for part in ["shared", "cuda", "tensorrt"] {
            std::fs::write(dir.path().join(provider_library(part)), "").unwrap();
        }
        let no_card = cuda(&gpu, &[], || Err(Obstacle::new("there is no card", "Buy one")));
        assert_eq!(reason(&no_card), "there is no card");
        let rt = tensorrt(&gpu, &[], &no_card);
        assert_eq!(reason(&rt), "it needs CUDA, and that cannot be used: there is no card");

        // a file that is no library stands in the place of the first one that is needed
        std::fs::write(dir.path().join(CUDA[0].name), "no library").unwrap();
        let broken = cuda(&gpu, &[dir.path().to_path_buf()], || Ok(card()));
        assert!(broken.device.is_some() && reason(&broken).contains(CUDA[0].name), "{broken:?}");
        assert!(broken.obstacle.unwrap().remedy.contains("LD_LIBRARY_PATH") || cfg!(windows));
    }

    #[test]
    fn the_processor_can_always_be_used() {
        let status = providers(&crate::engine::runtime::testing::for_tests());
        let order: Vec<_> = status.iter().map(|status| status.provider).collect();
        assert_eq!(order, [Provider::Cpu, Provider::Cuda, Provider::TensorRt]);
        assert!(status[0].is_usable());
        let told = |status: &ProviderStatus| status.obstacle.as_ref().is_none_or(|o| !o.remedy.is_empty());
        assert!(status.iter().all(told), "{status:?}");
    }
}
