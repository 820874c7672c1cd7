//! The log panel: all notifications of the session.

mod panel;

pub(in crate::app) use panel::{LogAction, LogPanel, LogView};
