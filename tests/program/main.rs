//! The program as a user runs it: command line, queue, preflight, history.

#[path = "../common/mod.rs"]
mod common;

mod command_line;
mod command_line_input;
mod compare;
mod components;
mod data_folder_0_1;
mod desk;
mod documents;
mod groups;
mod history;
mod hub_cache;
mod latents_in;
mod limits;
mod memory_table;
mod models;
mod plan;
mod preflight;
mod presets;
mod queue;
mod search;
mod sweep;
