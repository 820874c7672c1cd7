//! Work that must not keep the window waiting: named threads with bounded channels, joined on exit.

pub(super) mod examiner;
pub(super) mod library;
pub(super) mod measurements;
pub(super) mod player;
pub(super) mod restore;
pub(super) mod task;
