//! Background work of the window, on named threads with bounded channels that are joined on exit.

pub(super) mod comparison;
pub(super) mod examiner;
pub(super) mod file_dialog;
pub(super) mod forecast;
mod frame_image;
pub(super) mod idle_verify;
pub(super) mod inputs;
pub(super) mod library;
pub(super) mod measurements;
pub(super) mod newest;
pub(super) mod player;
pub(super) mod restore;
mod search_traces;
pub(super) mod searches;
#[cfg(all(test, target_os = "linux"))]
mod session_bus;
pub(super) mod settings_watch;
mod sweep_clips;
mod sweep_differences;
pub(super) mod sweep_planning;
mod sweep_reading;
pub(super) mod sweeps;
pub(super) mod system_notifications;
pub(super) mod system_theme;
pub(super) mod task;
pub(super) mod taskbar;
pub(super) mod tokens;
