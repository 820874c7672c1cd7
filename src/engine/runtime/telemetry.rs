//! The switch that keeps ONNX Runtime's own builds from phoning home.
//!
//! Measured with 1.31.1 on Linux: turning telemetry off through the API after the environment is made is too
//! late, an uploader thread and a database under the user's cache folder are there already. Only the variable
//! prevents both, and it must be in the process environment before the library is loaded.

use std::env;

/// Set to `1`, keeps ONNX Runtime from collecting and sending anything.
pub const TELEMETRY_VARIABLE: &str = "ORT_DISABLE_TELEMETRY";

/// Sets [`TELEMETRY_VARIABLE`] for this process. [`super::Runtime::open`] refuses to go on without it.
///
/// # Safety
/// Must be called while the process has a single thread, so as the first line of `main`: changing the process
/// environment while another thread reads it is undefined behaviour on Unix. Tests and benches, which have
/// threads from the start, get the variable from `.cargo/config.toml` instead.
#[expect(unsafe_code, reason = "the library reads its switch from the process environment and nowhere else")]
pub unsafe fn silence_telemetry() {
    // SAFETY: the caller promises that no other thread exists.
    unsafe { env::set_var(TELEMETRY_VARIABLE, "1") }
}

pub(super) fn telemetry_is_silenced() -> bool {
    env::var_os(TELEMETRY_VARIABLE).is_some_and(|value| value == "1")
}
