//! What the pages for settings, log, models and presets do: their state beside the form, and their actions.

mod fetch;
mod idle_verify;
mod log;
mod models;
mod presets;
mod roles;
mod runtime;
mod settings;
mod state;

pub(super) use state::Pages;
