//! Recognises Wan's official models.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use crate::core::Mode;

/// The official models; ranges and advice about settings exist for these only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Family {
    /// t2v-A14B and i2v-A14B: two experts, 5120 wide, 40 blocks.
    A14B,
    /// ti2v-5B: one transformer, 3072 wide, 30 blocks.
    B5,
}

/// Width and number of blocks of the transformers (`wan/configs`).
const SHAPES: [(Family, usize, usize); 2] = [(Family::A14B, 5120, 40), (Family::B5, 3072, 30)];

impl Checkpoint {
    /// Which official model it is, by the shape of its transformer; `None` for any other.
    pub fn family(&self) -> Option<Family> {
        let config = &self.transformer.config;
        let found =
            SHAPES.iter().find(|(_, width, layers)| (*width, *layers) == (config.width(), config.num_layers));
        found.map(|(family, ..)| *family)
    }

    /// Its name as Wan writes it, if it is an official model: `t2v-A14B`, `i2v-A14B` or `ti2v-5B`.
    pub fn official_name(&self) -> Option<&'static str> {
        match (self.family()?, self.modes.first()?, self.transformer_2.is_some()) {
            (Family::A14B, Mode::T2V, true) => Some("t2v-A14B"),
            (Family::A14B, Mode::I2V, true) => Some("i2v-A14B"),
            (Family::B5, Mode::TI2V, false) => Some("ti2v-5B"),
            _ => None,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A14B => "A14B",
            Self::B5 => "5B",
        })
    }
}
