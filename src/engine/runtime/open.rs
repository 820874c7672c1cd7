//! Opening of the library, once per process, with telemetry off.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::builds::VERSION;
use super::c_api;
use super::heap::return_large_blocks;
use super::locate::{Environment, FoundLibrary, Origin};
use super::telemetry::{TELEMETRY_VARIABLE, telemetry_is_silenced};
use crate::core::{CancelToken, Error, Kind, Provider};
use crate::engine::cancellable::Abandoned;
use crate::engine::provider::{Plugin, Plugins, Unavailable};

/// Version and origin of an open runtime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuntimeInfo {
    /// Version reported by the library, for instance `1.31.1`.
    pub version: String,
    /// Build information reported by the library.
    pub build: String,
    /// Path of the library.
    pub path: PathBuf,
    /// Where it was found.
    pub origin: Origin,
    /// Execution providers it was built with, in its order of preference.
    pub providers: Vec<String>,
}

/// The loaded ONNX Runtime with its environment. Clones share it; it stays loaded until the process ends, because the
/// library can be loaded only once.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

struct Inner {
    environment: ort::environment::Environment,
    info: RuntimeInfo,
    places: Environment,
    abandoned: Abandoned,
    plugins: Plugins,
}

/// Why a library cannot be opened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RuntimeOpenError {
    /// The system's loader cannot load it.
    #[error("{} cannot be loaded: {reason}", path.display())]
    CannotLoad {
        /// The library.
        path: PathBuf,
        /// The loader's words.
        reason: String,
    },
    /// It is another library.
    #[error("{} is not ONNX Runtime: it has no OrtGetApiBase", path.display())]
    NotOnnxRuntime {
        /// The library.
        path: PathBuf,
    },
    /// Too old, or not the pinned version and not set by `ORT_DYLIB_PATH`.
    #[error("{} is ONNX Runtime {version}, but {VERSION} is needed", path.display())]
    WrongVersion {
        /// The library.
        path: PathBuf,
        /// What it says of itself.
        version: String,
    },
    /// Another library is open already.
    #[error("ONNX Runtime is already open from {} and cannot be opened from {}", open.display(), asked.display())]
    AnotherIsOpen {
        /// The one in use.
        open: PathBuf,
        /// The one that was asked for.
        asked: PathBuf,
    },
    /// Telemetry would be sent.
    #[error("ONNX Runtime would send telemetry: {TELEMETRY_VARIABLE} is not set to 1")]
    TelemetryIsOn,
    /// The library was loaded but failed to start.
    #[error("ONNX Runtime {version} does not start: {reason}")]
    DoesNotStart {
        /// What it says of itself.
        version: String,
        /// Its own words.
        reason: String,
    },
}

impl RuntimeOpenError {
    /// Whether another library may work.
    pub(super) fn is_about_the_file(&self) -> bool {
        matches!(self, Self::CannotLoad { .. } | Self::NotOnnxRuntime { .. } | Self::WrongVersion { .. })
    }
}

impl From<RuntimeOpenError> for Error {
    fn from(error: RuntimeOpenError) -> Self {
        let remedy = match &error {
            RuntimeOpenError::CannotLoad { .. }
            | RuntimeOpenError::NotOnnxRuntime { .. }
            | RuntimeOpenError::WrongVersion { .. } => {
                format!("Remove it or set ORT_DYLIB_PATH to the library of ONNX Runtime {VERSION}")
            }
            RuntimeOpenError::AnotherIsOpen { .. } => "Restart the program to change the library".to_owned(),
            RuntimeOpenError::TelemetryIsOn => {
                format!("Start with {TELEMETRY_VARIABLE}=1 in the environment")
            }
            RuntimeOpenError::DoesNotStart { .. } => {
                "Restart the program; if the error persists, report it".to_owned()
            }
        };
        Self::new(Kind::Runtime, error.to_string()).remedy(remedy)
    }
}

/// The runtime of this process. The library has process-wide state, so there can be only one.
static OPEN: Mutex<Option<Runtime>> = Mutex::new(None);

impl Runtime {
    /// Loads the library and makes its environment; returns the existing runtime for the same library.
    ///
    /// A library set by `ORT_DYLIB_PATH` may be newer than [`VERSION`]; any other must have that version.
    pub fn open(located: &FoundLibrary) -> Result<Self, RuntimeOpenError> {
        Self::open_with(located, &Environment::default())
    }

    /// [`Self::open`] with the environment in which providers search for their libraries.
    pub fn open_with(located: &FoundLibrary, places: &Environment) -> Result<Self, RuntimeOpenError> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*open {
            let (open, asked) = (runtime.0.info.path.clone(), located.path.clone());
            if same_file(&open, &asked) {
                return Ok(runtime.clone());
            }
            return Err(RuntimeOpenError::AnotherIsOpen { open, asked });
        }
        let runtime = Self::load(located, places)?;
        *open = Some(runtime.clone());
        Ok(runtime)
    }

    fn load(located: &FoundLibrary, places: &Environment) -> Result<Self, RuntimeOpenError> {
        if !telemetry_is_silenced() {
            return Err(RuntimeOpenError::TelemetryIsOn);
        }
        return_large_blocks();
        let path = located.path.clone();
        let version = c_api::version_of_library(&path)?;
        if located.origin != Origin::Variable && version != VERSION {
            return Err(RuntimeOpenError::WrongVersion { path, version });
        }
        use ort::LoadDynamicError as Refusal;
        let builder = ort::init_from(&path).map_err(|refusal| match refusal {
            Refusal::BadVersion { version_str, .. } => {
                RuntimeOpenError::WrongVersion { path: path.clone(), version: version_str }
            }
            Refusal::MissingApi { .. } => RuntimeOpenError::NotOnnxRuntime { path: path.clone() },
            other => RuntimeOpenError::CannotLoad { path: path.clone(), reason: other.to_string() },
        })?;
        let environment = builder.with_name("wandeck").with_telemetry(false).build().map_err(|error| {
            RuntimeOpenError::DoesNotStart { version: version.clone(), reason: error.to_string() }
        })?;
        let info = RuntimeInfo {
            version,
            build: ort::info().to_owned(),
            path,
            origin: located.origin,
            providers: c_api::providers(),
        };
        tracing::info!(version = info.version, path = %info.path.display(), "Opened ONNX Runtime");
        Ok(Self(Arc::new(Inner {
            environment,
            info,
            places: places.clone(),
            abandoned: Abandoned::default(),
            plugins: Plugins::default(),
        })))
    }

    /// The plugin `provider`, which is registered by the first call, or why it cannot be.
    pub(in crate::engine) fn plugin(&self, provider: Provider) -> Result<Plugin, Unavailable> {
        self.0.plugins.get(provider, &self.0.environment, &self.0.places)
    }

    /// Sessions that were cancelled and are still being made.
    pub(in crate::engine) fn abandoned(&self) -> &Abandoned {
        &self.0.abandoned
    }

    /// Waits until sessions that were cancelled while they were made have ended, as the process must before it exits.
    pub fn wait_for_cancelled_sessions(&self) {
        if self.0.abandoned.wait(&CancelToken::new()).is_err() {
            tracing::debug!("A cancelled session is still being made");
        }
    }

    /// The environment of all sessions.
    pub fn environment(&self) -> &ort::environment::Environment {
        &self.0.environment
    }

    /// The environment variables and folders that the runtime was opened with.
    pub fn search_environment(&self) -> &Environment {
        &self.0.places
    }

    /// Version, build, path and providers.
    pub fn info(&self) -> &RuntimeInfo {
        &self.0.info
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.info.fmt(f)
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
