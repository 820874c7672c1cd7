//! The whole window with the real engine behind it, as a user sees it: one file per user story.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![cfg(unix)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/hub.rs"]
mod hub;
#[path = "../common/trace.rs"]
mod trace;

mod broken_file;
#[cfg(target_os = "linux")]
mod browse;
mod cancel;
mod compare_two;
mod compose;
mod edit_waiting;
mod ended_by_the_system;
mod export_trace;
mod fetched_model;
mod first_video;
mod idle_verify;
mod image_by_drop;
mod keyboard_only;
mod looks_kept;
mod models_on_disk;
mod nothing_moves;
mod other_program;
mod out_of_memory;
mod overlay;
#[cfg(target_os = "linux")]
mod portal;
mod preset_applied;
mod presets;
mod queue_order;
mod quit;
mod remix;
mod reopen_after_kill;
mod restore;
mod roles_by_hand;
mod runtime_page;
mod screenshots;
mod step_cache;
mod sweep;
mod window;
