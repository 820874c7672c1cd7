//! The program as a person uses it: command line, queue, preflight, history.

#[path = "../common/mod.rs"]
mod common;

mod command_line;
mod history;
mod preflight;
mod queue;
