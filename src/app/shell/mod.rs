//! The window around the panels: state, frame, commands.

pub(super) mod action;
pub(super) mod app;
mod apply;
mod attention;
pub(super) mod command;
mod compose;
mod events;
mod font_hint;
mod frame;
mod gallery;
mod help;
pub(super) mod layout;
pub(super) mod live_jobs;
mod menus;
mod message_bar;
mod notification_list;
pub(super) mod notifications;
mod pages;
mod palette;
mod prompt_history;
mod quit;
mod restore_dialog;
pub(super) mod run;
mod save;
pub(super) mod shortcuts;
mod status_bar;
pub(super) mod window_state;
