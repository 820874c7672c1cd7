//! What the machine is doing.

mod panel;

pub(in crate::app) use panel::{MonitorAction, MonitorPanel, MonitorView};
