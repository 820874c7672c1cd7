//! Settings under a name.

mod panel;

pub(in crate::app) use panel::{PresetsAction, PresetsPanel, PresetsView};
