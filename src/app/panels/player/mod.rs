//! The video and its controls.

mod panel;
mod view;

pub(in crate::app) use panel::PlayerPanel;
pub(in crate::app) use view::{LivePreview, PlayerAction, PlayerView, Screen};
