//! The log panel.

mod bundle;
mod panel;
#[cfg(test)]
mod tests;

pub(in crate::app) use panel::{LogAction, LogPanel, LogView};
