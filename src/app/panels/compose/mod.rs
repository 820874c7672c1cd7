//! The compose panel: the form for a new video.

mod compute;
#[cfg(test)]
mod fixture;
mod loras;
mod model;
mod numbers;
mod panel;
mod preflight;
mod router;
mod view;

pub(in crate::app) use panel::ComposePanel;
pub(in crate::app) use view::{ComposeAction, ComposeView, Editing, PreflightStatus, PreflightView};
