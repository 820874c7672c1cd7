//! The panels. Each draws its view and returns the user's actions.
//!
//! A panel is a struct with view state only. `ui` takes a view with what the panel needs and returns its actions; the
//! shell carries them out.

pub(super) mod compare;
pub(super) mod compose;
pub(super) mod gallery;
pub(super) mod log;
pub(super) mod models;
pub(super) mod monitor;
pub(super) mod player;
pub(super) mod presets;
pub(super) mod queue;
pub(super) mod settings;
pub(super) mod sweep;
