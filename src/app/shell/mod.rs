//! The window around the panels: its state, its frame, its verbs.

pub(super) mod action;
pub(super) mod app;
pub(super) mod command;
pub(super) mod run;
pub(super) mod view;
