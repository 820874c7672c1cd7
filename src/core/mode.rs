//! The three ways of asking for a video.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is given: words, a picture, or both to the small model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Text to video (t2v-A14B).
    T2V,
    /// Image to video, prompt optional (i2v-A14B).
    I2V,
    /// Text, or text and image, to video with one transformer (ti2v-5B).
    TI2V,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::T2V => "t2v",
            Self::I2V => "i2v",
            Self::TI2V => "ti2v",
        })
    }
}
