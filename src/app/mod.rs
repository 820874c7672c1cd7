//! The window: what a person sees and touches.
//!
//! `shell/` holds the state and carries out actions, `panels/` draw and return actions, `widgets/` are what panels
//! share, `background/` does what must not keep the window waiting. egui is known here and nowhere else.

mod background;
mod fonts;
mod form;
mod panels;
mod shell;
mod theme;
mod widgets;

pub use form::Form;
pub use shell::app::App;
pub use shell::run::{Renderer, run};
