//! The window around the panels: its state, its frame, its verbs.

pub(super) mod action;
pub(super) mod app;
mod apply;
pub(super) mod command;
mod events;
mod frame;
pub(super) mod layout;
pub(super) mod live_jobs;
mod menus;
pub(super) mod notifications;
pub(super) mod run;
mod shortcuts;
mod status_bar;
mod toasts;
