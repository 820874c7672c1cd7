//! Switch that disables the telemetry of ONNX Runtime's official builds.
//!
//! Observed with 1.31.1 on Linux: disabling it through the API is too late, because making the environment has started
//! an upload thread and created a database in the user's cache folder. Only the environment variable prevents both; it
//! must be set before the library is loaded.

use std::env;

/// Environment variable that disables telemetry if set to `1`.
pub const TELEMETRY_VARIABLE: &str = "ORT_DISABLE_TELEMETRY";

/// Sets [`TELEMETRY_VARIABLE`] for this process. [`super::Runtime::open`] fails without it.
///
/// # Safety
/// Must be called while the process has a single thread, so as the first line of `main`: changing the process
/// environment while another thread reads it is undefined behaviour on Unix. Tests and benches, which have
/// threads from the start, get the variable from `.cargo/config.toml` instead.
#[expect(unsafe_code, reason = "the library reads its switch only from the process environment")]
pub unsafe fn silence_telemetry() {
    // SAFETY: the caller guarantees that no other thread exists.
    unsafe { env::set_var(TELEMETRY_VARIABLE, "1") }
}

pub(super) fn telemetry_is_silenced() -> bool {
    env::var_os(TELEMETRY_VARIABLE).is_some_and(|value| value == "1")
}
