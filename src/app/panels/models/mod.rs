//! The models on this machine.

mod panel;

pub(in crate::app) use panel::{ModelsAction, ModelsPanel, ModelsView};
