//! Execution providers: which can be used on this machine or why not, selection of one, and its registration in sessions.
//!
//! A provider that is part of the build may still lack a driver or a library. ONNX Runtime would then log a warning and
//! fall back to the CPU; here it is detected before anything is loaded.

mod choose_device;
mod device;
mod kernel_cache;
mod libraries;
mod plugin;
mod plugin_library;
mod register;
mod select;
mod status;
mod upload;

pub use choose_device::{chosen_device, nvidia_devices};
pub use device::Device;
pub(in crate::engine) use kernel_cache::remove as remove_kernels;
pub use plugin::Plugin;
pub(in crate::engine) use plugin::{Plugins, plugin_device};
pub use plugin_library::PluginOrigin;
pub(in crate::engine) use plugin_library::plugin_variable;
pub(super) use register::{into_session, placement};
pub use select::{ProviderSelection, select_provider};
pub(in crate::engine) use status::provider_library;
pub use status::{ProviderStatus, Unavailable, candidates, device_id, providers};
pub(in crate::engine) use upload::Upload;
