//! The form: what should be made.

pub(in crate::app) mod compute;
pub(in crate::app) mod loras;
pub(in crate::app) mod numbers;
pub(in crate::app) mod panel;
pub(in crate::app) mod preflight;
