//! What the program had to say.

mod panel;

pub(in crate::app) use panel::{LogAction, LogPanel, LogView};
