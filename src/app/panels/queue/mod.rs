//! The queue and the job that runs.

pub(in crate::app) mod panel;
pub(in crate::app) mod progress;
