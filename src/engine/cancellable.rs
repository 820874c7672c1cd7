//! Cancellation while ONNX Runtime makes a session.

use ort::session::Session as OrtSession;
use ort::session::builder::SessionBuilder;

use super::ort_error;
use crate::core::{CancelToken, Result};

/// Makes a session of the component `name` with `commit`; a cancellation interrupts it.
///
/// ONNX Runtime checks for the cancellation between two weights that it reads or packs.
pub(super) fn commit_cancellable(
    name: &str,
    cancel: &CancelToken,
    builder: ort::Result<SessionBuilder>,
    commit: impl FnOnce(&mut SessionBuilder) -> ort::Result<OrtSession>,
) -> Result<OrtSession> {
    cancel.check()?;
    let mut builder = builder.map_err(|error| ort_error::load_error(name, &error))?;
    let stop = builder.canceler();
    let _guard = cancel.on_cancel(move || {
        if let Err(error) = stop.cancel() {
            tracing::warn!("Cannot interrupt the loading of a component: {error}");
        }
    });
    let made = commit(&mut builder);
    // whatever its result, the job is cancelled
    cancel.check()?;
    made.map_err(|error| ort_error::load_error(name, &error))
}
