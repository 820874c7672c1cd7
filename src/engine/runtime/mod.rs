//! ONNX Runtime: finding it, fetching it if it is missing, checking it, and opening it once with telemetry off.
//!
//! [`ensure`] returns a runtime for computing; [`search`] and [`Runtime::info`] are for diagnoses. The library is loaded at
//! run time, so the program starts and reports what is missing on a machine without it. This module does not know
//! models or Wan.
//!
//! Search order, first match wins: `ORT_DYLIB_PATH` (then no other), beside the program, the folder `runtime` of the data
//! folder, the `onnxruntime` package of the active Python environment. GPU builds come first.
//!
//! Tests use `target/test-data` of the checkout as the data folder (`testing::for_tests` here, `common::runtime` in
//! `tests/`): the first one fetches, all others wait for it, and from then on nothing needs the network.

mod builds;
mod c_api;
mod elf;
mod ensure;
mod fetch;
mod heap;
mod locate;
mod open;
mod package;
mod pip;
mod telemetry;
#[cfg(test)]
pub(crate) mod testing;
mod unpack;

pub use builds::{Build, VERSION};
pub(in crate::engine) use c_api::{device_metadata, hardware_metadata};
pub use ensure::{ensure, ensure_with, installed, open_installed};
pub use fetch::{FetchEvent, fetch};
pub use heap::{release_free_heap, share_one_heap};
pub use locate::{Environment, FoundLibrary, Origin, RejectedLocation, Search, search};
pub use open::{Runtime, RuntimeInfo, RuntimeOpenError};
pub use package::{RuntimePackage, install_package, remove_package};
pub use telemetry::{TELEMETRY_VARIABLE, silence_telemetry};
pub use unpack::unpack;
