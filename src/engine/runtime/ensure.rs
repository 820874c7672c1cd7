//! Opens an installed ONNX Runtime, or fetches one.

use std::io;
use std::path::Path;

use super::builds::Build;
use super::fetch::{FetchEvent, fetch};
use super::locate::{Environment, FoundLibrary, RejectedLocation, Search, search};
use super::open::{Runtime, RuntimeOpenError};
use crate::core::{CancelToken, Error, Kind, Result};

/// Opens the ONNX Runtime on this machine, or fetches it into `data_dir` and opens that.
///
/// `progress` receives the events of a fetch; none if nothing is fetched.
pub fn ensure(
    data_dir: &Path,
    cancel: &CancelToken,
    progress: &mut dyn FnMut(FetchEvent),
) -> Result<Runtime> {
    ensure_with(&Environment::from_process(data_dir), cancel, progress)
}

/// Opens the ONNX Runtime on this machine without fetching. Also returns the locations without a usable library.
pub fn open_installed(data_dir: &Path) -> Result<(Option<Runtime>, Vec<RejectedLocation>)> {
    let environment = Environment::from_process(data_dir);
    let mut search = search(&environment)?;
    let runtime = open_first(&mut search, &environment)?;
    Ok((runtime, search.rejected))
}

/// Opens the ONNX Runtime on this machine; fails if there is none.
pub fn installed(data_dir: &Path) -> Result<Runtime> {
    let (runtime, rejected) = open_installed(data_dir)?;
    runtime.ok_or_else(|| {
        let places: Vec<_> = rejected.iter().map(|one| one.place.display().to_string()).collect();
        Error::new(Kind::Runtime, "ONNX Runtime is not on this machine, and the settings forbid fetching it")
            .because(io::Error::other(format!("Searched {}", places.join(", "))))
            .remedy(
                "Turn on \"Fetch what is missing\" (models.auto_fetch), or install it and set ORT_DYLIB_PATH",
            )
    })
}

/// [`ensure`] with an explicit environment.
pub fn ensure_with(
    environment: &Environment,
    cancel: &CancelToken,
    progress: &mut dyn FnMut(FetchEvent),
) -> Result<Runtime> {
    let mut search = search(environment)?;
    if let Some(runtime) = open_first(&mut search, environment)? {
        return Ok(runtime);
    }
    tracing::debug!("No ONNX Runtime on this machine: {}", search.rejections());
    let build = Build::for_this_machine()
        .map_err(|error| error.because(io::Error::other(format!("Searched {}", search.rejections()))))?;
    let python = environment.python.as_deref();
    let located = fetch(build, &environment.runtime_dir(), python, cancel, progress)?;
    Ok(Runtime::open_with(&located, environment)?)
}

/// Opens the first usable library. A library set by `ORT_DYLIB_PATH` is not skipped if it cannot be opened.
fn open_first(search: &mut Search, environment: &Environment) -> Result<Option<Runtime>> {
    let is_named = environment.dylib_path.is_some();
    for located in std::mem::take(&mut search.found) {
        match Runtime::open_with(&located, environment) {
            Ok(runtime) => return Ok(Some(runtime)),
            Err(error) if !is_named && error.is_about_the_file() => {
                tracing::warn!("Skipped an ONNX Runtime: {error}");
                search.rejected.push(refusal(located, &error));
            }
            Err(error) => return Err(Error::from(error)),
        }
    }
    Ok(None)
}

fn refusal(located: FoundLibrary, error: &RuntimeOpenError) -> RejectedLocation {
    RejectedLocation { place: located.path, origin: located.origin, reason: error.to_string() }
}
