//! The images and clips that a video starts from or ends with: decoded, chosen in a dialog and pasted, off the window's
//! thread.

mod clipboard;
#[expect(clippy::module_inception, reason = "the folder is named after its main type")]
mod inputs;
mod source;
mod well_image;

pub(in crate::app) use inputs::{Chosen, InputWell, Inputs, WellView};
pub(in crate::app) use source::InputSource;
pub(in crate::app) use well_image::{Fitting, WellImage};
