//! The window around the panels: state, frame, commands.

pub(super) mod action;
pub(super) mod app;
mod apply;
pub(super) mod command;
mod compose;
mod events;
mod frame;
mod gallery;
mod help;
pub(super) mod layout;
pub(super) mod live_jobs;
mod menus;
pub(super) mod notifications;
mod pages;
mod palette;
mod prompt_history;
mod quit;
pub(super) mod run;
mod save;
pub(super) mod shortcuts;
mod status_bar;
mod toasts;
pub(super) mod window_state;
