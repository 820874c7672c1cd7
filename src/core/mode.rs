//! The three generation modes of Wan 2.2.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Generation mode: what the video is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Text to video (t2v-A14B).
    T2V,
    /// Image to video (i2v-A14B); the prompt is optional.
    I2V,
    /// Text to video or text and image to video with one transformer (ti2v-5B).
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
