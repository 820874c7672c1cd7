//! Controls that several panels use.

pub(super) mod chosen_files;
pub(super) mod duration;
pub(super) mod field;
pub(super) mod fix_button;
pub(super) mod halves;
pub(super) mod icon;
pub(super) mod row_menu;
pub(super) mod stage_bar;
pub(super) mod tone;
