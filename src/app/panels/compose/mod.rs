//! The compose panel: the form for a new video.

mod advanced;
mod devices;
mod fields;
#[cfg(test)]
mod fixture;
mod loras;
mod model;
mod numbers;
mod panel;
mod preflight;
mod preset;
mod prompt;
mod router;
mod seed;
mod start;
mod time_limit;
mod view;
mod wells;

pub(in crate::app) use panel::ComposePanel;
pub(in crate::app) use view::{
    ComposeAction, ComposeView, Editing, PreflightStatus, PreflightView, ResultFile, TokenCounts,
};
