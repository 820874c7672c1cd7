//! ONNX Runtime itself: looked for, fetched when it is nowhere, checked, opened once, telemetry off.
//!
//! [`ensure`] is the way in for everyone who needs to compute. [`search`] and [`Runtime::info`] are what a
//! diagnosis shows. The library is one shared file that is loaded at run time, so the program starts, and says
//! what is missing, on a machine without it. Nothing here knows models, Wan or how progress is drawn.
//!
//! Where it is looked for, first match wins: `ORT_DYLIB_PATH` (then nowhere else), beside the program, the data
//! folder's `runtime`, the active Python environment's `onnxruntime` package. A GPU build goes before one without.
//!
//! Tests use `target/test-data` of the checkout as the data folder (`testing::for_tests` here, `common::runtime` in
//! `tests/`): the first one fetches, all others wait for it, and from then on nothing needs the network.

mod builds;
mod ensure;
mod fetch;
mod foreign;
mod locate;
mod open;
mod pip;
mod telemetry;
#[cfg(test)]
pub(crate) mod testing;
mod unpack;
mod whole;

pub use builds::{Build, VERSION};
pub use ensure::{ensure, ensure_in, present};
pub use fetch::{FetchEvent, fetch};
pub use locate::{Environment, Located, Origin, Refused, Search, search};
pub use open::{OpenError, Runtime, RuntimeInfo};
pub use telemetry::{TELEMETRY_VARIABLE, silence_telemetry};
pub use unpack::unpack;
