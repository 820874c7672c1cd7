//! Fetching from a loopback hub that misbehaves on purpose: cuts, stalls, wrong bytes, redirects, kills.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/hub.rs"]
mod hub;

mod download;
mod kill;
mod manifest;
mod model;
