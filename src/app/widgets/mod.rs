//! Controls that several panels use.

pub(super) mod field;
pub(super) mod fix_button;
pub(super) mod icon;
