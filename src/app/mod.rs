//! The window: what a person sees and touches.
//!
//! A panel reads an [`AppView`] and returns [`Action`]s; only `app.rs` holds the state, talks to the engine
//! thread and applies actions. egui is known here and nowhere else.

mod action;
#[expect(clippy::module_inception, reason = "the eframe application is the app of the app layer")]
mod app;
mod command;
mod compose_panel;
mod compute_panel;
mod examiner;
mod field;
mod fix_button;
#[cfg(test)]
mod fixture;
mod form;
mod icon;
mod lora_panel;
mod numbers_panel;
mod output_name;
mod playback;
mod player;
mod player_panel;
mod preflight_panel;
mod progress_panel;
mod queue_panel;
mod reel;
mod restore;
mod routing;
mod run;
mod theme;
mod view;

pub use action::{Action, PlayerAction};
pub use app::App;
pub use run::{Renderer, run};
pub use view::{AppView, Editing, Look, PreflightView, RunState, Screen};
