//! The one way to a runtime: what is there, else fetched.

use std::io;
use std::path::Path;

use super::builds::Build;
use super::fetch::{FetchEvent, fetch};
use super::locate::{Environment, Located, Refused, Search, search};
use super::open::{OpenError, Runtime};
use crate::core::{CancelToken, Error, Result};

/// Opens the runtime that is on this machine, or fetches it into `data_dir` and opens that.
///
/// `progress` hears of a fetch before it begins; it hears nothing when none is needed.
pub fn ensure(
    data_dir: &Path,
    cancel: &CancelToken,
    progress: &mut dyn FnMut(FetchEvent),
) -> Result<Runtime> {
    ensure_in(&Environment::from_process(data_dir), cancel, progress)
}

/// Opens the runtime that is on this machine; nothing is fetched. Beside it the places without one and why.
pub fn present(data_dir: &Path) -> Result<(Option<Runtime>, Vec<Refused>)> {
    let environment = Environment::from_process(data_dir);
    let mut search = search(&environment)?;
    let runtime = open_first(&mut search, &environment)?;
    Ok((runtime, search.refused))
}

/// [`ensure`] in an environment that need not be this process's.
pub fn ensure_in(
    environment: &Environment,
    cancel: &CancelToken,
    progress: &mut dyn FnMut(FetchEvent),
) -> Result<Runtime> {
    let mut search = search(environment)?;
    if let Some(runtime) = open_first(&mut search, environment)? {
        return Ok(runtime);
    }
    tracing::debug!("No ONNX Runtime on this machine: {}", search.refusals());
    let build = Build::for_this_machine()
        .map_err(|error| error.because(io::Error::other(format!("Looked at {}", search.refusals()))))?;
    let python = environment.python.as_deref();
    let located = fetch(build, &environment.runtime_dir(), python, cancel, progress)?;
    Ok(Runtime::open_in(&located, environment)?)
}

/// Opens the first library found that can be opened. One that was asked for by name is not passed over.
fn open_first(search: &mut Search, environment: &Environment) -> Result<Option<Runtime>> {
    let is_named = environment.dylib_path.is_some();
    for located in std::mem::take(&mut search.found) {
        match Runtime::open_in(&located, environment) {
            Ok(runtime) => return Ok(Some(runtime)),
            Err(error) if !is_named && error.is_about_the_file() => {
                tracing::warn!("Passed over an ONNX Runtime: {error}");
                search.refused.push(refusal(located, &error));
            }
            Err(error) => return Err(Error::from(error)),
        }
    }
    Ok(None)
}

fn refusal(located: Located, error: &OpenError) -> Refused {
    Refused { place: located.path, origin: located.origin, reason: error.to_string() }
}
