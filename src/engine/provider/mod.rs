//! Execution providers: which of them this ONNX Runtime offers, whether they can really be used here and if not, why
//! not and what to do; the choice among them; and how each is put into a session.
//!
//! A provider that was built in can still fail for want of a driver or a library. ONNX Runtime would then fall back to
//! the CPU with a line in a log; here it is found out before anything is loaded.

mod choose;
mod device;
mod libraries;
mod register;
mod status;

pub use choose::{Chosen, choose};
pub use device::Device;
pub(super) use register::into_session;
pub(in crate::engine) use status::provider_library;
pub use status::{Obstacle, Provider, ProviderStatus, providers};
