//! The player panel: the video and its controls.

mod command;
mod controls;
mod panel;
mod view;
mod viewport;

pub(in crate::app) use command::PlayerCommand;
pub(in crate::app) use panel::PlayerPanel;
pub(in crate::app) use view::{LivePreview, PlayerAction, PlayerView, Repeat, Screen};
pub(in crate::app::panels) use viewport::{Viewport, frame_ui};
