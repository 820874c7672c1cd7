//! The models panel.

mod panel;

pub(in crate::app) use panel::{ModelsAction, ModelsPanel, ModelsView};
