//! The window.
//!
//! `shell/` holds the state and carries out actions, `panels/` draw and return actions, `widgets/` are controls that
//! panels share, `background/` runs work that would block the window. Only this module uses egui.

mod background;
mod fonts;
mod form;
mod panels;
mod shell;
#[cfg(test)]
mod snapshots;
mod theme;
mod widgets;

pub use form::Form;
pub use shell::app::App;
pub use shell::run::{Renderer, run};
