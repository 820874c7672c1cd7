//! Opening the library, once per process, with telemetry off.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::builds::VERSION;
use super::foreign;
use super::locate::{Environment, Located, Origin};
use super::telemetry::{TELEMETRY_VARIABLE, telemetry_is_silenced};
use crate::core::{Error, Kind};

/// What a diagnosis says about the runtime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuntimeInfo {
    /// As the library says it, for instance `1.31.1`.
    pub version: String,
    /// The library's own words about how it was built.
    pub build: String,
    /// The library.
    pub path: PathBuf,
    /// How it came to be chosen.
    pub origin: Origin,
    /// Execution providers it was built with, in its order of preference.
    pub providers: Vec<String>,
}

/// ONNX Runtime, loaded and with its environment made. Clones are the same runtime; it stays to the end of the
/// process, because the library can be loaded only once.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

struct Inner {
    environment: ort::environment::Environment,
    info: RuntimeInfo,
    places: Environment,
}

/// Why a library cannot be opened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OpenError {
    /// The system's loader refuses it.
    #[error("{} cannot be loaded: {reason}", path.display())]
    CannotLoad {
        /// The library.
        path: PathBuf,
        /// The loader's words.
        reason: String,
    },
    /// It is a library, but not this one.
    #[error("{} is not ONNX Runtime: it has no OrtGetApiBase", path.display())]
    NotOnnxRuntime {
        /// The library.
        path: PathBuf,
    },
    /// Too old for what the program calls, or not the pinned version without having been asked for by name.
    #[error("{} is ONNX Runtime {version}, {VERSION} is needed", path.display())]
    WrongVersion {
        /// The library.
        path: PathBuf,
        /// What it says of itself.
        version: String,
    },
    /// One process, one library.
    #[error("ONNX Runtime is already open from {}, it cannot be opened from {}", open.display(), asked.display())]
    AnotherIsOpen {
        /// The one in use.
        open: PathBuf,
        /// The one that was asked for.
        asked: PathBuf,
    },
    /// Telemetry would be sent.
    #[error("ONNX Runtime would send telemetry: {TELEMETRY_VARIABLE} is not set to 1")]
    TelemetryIsOn,
    /// The library loaded but refused to start.
    #[error("ONNX Runtime {version} does not start: {reason}")]
    DoesNotStart {
        /// What it says of itself.
        version: String,
        /// Its own words.
        reason: String,
    },
}

impl OpenError {
    /// Whether another library may do better.
    pub(super) fn is_about_the_file(&self) -> bool {
        matches!(self, Self::CannotLoad { .. } | Self::NotOnnxRuntime { .. } | Self::WrongVersion { .. })
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        let remedy = match &error {
            OpenError::CannotLoad { .. }
            | OpenError::NotOnnxRuntime { .. }
            | OpenError::WrongVersion { .. } => {
                format!("Remove it or set ORT_DYLIB_PATH to the library of ONNX Runtime {VERSION}")
            }
            OpenError::AnotherIsOpen { .. } => "Restart the program to change the library".to_owned(),
            OpenError::TelemetryIsOn => format!("Start with {TELEMETRY_VARIABLE}=1 in the environment"),
            OpenError::DoesNotStart { .. } => "Restart the program; if it stays so, report it".to_owned(),
        };
        Self::new(Kind::Runtime, error.to_string()).remedy(remedy)
    }
}

/// The one runtime of this process: the library keeps its own state in process-wide variables, so a second one
/// cannot exist whatever types say.
static OPEN: Mutex<Option<Runtime>> = Mutex::new(None);

impl Runtime {
    /// Loads the library and makes its environment. The same library again gives the same runtime.
    ///
    /// A library the user named by `ORT_DYLIB_PATH` may be newer than [`VERSION`]; any other must be it.
    pub fn open(located: &Located) -> Result<Self, OpenError> {
        Self::open_in(located, &Environment::default())
    }

    /// [`Self::open`], remembering the folders of `places` for what providers need beside the library.
    pub fn open_in(located: &Located, places: &Environment) -> Result<Self, OpenError> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*open {
            let (open, asked) = (runtime.0.info.path.clone(), located.path.clone());
            if same_file(&open, &asked) {
                return Ok(runtime.clone());
            }
            return Err(OpenError::AnotherIsOpen { open, asked });
        }
        let runtime = Self::load(located, places)?;
        *open = Some(runtime.clone());
        Ok(runtime)
    }

    fn load(located: &Located, places: &Environment) -> Result<Self, OpenError> {
        if !telemetry_is_silenced() {
            return Err(OpenError::TelemetryIsOn);
        }
        let path = located.path.clone();
        let version = foreign::version_of_library(&path)?;
        if located.origin != Origin::Variable && version != VERSION {
            return Err(OpenError::WrongVersion { path, version });
        }
        use ort::LoadDynamicError as Refusal;
        let builder = ort::init_from(&path).map_err(|refusal| match refusal {
            Refusal::BadVersion { version_str, .. } => {
                OpenError::WrongVersion { path: path.clone(), version: version_str }
            }
            Refusal::MissingApi { .. } => OpenError::NotOnnxRuntime { path: path.clone() },
            other => OpenError::CannotLoad { path: path.clone(), reason: other.to_string() },
        })?;
        let environment = builder.with_name("wandeck").with_telemetry(false).build().map_err(|error| {
            OpenError::DoesNotStart { version: version.clone(), reason: error.to_string() }
        })?;
        let info = RuntimeInfo {
            version,
            build: ort::info().to_owned(),
            path,
            origin: located.origin,
            providers: foreign::providers(),
        };
        tracing::info!(version = info.version, path = %info.path.display(), "Opened ONNX Runtime");
        Ok(Self(Arc::new(Inner { environment, info, places: places.clone() })))
    }

    /// What every session is made under.
    pub fn environment(&self) -> &ort::environment::Environment {
        &self.0.environment
    }

    /// Where things lie on this machine, as far as the one who opened the library said.
    pub fn places(&self) -> &Environment {
        &self.0.places
    }

    /// Version, build, path, providers.
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
