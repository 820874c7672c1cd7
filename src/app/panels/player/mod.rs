//! The video and its controls.

pub(in crate::app) mod panel;
