//! A cancel reaches ONNX Runtime while it makes a session.

use ort::session::Session as OrtSession;
use ort::session::builder::SessionBuilder;

use super::fault;
use crate::core::{CancelToken, Result};

/// Makes the session `name` of a `builder` by `commit`, until `cancel`.
///
/// ONNX Runtime looks for the wish between two weights that it reads or packs.
pub(super) fn make(
    name: &str,
    cancel: &CancelToken,
    builder: ort::Result<SessionBuilder>,
    commit: impl FnOnce(&mut SessionBuilder) -> ort::Result<OrtSession>,
) -> Result<OrtSession> {
    cancel.check()?;
    let mut builder = builder.map_err(|error| fault::in_load(name, &error))?;
    let stop = builder.canceler();
    let _guard = cancel.on_cancel(move || {
        if let Err(error) = stop.cancel() {
            tracing::warn!("The loading of a network could not be interrupted: {error}");
        }
    });
    let made = commit(&mut builder);
    // whatever it says, it was asked to stop
    cancel.check()?;
    made.map_err(|error| fault::in_load(name, &error))
}
